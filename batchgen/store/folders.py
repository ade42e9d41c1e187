"""Folders of a run directory: real ones only, each durable before a file in it counts."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

from batchgen import errors
from batchgen.store.disk import Disk, disk_error


class Folders:
    """Makes folders below `root`; may be used from several threads at once."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root = root
        self._disk = disk
        self._lock = threading.Lock()
        self._durable: set[Path] = set()

    def ensure(self, *names: str) -> Path:
        """Return the folder `names` lead to, made durable.

        Raises DiskError, also where one of them is a link, or a file: nothing may be written outside the root.
        """
        path = self._root
        # Under the lock, so that nobody relies on a folder that another thread has made but not yet synced.
        with self._lock:
            for name in names:
                path = path / name
                try:
                    self._ensure_one(path)
                except OSError as problem:
                    raise disk_error(path, problem) from None
        return path

    def _ensure_one(self, path: Path) -> None:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            self._disk.mkdir(path)
        else:
            if not stat.S_ISDIR(mode):
                what = "a symbolic link" if stat.S_ISLNK(mode) else "not a folder"
                raise errors.DiskError(
                    errors.printable(f"{path} is {what}, and nothing is written through it; move it away")
                )
        # Also for a folder that was there: who made it may have died before its name was durable.
        if path not in self._durable:
            self._disk.sync_folder(path.parent)
            self._durable.add(path)
