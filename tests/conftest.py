"""How the tests are spread over processes."""

from __future__ import annotations

import os


def pytest_xdist_auto_num_workers() -> int:
    """Return one process more than there are cores: half of the suite waits for servers and commands."""
    return 1 + (os.cpu_count() or 1)
