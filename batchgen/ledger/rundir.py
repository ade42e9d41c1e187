"""The run directory: its layout, and the one way to open it for writing.

Opening goes lock, read, check, repair, in this order: nothing is changed before the lock is held and the ledger is
known to be ours, and nothing is decided on lines that a power loss could still take back.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.errors import DiskError, LedgerError, LockedError, printable
from batchgen.ledger import checkpoint, files, lock, replay
from batchgen.ledger.checkpoint import Beginning
from batchgen.ledger.files import REAL_DISK, Disk
from batchgen.ledger.repair import repair
from batchgen.state import RunState

if TYPE_CHECKING:
    from batchgen.ledger.journal import Journal

LOG_NAME = "log.jsonl"


def is_run_directory(path: Path) -> bool:
    """Return whether `path` is a folder with a ledger in it."""
    try:
        return (path / LOG_NAME).is_file()
    except OSError:
        return False


def read_state(path: Path) -> RunState:
    """Return the RunState of the run directory at `path`, without the lock. Raises LedgerError."""
    return replay.load(RunDirectory(path).log)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The folder with one ledger, its images and its summary, and the names of what is in it."""

    path: Path

    @property
    def log(self) -> Path:
        """The ledger."""
        return self.path / LOG_NAME

    @property
    def torn(self) -> Path:
        """What crashes left half-written, kept."""
        return self.path / "log.torn"

    @property
    def catalog(self) -> Path:
        """The pinned schemas."""
        return self.path / "catalog.json"

    @property
    def inputs(self) -> Path:
        """A folder per manifest that was run, named by its hash."""
        return self.path / "inputs"

    @property
    def input_files(self) -> Path:
        """Copies of the local files that jobs sent, by their own hashes."""
        return self.inputs / "files"

    @property
    def images(self) -> Path:
        """The outputs."""
        return self.path / "images"

    @property
    def summary(self) -> Path:
        """How the last run ended."""
        return self.path / "summary.json"

    @property
    def ballast(self) -> Path:
        """Room kept back while a run writes."""
        return self.path / ".ballast"

    @property
    def sandbox(self) -> Path:
        """The sandbox's own records."""
        return self.path / "sandbox"

    @contextlib.contextmanager
    def open_for_writing(
        self,
        *,
        create: bool = True,
        disk: Disk = REAL_DISK,
        host: str | None = None,
        now: Callable[[], float] = time.time,
        on_failure: Callable[[DiskError], None] | None = None,
    ) -> Iterator[tuple[Journal, RunState]]:
        """Hold the run directory: give its journal and its RunState, and let go of it at the end.

        With `create` it is made where it is missing. `host` is this machine's name and `now` the Unix time, for the
        rule about other hosts; `on_failure` is the journal's. Raises LockedError, DiskError and LedgerError (damaged,
        of a newer format, or no run there).
        """
        from batchgen.ledger.appender import Appender  # With asyncio, which readers do without.
        from batchgen.ledger.journal import Journal

        if create:
            files.make_folder_durably(disk, self.images)
            # Looked at again before each write, but found here it has cost nothing yet.
            files.require_own_folder(self.images)
        elif not is_run_directory(self.path):
            raise LedgerError(printable(f"{self.path}: is not a run directory; name one with a {LOG_NAME} in it"))
        descriptor = lock.acquire(disk, self.log)
        try:
            state, size = self._take_over(disk, descriptor, host or lock.host_name(), now())
            appender = Appender(disk, descriptor, self.log, size, self.ballast)
            appender.reserve()
        except BaseException:
            disk.close(descriptor)
            raise
        journal = Journal(appender, on_failure)
        try:
            yield journal, state
            if not journal.released:
                self._keep_checkpoint(disk, descriptor)
        finally:
            journal.release()

    def _take_over(self, disk: Disk, descriptor: int, host: str, now: float) -> tuple[RunState, int]:
        quiet_for = now - os.fstat(descriptor).st_mtime
        found = replay.Replay(descriptor, self.log, writing=True)
        marks, known = checkpoint.marks(descriptor), checkpoint.read(descriptor, self.log)
        state = found.fold(known)
        if (other := lock.living_elsewhere(state, host, quiet_for)) is not None:
            who = f"process {other.pid} on {other.host}, started {other.time}, has not finished"
            minutes = f"{lock.QUIET_SECONDS / 60:.0f} minutes"
            raise LockedError(
                printable(f"{self.path}: {who}; run there, or wait until the ledger has not grown for {minutes}")
            )
        size = repair(disk, descriptor, self.log, self.torn, found)
        if not checkpoint.is_fresh(known, size):
            checkpoint.write(disk, descriptor, self.log, Beginning(size, found.lines, state), marks)
        return state, size

    def _keep_checkpoint(self, disk: Disk, descriptor: int) -> None:
        """Make the checkpoint of a large ledger hold for what was appended, too.

        From the ledger itself: the state of a run knows things, about files, that no event has told.
        """
        # All is written and told by now: whoever is impatient loses a cache.
        with contextlib.suppress(LedgerError, KeyboardInterrupt):
            marks, known = checkpoint.marks(descriptor), checkpoint.read(descriptor, self.log)
            if checkpoint.is_fresh(known, os.fstat(descriptor).st_size):
                checkpoint.seal(disk, descriptor, self.log)
                return
            found = replay.Replay(descriptor, self.log)
            state = found.fold(known)
            if found.ended:
                checkpoint.write(disk, descriptor, self.log, Beginning(found.whole, found.lines, state), marks)
