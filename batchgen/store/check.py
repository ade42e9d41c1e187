"""Looking at saved files again. Imports nothing of the writer: readers of a run directory need only this."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Look:
    """Tells of many files of a run directory, as `whole` does, and looks at each folder on their way only once."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._folders: dict[str, str | None] = {}

    def __call__(self, path: str, size: int) -> bool:
        """Tell whether a file of the ledger is there in its size."""
        folder, slash, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = f"{self._run_dir / folder}/" if self._is_plain(folder) else None
        base = self._folders[folder]
        if base is None or name in ("", "..") or (slash and not folder):
            return False
        try:
            found = os.lstat(base + name)
        except (OSError, ValueError):
            return False
        return found.st_size == size and stat.S_ISREG(found.st_mode)

    def _is_plain(self, folder: str) -> bool:
        """Tell whether a path leads down through folders that are no links."""
        here = self._run_dir
        try:
            for part in folder.split("/") if folder else ():
                here = here / part
                if part in ("", "..") or not stat.S_ISDIR(here.lstat().st_mode):
                    return False
        except (OSError, ValueError):
            return False
        return True


def whole(run_dir: Path, path: str, size: int) -> bool:
    """Tell whether a file of the ledger is there: a regular file of `size` bytes, reached through no link.

    `path` is relative to the run directory, with forward slashes, as the ledger has it.
    """
    return Look(run_dir)(path, size)
