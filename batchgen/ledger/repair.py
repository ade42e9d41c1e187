"""Mending what a crash left at a ledger's end. Only the holder of the lock may."""

from __future__ import annotations

import os
from pathlib import Path

from batchgen.ledger.files import Disk, require_regular, trouble, write_whole
from batchgen.ledger.replay import Replay

_CHUNK = 1 << 20


def repair(disk: Disk, descriptor: int, path: Path, torn: Path, found: Replay) -> int:
    """Make the ledger end with its last whole line, durably, and return its length in bytes.

    `found` is a finished pass over the same descriptor. What follows the last whole line is appended to `torn`, each
    piece with a newline after it, and is durable there before it is cut: dying in between saves it twice, never not at
    all. Raises DiskError, and LedgerError where `torn` is no regular file.
    """
    try:
        if found.size > found.whole:
            _save(disk, descriptor, torn, found)
            disk.truncate(descriptor, found.whole)
        if not found.ended:
            write_whole(disk, descriptor, b"\n")
        # Always: lines of a process that died before its fsync are facts from here on, and decisions rest on them.
        disk.fsync(descriptor)
    except OSError as error:
        raise trouble("repair the ledger", path, error) from error
    return found.whole + (not found.ended)


def _save(disk: Disk, descriptor: int, torn: Path, found: Replay) -> None:
    # Without O_NONBLOCK, opening a pipe would wait for its reader.
    kept = disk.open(torn, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK)
    try:
        require_regular(kept, torn)
        for offset in range(found.whole, found.size, _CHUNK):
            write_whole(disk, kept, os.pread(descriptor, min(_CHUNK, found.size - offset), offset))
        write_whole(disk, kept, b"\n")
        disk.fsync(kept)
    finally:
        disk.close(kept)
    disk.sync_folder(torn.parent)
