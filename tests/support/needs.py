"""Programs of the system that a test needs: it is skipped by name where they are missing, but not where CI has them."""

from __future__ import annotations

import os
import shutil

import pytest

MUST_NOT_SKIP = bool(os.environ.get("MUST_NOT_SKIP"))
"""Set by .ci/run once it has installed them all: from then on, what is missing is a failure."""


def needs(program: str) -> pytest.MarkDecorator:
    """Return the mark of a test that runs this program."""
    missing = shutil.which(program) is None and not MUST_NOT_SKIP
    return pytest.mark.skipif(missing, reason=f"{program} is not installed")
