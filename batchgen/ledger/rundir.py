"""The run directory: its layout, and the one way to open it for writing.

Opening goes lock, read, check, repair, in this order: nothing is changed before the lock is held and the ledger is
known to be ours, and nothing is decided on lines that a power loss could still take back.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.errors import DiskError, LedgerError, printable
from batchgen.ledger import files
from batchgen.ledger.files import REAL_DISK, Disk

if TYPE_CHECKING:
    from batchgen.ledger.journal import Journal
    from batchgen.state import RunState

LOG_NAME = "log.jsonl"


def is_run_directory(path: Path) -> bool:
    """Return whether `path` is a folder with a ledger in it."""
    try:
        return (path / LOG_NAME).is_file()
    except OSError:
        return False


def read_state(path: Path) -> RunState:
    """Return the RunState of the run directory at `path`, without the lock. Raises LedgerError."""
    from batchgen.ledger import replay  # With msgspec, which a first plan does without.

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
        from batchgen.ledger import lock, takeover  # With asyncio, which readers do without.
        from batchgen.ledger.appender import Appender
        from batchgen.ledger.journal import Journal

        if create:
            files.make_folder_durably(disk, self.images)
            # Looked at again before each write, but found here it has cost nothing yet.
            files.require_own_folder(self.images)
        elif not is_run_directory(self.path):
            raise LedgerError(printable(f"{self.path}: is not a run directory; name one with a {LOG_NAME} in it"))
        descriptor = lock.acquire(disk, self.log)
        try:
            state, size = takeover.take_over(disk, descriptor, self.log, self.torn, host or lock.host_name(), now())
            appender = Appender(disk, descriptor, self.log, size, self.ballast)
            appender.reserve()
        except BaseException:
            disk.close(descriptor)
            raise
        journal = Journal(appender, on_failure)
        try:
            yield journal, state
            if not journal.released:
                takeover.keep_checkpoint(disk, descriptor, self.log)
        finally:
            journal.release()
