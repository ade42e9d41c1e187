"""Parts: outputs while they arrive, as hidden files `images/.<job>-<attempt>-<n>.part`."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from batchgen.store.disk import Disk
from batchgen.store.formats import HEAD_BYTES
from batchgen.store.names import component

IMAGES = "images"
"""The folder of a run directory that holds outputs and parts."""

_SUFFIX = ".part"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL


def part_name(job: str, attempt: int, number: int) -> str:
    """Return the file name of an attempt's output number `number`, from 1, while it arrives."""
    # A job's id comes from the ledger, too: one that holds a slash must not lead out of the folder.
    return f".{component(job)}-{attempt}-{number}{_SUFFIX}"


class Part(io.BufferedIOBase):
    """One part. It is opened by the first write and hashed as it is written, so that each write is one thread hop.

    `head` holds the first bytes, `size` counts all of them. Nothing is written through a link: a name that is
    taken is freed first, and the file is always a new one.
    """

    def __init__(self, path: Path, make_folder: Callable[[], object], disk: Disk) -> None:
        super().__init__()
        self.path = path
        self.head = b""
        self.size = 0
        self._make_folder = make_folder
        self._disk = disk
        self._digest = hashlib.sha256()
        self._fd: int | None = None

    def write(self, piece: bytes, /) -> int:  # type: ignore[override]
        """Write all of `piece`. Raises OSError."""
        fd = self.fileno()
        rest = memoryview(piece)
        while rest:
            rest = rest[self._disk.write(fd, rest) :]
        self._digest.update(piece)
        self.head += piece[: HEAD_BYTES - len(self.head)]
        self.size += len(piece)
        _start_writing_back(fd)
        return len(piece)

    def fileno(self) -> int:
        """Return the descriptor, opening the file if this is the first use of it. Raises OSError."""
        if self._fd is None:
            self._make_folder()
            try:
                self._fd = self._disk.open(self.path, _FLAGS)
            except FileExistsError:
                self._disk.unlink(self.path)
                self._fd = self._disk.open(self.path, _FLAGS)
        return self._fd

    @property
    def exists(self) -> bool:
        """Whether the file was opened, and so stands in the folder."""
        return self._fd is not None

    @property
    def sha256(self) -> str:
        """The digest of all that was written, in hex."""
        return self._digest.hexdigest()

    def reader(self) -> BinaryIO:
        """Return the written bytes for reading, from the very file that was written, whatever its name leads to now."""
        file = os.fdopen(os.dup(self.fileno()), "rb")
        file.seek(0)
        return file

    def close(self) -> None:
        """Close the descriptor; the file stays."""
        if not self.closed and self._fd is not None:
            self._disk.close(self._fd)
        super().close()


def _start_writing_back(fd: int) -> None:
    """Let the system begin to write what is dirty, without waiting, so that the fsyncs of many files find it done.

    A hint: promises nothing, and is not there on every system. On ext4 it makes an fsync of one of many files a
    fraction of its wall time, since one journal commit then serves them all.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def clean_parts(run_dir: Path, disk: Disk) -> int:
    """Remove the parts that a dead run left, and return how many. Only for the holder of the run directory's lock.

    Only regular files go, and no link to a folder is followed. Raises OSError.
    """
    images = run_dir / IMAGES
    if images.is_symlink() or not images.is_dir():
        return 0
    leftovers = list(_leftovers(images))
    for path in leftovers:
        with suppress(FileNotFoundError):
            disk.unlink(path)
    return len(leftovers)


def _leftovers(images: Path) -> Iterator[Path]:
    for folder, _, files in os.walk(images, followlinks=False):
        # Of a million files none may be one: no path is made of a name that cannot be.
        for path in (Path(folder, file) for file in files if file.startswith(".") and file.endswith(_SUFFIX)):
            if stat.S_ISREG(path.lstat().st_mode):
                yield path
