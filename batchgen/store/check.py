"""Looking at saved files again."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from batchgen.store.formats import EXTENSIONS
from batchgen.store.parts import IMAGES


def occupied(run_dir: Path, name: str) -> bool:
    """Tell whether an output, or a sidecar, already stands under a stem, whoever made it."""
    stem = run_dir / IMAGES / name
    endings = [f"{number}.{extension}" for number in ("", "_1") for extension in EXTENSIONS]
    return any(os.path.lexists(f"{stem}{ending}") for ending in (*endings, ".json"))


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
