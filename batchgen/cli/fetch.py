"""`batchgen fetch`: everything that is already paid for, and nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batchgen.cli import assemble, console, loop, place, planning, sidecars, stream
from batchgen.cli.batch import Batch, DiskTrouble, Opening
from batchgen.cli.command_line import offers, program
from batchgen.cli.connect import SANDBOX, account, connected
from batchgen.ledger.journal import Journal
from batchgen.ledger.rundir import RunDirectory
from batchgen.plan import Policy
from batchgen.report.text import counted
from batchgen.state import RunState


def fetch_run(run: Path, given: Mapping[str, Any]) -> int:
    """Collect what a run directory, or a manifest's, has paid for. Returns run's exit codes."""
    folder = RunDirectory(place.find_run(run))
    trouble = DiskTrouble()
    with folder.open_for_writing(create=False, on_failure=trouble) as (journal, state):
        return loop.run(_fetch(folder, journal, state, trouble, given))


async def _fetch(
    folder: RunDirectory, journal: Journal, state: RunState, trouble: DiskTrouble, given: Mapping[str, Any]
) -> int:
    to = account(any(attempt.api == SANDBOX for _, attempt in state.attempts()))
    planning.check_origin(state, to.origin)
    last = state.last_started
    rules = stream.Rules(Policy(fetch=True), lambda job: None, stream.wholeness(folder.path))
    collecting = stream.collection(folder.log, state, rules, to.origin)
    counts = {**state.counts, "missing": sum(work.again for work in collecting)}
    resume = f"{program()} fetch {shlex.quote(str(folder.path))}"
    async with connected(to, folder.sandbox, given["allow_host"]) as client:
        batch = Batch(
            folder,
            journal,
            state,
            client,
            stream.no_names,
            assemble.manner(given, None),
            Opening("fetch", last.name if last else "", last.manifest if last else "", counts, resume, state.unlisted),
            offers(resume, state.run_command_line, str(folder.path)),
            trouble,
            sidecars.as_last_run(folder, state),
        )
        if not batch.manner.is_silent:
            console.say(f"to collect: {counted(len(collecting), 'request')}", f"folder: {folder.path}")
        code = await batch.carry_out(stream.work(collecting, (), state, rules), len(collecting))
        await journal.close()
        return code
