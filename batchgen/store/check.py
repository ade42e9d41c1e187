"""Looking at saved files again."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath


def whole(run_dir: Path, path: str, size: int) -> bool:
    """Tell whether a file of the ledger is there: a regular file of `size` bytes, reached through no link.

    `path` is relative to the run directory, with forward slashes, as the ledger has it.
    """
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or parts[0] == "/" or "\0" in path:
        return False
    here = run_dir
    try:
        for folder in parts[:-1]:
            here = here / folder
            if not stat.S_ISDIR(here.lstat().st_mode):
                return False
        found = (here / parts[-1]).lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size
