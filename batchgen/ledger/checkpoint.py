"""A checkpoint of the fold: what a large ledger's beginning comes to, so that it need not be read again.

It is a cache: it may be deleted at any time, and nothing in it is believed over the ledger. It tells how long the
beginning is and its CRC-32, and counts only where the ledger's first bytes still have that sum. Where the ledger is
the very file, by device, inode, size and both times, that stood there when batchgen last let go of it, nobody has
written to it since, and the sum need not be made again.

The file: a seal of a fixed length (the ledger's marks), one line of JSON, the saved state.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import DiskError
from batchgen.ledger.files import Disk, replace_durably, write_whole
from batchgen.state import RunState, saved

FROM_BYTES = 8 * 1024 * 1024
"""A shorter ledger is read in a moment."""

REST = 8
"""A checkpoint is used where what follows its beginning is at most one part in so many of the ledger: that is folded
event by event, several times slower than a whole ledger is."""

FRESH = 64
"""It is written anew where more than one part in so many follows."""

_NAME = ".checkpoint"
_SEAL = 128
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first `length` bytes of a ledger, `lines` whole lines, and the state they come to."""

    length: int
    lines: int
    state: RunState


def read(descriptor: int, log: Path) -> Beginning | None:
    """Return what the checkpoint of an open ledger tells, None where there is none that holds. Never raises."""
    size = os.fstat(descriptor).st_size
    if size < FROM_BYTES or (content := _content(log.with_name(_NAME), size + _CHUNK)) is None:
        return None
    try:
        return _read(descriptor, size, memoryview(content))
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError, OSError):
        return None  # Torn, of another version, or nothing of ours.


def _read(descriptor: int, size: int, content: memoryview) -> Beginning | None:
    head, _, _ = bytes(content[_SEAL : 2 * _SEAL]).partition(b"\n")
    length, lines, prefix_sum, own_sum = json.loads(head)
    body = content[_SEAL + len(head) + 1 :]
    if not 0 < length <= size or (size - length) * REST > size or zlib.crc32(body) != own_sum:
        return None
    if bytes(content[:_SEAL]) != marks(descriptor) and _sum(descriptor, length) != prefix_sum:
        return None
    return Beginning(length, lines, saved.load(body))


def is_fresh(known: Beginning | None, size: int) -> bool:
    """Tell whether a ledger of `size` bytes needs no other checkpoint than the `known` one, if any."""
    return size < FROM_BYTES or (known is not None and (size - known.length) * FRESH <= size)


def write(disk: Disk, descriptor: int, log: Path, beginning: Beginning, marked: bytes) -> None:
    """Keep what the beginning of an open, locked ledger comes to. A failure costs the checkpoint alone.

    `marked` are the ledger's `marks` from before it was read: where it has others by now, nothing is kept, since the
    bytes that are summed here may not be those that were folded.
    """
    with contextlib.suppress(ValueError, OSError, DiskError):
        body = b"".join(saved.dump(beginning.state))
        sums = _sum(descriptor, beginning.length), zlib.crc32(body)
        head = json.dumps([beginning.length, beginning.lines, *sums]).encode()
        if marks(descriptor) == marked:
            replace_durably(disk, log.with_name(_NAME), b"".join((marked, head, b"\n", body)))


def seal(disk: Disk, descriptor: int, log: Path) -> None:
    """Note that the checkpoint, which must hold if there is one, belongs to the ledger as it is now."""
    with contextlib.suppress(OSError):
        opened = disk.open(log.with_name(_NAME), os.O_WRONLY | os.O_NONBLOCK)
        try:
            write_whole(disk, opened, marks(descriptor))
        finally:
            disk.close(opened)


def _content(path: Path, most: int) -> bytes | None:
    """Return the bytes of a regular file, none of more than `most`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        is_one = stat.S_ISREG(found.st_mode) and found.st_size <= most
        return os.pread(descriptor, found.st_size, 0) if is_one else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def marks(descriptor: int) -> bytes:
    """Return what tells this file, as it is now, from every other and from itself at another time."""
    now = os.fstat(descriptor)
    told = json.dumps([now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns]).encode()
    return told.ljust(_SEAL - 1) + b"\n"


def _sum(descriptor: int, length: int) -> int:
    """Return the CRC-32 of the first `length` bytes of a file. Raises ValueError where there are fewer."""
    total = at = 0
    while at < length:
        chunk = os.pread(descriptor, min(_CHUNK, length - at), at)
        if not chunk:
            raise ValueError("the file has become shorter")
        total, at = zlib.crc32(chunk, total), at + len(chunk)
    return total
