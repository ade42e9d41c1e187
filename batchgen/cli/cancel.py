"""`batchgen cancel`: stop paying for what the server has not begun, and say truthfully what it had."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from batchgen import errors
from batchgen.cli import console, naming
from batchgen.cli.command_line import program
from batchgen.cli.connect import connected
from batchgen.cli.exit_codes import ExitCode
from batchgen.cli.held import Held, holding
from batchgen.cli.verdict import verdict
from batchgen.engine.cancel import Cancellation
from batchgen.engine.scheduler import Engine, Limits
from batchgen.engine.stop import Cause, Why
from batchgen.ledger.files import REAL_DISK
from batchgen.ledger.rundir import RunDirectory
from batchgen.report.text import counted
from batchgen.store.writer import Store


def cancel_run(run: Path, given: Mapping[str, Any]) -> int:
    """Cancel every request of a run directory that still queues. Returns the exit code."""
    return holding(run, partial(_cancel, given))


async def _cancel(given: Mapping[str, Any], held: Held) -> int:
    folder = held.folder
    async with connected(held.account, folder.sandbox) as client:
        with Store(folder.path, disk=REAL_DISK) as store:
            engine = Engine(client, store, held.journal, held.state, naming.no_names, limits=Limits())
            held.trouble.watch(engine)
            cancellation = await engine.cancel_queued()
        await held.journal.close()
    if given["as_json"]:
        console.show_json({"run_dir": str(folder.path), **cancellation.counts})
    else:
        console.show(_lines(cancellation, folder))
    causes = engine.stop.causes
    if cancellation.asked and not cancellation.answered:
        text = f"no usable answer from {client.origin}, so nothing is known to be cancelled; run the same command again"
        causes = [*causes, Cause(Why.UNAVAILABLE, text)]
    ended = verdict(causes, {})
    if ended.code != ExitCode.OK:
        console.say(f"batchgen: {errors.printable(ended.sentence)}")
    return ended.code


def _lines(cancellation: Cancellation, folder: RunDirectory) -> list[str]:
    if not cancellation.asked:
        return ["nothing is in flight, so there is nothing to cancel"]
    fetch = f"{program()} fetch {shlex.quote(str(folder.path))}"
    lines = [f"{counted(cancellation.cancelled, 'request')} cancelled before running; what they were for is new again"]
    if cancellation.in_flight:
        known = counted(cancellation.in_flight, "request")
        lines.append(f"{known} could not be cancelled: begun or over; {fetch} collects what they make")
    if cancellation.unconfirmed:
        rest = counted(cancellation.unconfirmed, "request")
        lines.append(f"{rest} unconfirmed: cancelled or not, no usable answer says; {fetch} finds out")
    return lines
