"""A run directory that is there already, held, and the account of its requests: where `fetch` and `cancel` begin."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchgen.cli import looked, loop, place, planning
from batchgen.cli.batch import DiskTrouble
from batchgen.cli.connect import SANDBOX, Account, account
from batchgen.ledger.journal import Journal
from batchgen.ledger.rundir import RunDirectory
from batchgen.state import RunState


@dataclass(frozen=True, slots=True)
class Held:
    """The folder, its open ledger and what that says, and where its requests are asked for."""

    folder: RunDirectory
    journal: Journal
    state: RunState
    trouble: DiskTrouble
    account: Account


def holding(run: Path, work: Callable[[Held], Coroutine[Any, Any, int]]) -> int:
    """Hold the run directory that `run` means, do the work, and return its exit code.

    Raises ManifestError for a run that is not there, LockedError, DiskError, LedgerError, TokenError, and UsageError
    where requests in flight were sent to another address.
    """
    folder = RunDirectory(place.find_run(run))
    trouble = DiskTrouble()
    with folder.open_for_writing(create=False, on_failure=trouble) as (journal, state):
        to = account(SANDBOX in state.apis())
        planning.check_origin(state, to.origin)
        code = loop.run(work(Held(folder, journal, state, trouble, to)))
        looked.keep(folder, state)
        return code
