"""`batchgen run`: collect what is already paid for, and submit, poll and download the rest."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from batchgen.catalog import pin
from batchgen.cli import assemble, console, loop, planning, stream
from batchgen.cli.batch import Batch, DiskTrouble, Manner, Opening
from batchgen.cli.choice import Choice, Loaded, load_manifest
from batchgen.cli.connect import Account, account, base_prices, connected
from batchgen.cli.snapshot import snapshot
from batchgen.ledger.files import REAL_DISK, replace_durably
from batchgen.ledger.journal import Journal
from batchgen.plan import Survey
from batchgen.report import plan_text, summary
from batchgen.runcomfy.client import Client
from batchgen.state import RunState


def run_manifest(choice: Choice, given: Mapping[str, Any], command: str) -> int:
    """Run a manifest and return the exit code; `command` is the command line that resumes it."""
    loaded = load_manifest(choice)
    manner = assemble.manner(given, loaded.manifest.limits)
    to = account(choice.sandbox)
    trouble = DiskTrouble()
    with loaded.place.open_for_writing(on_failure=trouble) as (journal, state):
        planning.check_origin(state, to.origin)
        kept = dataclasses.replace(loaded, manifest=snapshot(loaded.manifest, loaded.place))
        return loop.run(_Run(choice, manner, kept, to, journal, state, trouble, command).carry_out())


@dataclasses.dataclass(frozen=True, slots=True)
class _Run:
    """A run whose directory is held and whose manifest is safe from edits."""

    choice: Choice
    manner: Manner
    loaded: Loaded
    account: Account
    journal: Journal
    state: RunState
    trouble: DiskTrouble
    command: str

    async def carry_out(self) -> int:
        place = self.loaded.place
        async with connected(self.account, place.sandbox, self.choice.allow_hosts) as client:
            base = await base_prices(client, planning.models_without_price(self.loaded))
            rules = planning.rules_of(self.choice, self.loaded, base)
            found = planning.survey(self.choice, self.loaded, self.state, rules)
            planning.check_budget(self.loaded, found, self.manner.limits.max_cost_usd)
            self._say_what_will_happen(found)
            if found.posts:
                self._pin_schemas()
            collecting = stream.collection(place.log, self.state, rules)
            jobs = filter(self.choice.selection(), self.loaded.manifest.jobs())
            source = stream.work(collecting, jobs, self.state, rules)
            code = await self._batch(client, found).carry_out(source, found.posts + len(collecting))
            await self.journal.close()
            return code

    def _say_what_will_happen(self, found: Survey) -> None:
        if not self.manner.quiet:
            shown = planning.as_object(self.loaded, found)
            warnings = (f"warning: {warning}" for warning in self.loaded.manifest.warnings)
            console.say(*warnings, *plan_text.header_lines(shown))

    def _pin_schemas(self) -> None:
        """Keep the schemas that the first jobs were checked against: later runs use them, whatever ships with us."""
        catalog = self.loaded.place.catalog
        pinned = pin.read(catalog)
        content = pin.document({**self.loaded.specs, **pinned}.values())
        if self.loaded.specs.keys() - pinned.keys():
            replace_durably(REAL_DISK, catalog, content)

    def _batch(self, client: Client, found: Survey) -> Batch:
        manifest = self.loaded.manifest
        return Batch(
            self.loaded.place,
            self.journal,
            self.state,
            client,
            stream.namer(manifest.output.name, self.state),
            self.manner,
            Opening("run", manifest.name, manifest.digest, dict(found.counts), self.command, found.unlisted),
            commands(self.command, str(self.loaded.place.path)),
            self.trouble,
        )


def commands(resume: str, run_dir: str) -> summary.Commands:
    """Return the command lines that act on what a run leaves behind."""
    folder = shlex.quote(run_dir)
    return summary.Commands(
        resume=resume,
        fetch=f"batchgen fetch {folder}",
        retry=_with(resume, "--retry-failed"),
        resubmit=_with(resume, "--on-unknown resubmit"),
        attach=f"batchgen attach {folder} JOB REQUEST_ID",
        settle=f"batchgen settle {folder} JOB... --not-sent",
    )


def _with(command: str, option: str) -> str:
    return command if option in command else f"{command} {option}"
