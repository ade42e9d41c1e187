"""How many pictures are missing, remembered: to look at a million files takes as long as to read their ledger.

For readers alone, and beside large ledgers only: the count, and the marks of the ledger and of every folder with a
picture. Whoever adds, removes or renames a file changes its folder's times; a file that was cut short in place changes
none, which `verify` finds, and the next run, which looks at every file itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from pathlib import Path

from batchgen.cli import presence
from batchgen.errors import DiskError
from batchgen.ledger import checkpoint
from batchgen.ledger.files import REAL_DISK, replace_durably
from batchgen.ledger.rundir import RunDirectory
from batchgen.state import RunState
from batchgen.store.check import Look

_NAME = ".looked"
_MOST_BYTES = 1 << 20

_TICK_S = 0.1
"""More than file systems' clocks are coarse: what changes after this has another time than what changed before."""


def keep(place: RunDirectory, state: RunState) -> None:
    """Look at every picture of a large, locked ledger and remember what is missing. A failure costs that alone."""
    # All is written and told by now: whoever is impatient loses a cache.
    with contextlib.suppress(OSError, DiskError, KeyboardInterrupt):
        if place.log.stat().st_size < checkpoint.FROM_BYTES:
            return
        time.sleep(_TICK_S)
        folders = presence.folders(state)
        before = _marks(place, folders)
        missing = presence.count_missing(state, Look(place.path))
        if before is not None and _marks(place, folders) == before:
            content = json.dumps({"missing": missing, "ledger": before[0], "folders": before[1]})
            replace_durably(REAL_DISK, place.path / _NAME, content.encode())


def recall(place: RunDirectory) -> int | None:
    """Return how many done jobs have files that are not all there; None where nobody remembers, or something changed.

    Never raises.
    """
    try:
        descriptor = os.open(place.path / _NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            known = json.loads(os.read(descriptor, _MOST_BYTES))
        finally:
            os.close(descriptor)
        missing, folders = known["missing"], known["folders"]
        is_so = type(missing) is int and _marks(place, folders) == (known["ledger"], folders)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return missing if is_so else None


def _marks(place: RunDirectory, folders: set[str]) -> tuple[str, dict[str, list[int]]] | None:
    """Return what tells the ledger and these folders, as they are now, from other times; None where one is no folder.

    Raises OSError.
    """
    descriptor = os.open(place.log, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        ledger = checkpoint.marks(descriptor).decode()
    finally:
        os.close(descriptor)
    found = {folder: _mark(place.path / folder) for folder in folders}
    return (ledger, {folder: mark for folder, mark in found.items() if mark}) if all(found.values()) else None


def _mark(folder: Path) -> list[int]:
    now = folder.lstat()
    return [now.st_dev, now.st_ino, now.st_mtime_ns, now.st_ctime_ns] if stat.S_ISDIR(now.st_mode) else []
