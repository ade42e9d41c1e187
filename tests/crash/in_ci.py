"""The suites as tests run them: in a process of their own, at the size that fits a CI run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUITE = Path(__file__).with_name("suite.py")


def run_suite(*options: str) -> dict[str, int]:
    """Run the suite to its end, hold that nothing was violated, and return its table."""
    ended = subprocess.run(
        [sys.executable, str(SUITE), *options], capture_output=True, encoding="utf-8", timeout=280, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = (line.rsplit(maxsplit=1) for line in ended.stdout.splitlines()[:-1])
    return {title: int(number.replace(",", "")) for title, number in rows}
