"""`batchgen status`: how a run stands, without its lock."""

from __future__ import annotations

import os
import time
from pathlib import Path

from batchgen.cli import console, looked, place, presence
from batchgen.ledger import lock
from batchgen.ledger.rundir import RunDirectory, read_state
from batchgen.report import status
from batchgen.state import RunState
from batchgen.store.check import Look


def show_status(run: Path, *, as_json: bool) -> None:
    """Print the status of a run directory, or of a manifest's. Raises ManifestError and LedgerError."""
    folder = place.find_run(run)
    state = read_state(folder)
    remembered = looked.recall(RunDirectory(folder))
    state.counts["missing"] = presence.count_missing(state, Look(folder)) if remembered is None else remembered
    shown = status.status(state, folder, time.time(), running=_is_running(state))
    if as_json:
        console.show_json(shown)
    else:
        console.show(status.status_lines(shown))


def _is_running(state: RunState) -> bool | None:
    """Tell whether the last run still goes on; None where that cannot be seen from this machine.

    The lock is not asked: trying it would, for a moment, keep a run from starting.
    """
    started = state.last_started
    if started is None or state.last_finished is not None:
        return False
    if started.host != lock.host_name():
        return None
    if started.boot_id != lock.boot_id() or started.pid <= 0:
        return False
    try:
        os.kill(started.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
