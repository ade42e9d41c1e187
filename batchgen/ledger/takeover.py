"""What the holder of the lock does with a ledger before and after its run: read, check, repair; keep a checkpoint."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from batchgen.errors import LedgerError, LockedError, printable
from batchgen.ledger import checkpoint, lock, replay
from batchgen.ledger.checkpoint import Beginning
from batchgen.ledger.files import Disk
from batchgen.ledger.repair import repair
from batchgen.state import RunState


def take_over(disk: Disk, descriptor: int, log: Path, torn: Path, host: str, now: float) -> tuple[RunState, int]:
    """Return the RunState of an open, locked ledger, and its length in bytes once it is repaired.

    `torn` is where a torn end goes; `host` is this machine's name and `now` the Unix time. Raises LockedError where
    another machine's run may be alive, DiskError and LedgerError.
    """
    quiet_for = now - os.fstat(descriptor).st_mtime
    found = replay.Replay(descriptor, log, writing=True)
    marks, known = checkpoint.marks(descriptor), checkpoint.read(descriptor, log)
    state = found.fold(known)
    if (other := lock.living_elsewhere(state, host, quiet_for)) is not None:
        who = f"process {other.pid} on {other.host}, started {other.time}, has not finished"
        minutes = f"{lock.QUIET_SECONDS / 60:.0f} minutes"
        raise LockedError(
            printable(f"{log.parent}: {who}; run there, or wait until the ledger has not grown for {minutes}")
        )
    size = repair(disk, descriptor, log, torn, found)
    if not checkpoint.is_fresh(known, size):
        checkpoint.write(disk, descriptor, log, Beginning(size, found.lines, state), marks)
    return state, size


def keep_checkpoint(disk: Disk, descriptor: int, log: Path) -> None:
    """Make the checkpoint of a large, locked ledger hold for what was appended, too.

    From the ledger itself: the state of a run knows things, about files, that no event has told.
    """
    # All is written and told by now: whoever is impatient loses a cache.
    with contextlib.suppress(LedgerError, KeyboardInterrupt):
        marks, known = checkpoint.marks(descriptor), checkpoint.read(descriptor, log)
        if checkpoint.is_fresh(known, os.fstat(descriptor).st_size):
            checkpoint.seal(disk, descriptor, log)
            return
        found = replay.Replay(descriptor, log)
        state = found.fold(known)
        if found.ended:
            checkpoint.write(disk, descriptor, log, Beginning(found.whole, found.lines, state), marks)
