"""`batchgen fetch`: everything that is already paid for, and nothing else."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from batchgen.cli import assemble, console, naming, planning, presence, sidecars, stream
from batchgen.cli.batch import Batch, Opening
from batchgen.cli.command_line import offers, program
from batchgen.cli.connect import connected
from batchgen.cli.held import Held, holding
from batchgen.plan import Policy, Rules
from batchgen.report.survey import survey
from batchgen.report.text import counted
from batchgen.store.check import Look


def fetch_run(run: Path, given: Mapping[str, Any]) -> int:
    """Collect what a run directory, or a manifest's, has paid for. Returns run's exit codes."""
    return holding(run, partial(_fetch, given))


async def _fetch(given: Mapping[str, Any], held: Held) -> int:
    folder, state = held.folder, held.state
    presence.look(state, Look(folder.path))
    last = state.last_started
    rules = Rules(Policy(fetch=True), lambda job: None, presence.wholeness(folder.path))
    collecting = stream.collection(folder.log, state, rules, held.account.origin)
    counts = {**state.counts, "missing": sum(work.again for work in collecting)}
    resume = f"{program()} fetch {shlex.quote(str(folder.path))}"
    async with connected(held.account, folder.sandbox, given["allow_host"]) as client:
        batch = Batch(
            folder,
            held.journal,
            state,
            client,
            naming.no_names,
            assemble.manner(given, None),
            Opening("fetch", last.name if last else "", last.manifest if last else "", counts, resume, state.unlisted),
            offers(resume, state.run_command_line, str(folder.path)),
            held.trouble,
            sidecars.as_last_run(folder, state),
        )
        if not batch.manner.is_silent:
            warnings = (f"warning: {one}" for one in planning.of_expiry(survey(state), time.time()))
            console.say(*warnings, f"to collect: {counted(len(collecting), 'request')}", f"folder: {folder.path}")
        code = await batch.carry_out(stream.work(collecting, (), state, rules), len(collecting))
        await held.journal.close()
        return code
