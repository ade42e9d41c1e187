"""`batchgen run`: collect what is already paid for, and submit, poll and download the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from batchgen import errors
from batchgen.catalog import pin
from batchgen.cli import assemble, console, looked, loop, naming, planning, presence, stream
from batchgen.cli.batch import Batch, DiskTrouble, Opening
from batchgen.cli.choice import Choice, Loaded, load_manifest
from batchgen.cli.command_line import lasting, offers
from batchgen.cli.connect import Account, account, balance, base_prices, connected
from batchgen.cli.manner import Manner
from batchgen.cli.sidecars import sidecars
from batchgen.cli.snapshot import snapshot
from batchgen.ledger.files import REAL_DISK, replace_durably
from batchgen.ledger.journal import Journal
from batchgen.plan import Survey
from batchgen.report import plan_text
from batchgen.runcomfy.client import Client
from batchgen.state import RunState
from batchgen.store.check import Look


def run_manifest(choice: Choice, given: Mapping[str, Any], command: str) -> int:
    """Run a manifest and return the exit code; `command` is the command line that resumes it."""
    loaded = load_manifest(choice)
    manner = assemble.manner(given, loaded.manifest.limits)
    to = account(choice.sandbox)
    trouble = DiskTrouble()
    with loaded.place.open_for_writing(on_failure=trouble) as (journal, state):
        planning.check_origin(state, to.origin)
        presence.look(state, Look(loaded.place.path))
        kept = dataclasses.replace(loaded, manifest=snapshot(loaded.manifest, loaded.place))
        code = loop.run(_Run(choice, manner, kept, to, journal, state, trouble, command).carry_out())
        looked.keep(loaded.place, state)
        return code


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
        inputs = self.loaded.manifest.inputs
        async with connected(self.account, place.sandbox, self.choice.allow_hosts, inputs) as client:
            base = await base_prices(client, planning.models_without_price(self.loaded))
            rules = planning.rules_of(self.choice, self.loaded, base)
            found = planning.survey(self.choice, self.loaded, self.state, rules)
            planning.check_budget(self.loaded, found, self.manner.limits.max_cost_usd)
            await self._say_what_will_happen(client, found)
            if found.posts or self.choice.refresh_schema:
                self._pin_schemas()
            collecting = stream.collection(place.log, self.state, rules, self.account.origin)
            # Where the survey found nothing to send, nobody need look through all jobs once more.
            jobs = filter(self.choice.selection(), self.loaded.manifest.jobs()) if found.posts else ()
            source = stream.work(collecting, jobs, self.state, rules)
            code = await self._batch(client, found).carry_out(source, found.posts + len(collecting))
            await self.journal.close()
            return code

    async def _say_what_will_happen(self, client: Client, found: Survey) -> None:
        if not self.manner.is_silent:
            balance_usd = await balance(client) if found.posts else None
            shown = planning.as_object(self.loaded, found)
            notes = planning.remarks(self.choice, self.loaded, self.state, found, balance_usd)
            warnings = (f"warning: {errors.printable(str(one))}" for one in (*self.loaded.manifest.warnings, *notes))
            console.say(*warnings, *plan_text.header_lines(shown))

    def _pin_schemas(self) -> None:
        """Keep the schemas that the first jobs were checked against: later runs use them, whatever ships with us."""
        catalog, specs = self.loaded.place.catalog, self.loaded.specs
        if self.choice.refresh_schema:
            pinned, wanted = self.loaded.pinned, {**self.loaded.pinned, **specs}
        else:
            pinned = pin.read(catalog)
            wanted = {**specs, **pinned}
        if self.loaded.replaced or wanted.keys() != pinned.keys():
            replace_durably(REAL_DISK, catalog, pin.document(wanted.values()))

    def _batch(self, client: Client, found: Survey) -> Batch:
        manifest, place = self.loaded.manifest, self.loaded.place
        return Batch(
            place,
            self.journal,
            self.state,
            client,
            naming.namer(manifest.output.name, self.state, place.path),
            self.manner,
            Opening("run", manifest.name, manifest.digest, dict(found.counts), self.command, found.unlisted),
            offers(lasting(self.command), self.command, str(place.path)),
            self.trouble,
            sidecars(manifest.output.sidecar),
        )
