"""The one seam through which every durable effect of the ledger goes, so that suites can record and interrupt each.

`Disk` methods raise OSError as the system gives it; the functions below build on them and raise DiskError, which names
the place and the fix. The order inside them is what makes them safe: data before names, folders before what is in them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from batchgen.errors import DiskError, LedgerError, printable

NEW_FILE_MODE = 0o666
"""Before the user's umask, which decides who may read a run."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Failures of a write that leave the file itself sound."""

_CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOTTY})
_ELSEWHERE = "or name a folder elsewhere with -o"
_FIXES: Mapping[int, str] = {
    errno.ENOSPC: "free some space, then run the same command again",
    errno.EDQUOT: "your quota is used up: free some space, then run the same command again",
    errno.EFBIG: "raise the file size limit (ulimit -f), then run the same command again",
    errno.EROFS: "the file system is read-only: mount it writable, " + _ELSEWHERE,
    errno.EACCES: "make it writable for this user, " + _ELSEWHERE,
    errno.EPERM: "make it writable for this user, " + _ELSEWHERE,
    errno.ENOTDIR: "a file stands where a folder is needed: move it away, " + _ELSEWHERE,
    errno.EEXIST: "a file stands where a folder is needed: move it away, " + _ELSEWHERE,
    errno.EISDIR: "a folder stands where a file is needed: move it away, " + _ELSEWHERE,
    errno.ELOOP: "a symbolic link stands where a file is needed: move it away, " + _ELSEWHERE,
    errno.ENAMETOOLONG: "use a shorter name, " + _ELSEWHERE,
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EIO: "the disk reports a fault: look into the system's log before going on",
}
_ANY_FIX = "see to the disk, then run the same command again"


class Disk(Protocol):
    """Every effect on disk. Descriptors are real ones, so reading goes past this."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file, close-on-exec and never through a symbolic link at its end."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write some of `data` and return how many bytes."""

    def fsync(self, descriptor: int) -> None:
        """Return when the file's bytes and size survive a power loss."""

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to `size` bytes."""

    def close(self, descriptor: int) -> None:
        """Close the descriptor."""

    def rename(self, source: Path, target: Path) -> None:
        """Give `source` the name `target`, atomically, replacing what has it."""

    def unlink(self, path: Path) -> None:
        """Remove a file."""

    def mkdir(self, path: Path) -> None:
        """Make one folder; its parent exists."""

    def sync_folder(self, path: Path) -> None:
        """Return when the folder's names survive a power loss."""


class RealDisk:
    """The system's own."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, NEW_FILE_MODE)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        if sys.platform == "darwin":
            # There, fsync leaves the bytes in the drive's cache; file systems without F_FULLFSYNC say so.
            try:
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            except OSError as error:
                if error.errno not in _CANNOT_SYNC:
                    raise
            else:
                return
        os.fsync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def mkdir(self, path: Path) -> None:
        path.mkdir()

    def sync_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # Some network and user-space file systems have no fsync for folders and order names themselves.
            if error.errno not in _CANNOT_SYNC:
                raise
        finally:
            os.close(descriptor)


REAL_DISK: Disk = RealDisk()


def trouble(doing: str, path: Path, error: OSError) -> DiskError:
    """Return the DiskError for a failure of `doing` (a verb and its object) at `path`, with its fix."""
    fix = _FIXES.get(error.errno or 0, _ANY_FIX)
    return DiskError(printable(f"{path}: cannot {doing} ({error.strerror or error}); {fix}"))


def require_regular(descriptor: int, path: Path) -> None:
    """Raise LedgerError where the open file is a folder, a pipe or a device."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise LedgerError(printable(f"{path}: is not a regular file; move it away, or name another run directory"))


def require_own_folder(path: Path) -> None:
    """Raise DiskError where a symbolic link stands for a folder of a run directory: it may lead anywhere."""
    if path.is_symlink():
        raise DiskError(printable(f"{path} is a symbolic link, and nothing is written through it; move it away"))


def write_whole(disk: Disk, descriptor: int, data: bytes) -> None:
    """Write all of `data`, however many writes it takes. Raises OSError."""
    rest = memoryview(data)
    while rest:
        written = disk.write(descriptor, rest)
        if written <= 0:
            raise OSError(errno.EIO, "nothing was written")
        rest = rest[written:]


def replace_durably(disk: Disk, path: Path, data: bytes) -> None:
    """Make `data` the content of `path`: after any crash the old bytes are there or the new ones, whole.

    Raises DiskError; `path` is untouched then, or (only where the folder's fsync failed) already new.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        _write_durably(disk, part, data)
        disk.rename(part, path)
        disk.sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            disk.unlink(part)
        raise trouble("write the file", path, error) from error


def open_new(disk: Disk, path: Path) -> int:
    """Open a new file for writing, in place of whatever has its name, and return the descriptor.

    What stands there may be a link to a file elsewhere, or a pipe, that somebody else put there. Raises OSError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return disk.open(path, flags)
    except FileExistsError:
        disk.unlink(path)
        return disk.open(path, flags)


def _write_durably(disk: Disk, path: Path, data: bytes) -> None:
    descriptor = open_new(disk, path)
    try:
        write_whole(disk, descriptor, data)
        disk.fsync(descriptor)
    finally:
        disk.close(descriptor)


def make_folder_durably(disk: Disk, path: Path) -> None:
    """Make the folder and every missing one above it, each durable before the next is made in it.

    Raises DiskError.
    """
    missing: list[Path] = []
    standing = path.absolute()
    try:
        while not standing.is_dir():
            missing.append(standing)
            standing = standing.parent
        # Whoever made this one may have died before its name was durable. It need not be ours to read.
        with contextlib.suppress(PermissionError):
            disk.sync_folder(standing.parent)
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                disk.mkdir(folder)
            disk.sync_folder(folder.parent)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise trouble("make the folder", path, error) from error
