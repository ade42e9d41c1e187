"""`batchgen cancel`: stop paying for what the server has not begun, and say truthfully what it had."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batchgen import errors
from batchgen.cli import console, loop, place, planning, stream
from batchgen.cli.batch import DiskTrouble
from batchgen.cli.command_line import program
from batchgen.cli.connect import SANDBOX, account, connected
from batchgen.cli.exit_codes import ExitCode, verdict
from batchgen.engine.scheduler import Engine, Limits
from batchgen.ledger.files import REAL_DISK
from batchgen.ledger.journal import Journal
from batchgen.ledger.rundir import RunDirectory
from batchgen.report.text import counted
from batchgen.state import RunState
from batchgen.store.writer import Store


def cancel_run(run: Path, given: Mapping[str, Any]) -> int:
    """Cancel every request of a run directory that still queues. Returns the exit code."""
    folder = RunDirectory(place.find_run(run))
    trouble = DiskTrouble()
    with folder.open_for_writing(create=False, on_failure=trouble) as (journal, state):
        return loop.run(_cancel(folder, journal, state, trouble, given))


async def _cancel(
    folder: RunDirectory, journal: Journal, state: RunState, trouble: DiskTrouble, given: Mapping[str, Any]
) -> int:
    to = account(any(attempt.api == SANDBOX for _, attempt in state.attempts()))
    planning.check_origin(state, to.origin)
    async with connected(to, folder.sandbox) as client:
        with Store(folder.path, disk=REAL_DISK) as store:
            engine = Engine(client, store, journal, state, stream.no_names, limits=Limits())
            trouble.watch(engine)
            outcomes = await engine.cancel_queued()
        await journal.close()
    if given["as_json"]:
        console.show_json(
            {"run_dir": str(folder.path), **{word: outcomes[word] for word in ("cancelled", "in_flight")}}
        )
    else:
        console.show(_lines(outcomes["cancelled"], outcomes["in_flight"], folder))
    ended = verdict(engine.stop.causes, {})
    if ended.code != ExitCode.OK:
        console.say(f"batchgen: {errors.printable(ended.sentence)}")
    return ended.code


def _lines(cancelled: int, in_flight: int, folder: RunDirectory) -> list[str]:
    lines = [f"{counted(cancelled, 'request')} cancelled: nothing is paid for these, and run makes them anew"]
    if in_flight:
        lines.append(
            f"{counted(in_flight, 'request')} could not be cancelled: begun or over, and paid for; "
            f"{program()} fetch {shlex.quote(str(folder.path))} collects them"
        )
    return lines
