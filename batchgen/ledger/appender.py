"""The ledger's end: bytes in, durable or refused, and the room kept back for the day the disk is full.

Blocking; called from one thread. Two kinds of failure differ for good. Where a write finds no room, the torn piece is
cut off and the file is sound: the kept room is freed and the same bytes are tried once more. Where an fsync or anything
else fails, nobody knows what reached the disk: no further byte is trusted to this file, and an fsync is never repeated,
since a second one may succeed without the first one's bytes (https://lwn.net/Articles/752063/).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from batchgen.errors import DiskError
from batchgen.ledger.files import NO_ROOM, Disk, open_new, trouble, write_whole

BALLAST_BYTES = 256 * 1024


class Appender:
    """Appends to the locked ledger, whose first `size` bytes are whole lines.

    `failed` is the first failure, and stays; appending may still work after it, while room lasts. `syncs` counts fsyncs
    of the ledger.
    """

    def __init__(self, disk: Disk, descriptor: int, path: Path, size: int, ballast: Path) -> None:
        self.failed: DiskError | None = None
        self.syncs = 0
        self._broken = False
        self._disk = disk
        self._descriptor = descriptor
        self._path = path
        self._size = size
        self._ballast = ballast

    def reserve(self) -> None:
        """Fill the ballast and make its name and the ledger's durable. Raises DiskError."""
        try:
            # A hole would keep no room, nor zeros on a file system that compresses.
            descriptor = open_new(self._disk, self._ballast)
            try:
                write_whole(self._disk, descriptor, os.urandom(BALLAST_BYTES))
                self._disk.fsync(descriptor)
            finally:
                self._disk.close(descriptor)
            self._disk.sync_folder(self._path.parent)
        except OSError as error:
            self._free()
            raise trouble("keep room back", self._ballast, error) from error

    def commit(self, data: bytes) -> None:
        """Append whole lines and return once they are durable. Raises DiskError: then they count as not written."""
        if self._broken:
            raise DiskError(str(self.failed))
        try:
            self._write(data)
        except OSError as error:
            raise self._fail(error, sound=error.errno in NO_ROOM) from error
        self.syncs += 1
        try:
            self._disk.fsync(self._descriptor)
        except OSError as error:
            raise self._fail(error, sound=False) from error
        self._size += len(data)

    def give_up(self, problem: BaseException) -> DiskError:
        """Trust nothing any more, after a failure that is not the system's, and return it as a DiskError."""
        self._broken = True
        self.failed = self.failed or DiskError(f"{self._path}: cannot append to the ledger ({problem!r}); run again")
        return self.failed

    def close(self) -> None:
        """Remove the ballast and close the file, which lets go of the lock."""
        self._free()
        with contextlib.suppress(OSError):
            self._disk.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        try:
            write_whole(self._disk, self._descriptor, data)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self._cut_back()
            self._fail(error, sound=True)
            self._free()
            self._write_again(data)

    def _write_again(self, data: bytes) -> None:
        try:
            write_whole(self._disk, self._descriptor, data)
        except OSError:
            self._cut_back()
            raise

    def _cut_back(self) -> None:
        """Cut a torn piece off, lest the next line begin in its middle."""
        try:
            self._disk.truncate(self._descriptor, self._size)
        except OSError:
            self._broken = True
            raise

    def _free(self) -> None:
        # The folder's fsync makes file systems give the blocks back now and not at their next commit.
        with contextlib.suppress(OSError):
            self._disk.unlink(self._ballast)
            self._disk.sync_folder(self._path.parent)

    def _fail(self, error: OSError, *, sound: bool) -> DiskError:
        self._broken = self._broken or not sound
        problem = trouble("append to the ledger", self._path, error)
        self.failed = self.failed or problem
        return problem
