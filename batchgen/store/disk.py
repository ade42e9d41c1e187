"""The few effects that make files durable, as the writer needs them: one object serves it and the ledger alike."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from batchgen import errors


class Disk(Protocol):
    """Everything the writer does to the file system. All may raise OSError."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file, close-on-exec and never through a symbolic link at its end."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write some of `data` and return how many bytes."""

    def close(self, descriptor: int) -> None:
        """Close the descriptor."""

    def fsync(self, descriptor: int) -> None:
        """Return when the file's bytes are durable."""

    def rename(self, source: Path, target: Path) -> None:
        """Give a file its name atomically, replacing what has it."""

    def sync_folder(self, path: Path) -> None:
        """Return when the names in a folder are durable."""

    def mkdir(self, path: Path) -> None:
        """Create one folder."""

    def unlink(self, path: Path) -> None:
        """Remove one file, or one symbolic link itself."""


_FIXES: Mapping[int, str] = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or have the quota raised",
    errno.EACCES: "make the folder writable for this user",
    errno.EPERM: "make the folder writable for this user",
    errno.EROFS: "mount the file system writable",
    errno.EIO: "check the disk",
    errno.EMFILE: "raise the limit of open files (ulimit -n) or lower limits.downloads",
    errno.ENFILE: "raise the system's limit of open files",
    errno.ENAMETOOLONG: "choose a shorter output.name or a folder with a shorter path",
    errno.ELOOP: "remove the symbolic link",
}


def disk_error(path: Path, problem: OSError) -> errors.DiskError:
    """Return the DiskError that names the path, what the system said, and the fix."""
    fix = _FIXES.get(problem.errno or 0, "see that the folder is there and can be written")
    said = problem.strerror or str(problem) or type(problem).__name__
    return errors.DiskError(errors.printable(f"{path}: {said}; {fix}, then run the same command again"))
