"""The plan of a manifest: what a run of it would come to, and whether it may begin."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen import errors, plan
from batchgen.catalog import compare, price
from batchgen.cli import console, naming, presence
from batchgen.cli.choice import Choice, Loaded, load_manifest
from batchgen.cli.connect import SANDBOX, account, balance, base_prices, connected
from batchgen.errors import Problem
from batchgen.job import Job
from batchgen.ledger.rundir import is_run_directory, read_state
from batchgen.manifest.loader import load
from batchgen.plan import Rules, Survey
from batchgen.report import plan_text
from batchgen.report.expiry import expiry_words, is_old
from batchgen.report.money import dollars
from batchgen.report.text import counted
from batchgen.state import ZERO, Fact, RunState, State
from batchgen.store.check import Look
from batchgen.store.names import render

if TYPE_CHECKING:
    from batchgen.report.survey import Survey as LedgerSurvey

FIRST_SHOWN = 3

Prices = dict[str, Decimal | None]
"""Live base prices in USD by model, None where the API does not say."""


def rules_of(choice: Choice, loaded: Loaded, base: Prices) -> Rules:
    """Return what decides about each job of the manifest."""
    specs, pricing = loaded.specs, loaded.manifest.pricing

    def price_of(job: Job) -> price.Cost | None:
        return price.estimate(pricing, base.get(job.model), specs[job.model], job.input)

    return Rules(choice.policy, price_of, presence.wholeness(loaded.place.path))


def survey(choice: Choice, loaded: Loaded, state: RunState, rules: Rules) -> Survey:
    """Hold the manifest against the ledger."""
    expansion = loaded.manifest.jobs()
    if not state.jobs and choice.takes_all:
        told = (price.inputs_told(loaded.manifest.pricing, spec) for spec in loaded.manifest.models)
        shares = expansion.shares(frozenset().union(*told))
        found = plan.survey_new(shares, islice(loaded.manifest.jobs(), FIRST_SHOWN), price=rules.price)
        found.counts["duplicates"] = expansion.duplicates
        return found
    found = plan.survey(
        expansion,
        state,
        price=rules.price,
        policy=rules.policy,
        whole=rules.whole,
        selected=choice.selection(),
        show=FIRST_SHOWN,
    )
    found.counts["duplicates"] = expansion.duplicates
    return found


def as_object(
    loaded: Loaded, found: Survey, notes: Sequence[str] = (), balance_usd: Decimal | None = None
) -> dict[str, object]:
    """Return a plan as `plan --json` prints it; `notes` stand among its warnings."""
    cost = found.cost
    return {
        "name": loaded.manifest.name,
        "run_dir": str(loaded.place.path),
        **found.counts,
        "to_post": found.posts,
        "cost_usd": None if cost is None else {"low": float(cost.low), "high": float(cost.high)},
        "balance_usd": None if balance_usd is None else float(balance_usd),
        "unpriced": sorted(found.unpriced),
        "first": [_shown_job(post.job, loaded.manifest.output.name) for post in found.first],
        "warnings": [*map(str, loaded.manifest.warnings), *notes],
    }


def _shown_job(job: Job, template: str) -> dict[str, object]:
    return {
        "job": job.id,
        "index": job.index,
        "name": render(template, naming.fields(job)),
        "model": job.model,
        "prompt": job.prompt,
        "seed": job.seed,
        "settings": job.settings,
        "tags": dict(job.tags),
        "repeat": job.repeat,
    }


def remarks(
    choice: Choice, loaded: Loaded, state: RunState, found: Survey, balance_usd: Decimal | None = None
) -> list[str]:
    """Return what a person should know of this plan beyond the manifest's own warnings."""
    notes = [*_of_balance(found, balance_usd), *of_refresh(choice, loaded, state)]
    if choice.where and not found.counts["jobs"]:
        notes.append(f"--where {' '.join(choice.where)} selects no job; name a tag or a setting that is sent")
    if found.loose:
        notes.append(
            f"{counted(found.loose, 'job')} with limit_generations: false may make, and cost, more pictures than asked"
        )
    if state.jobs:
        notes += _of_ledger(loaded, state)
    kinds = {one.error.kind for _, one in state.loose_attempts() if one.error is not None}
    strangers = sorted(choice.policy.retry - kinds - {State.LOST.value, State.CANCELLED.value, "missing"})
    if strangers:
        failed = ", ".join(sorted(kinds)) or "nothing failed yet"
        notes.append(f"--retry {','.join(strangers)}: no job failed like that; failed here: {failed}")
    return notes


def _of_ledger(loaded: Loaded, state: RunState) -> list[str]:
    """Return what is to be said of earlier submissions."""
    from batchgen.report.survey import survey as survey_ledger  # A first plan has none.

    known = survey_ledger(state)
    notes = of_expiry(known, time.time())
    if known.unpriced and loaded.manifest.limits.max_cost_usd is not None:
        notes.append(
            f"{counted(known.unpriced, 'earlier submission')} of unknown cost cannot count towards max_cost_usd"
        )
    return notes


def of_expiry(known: LedgerSurvey, now: float) -> list[str]:
    """Return the warning about requests that have waited at the server for long, if there are such."""
    oldest = known.oldest_in_flight_s(now)
    return [f"requests in flight: {expiry_words(oldest)}"] if oldest is not None and is_old(oldest) else []


def _of_balance(found: Survey, balance_usd: Decimal | None) -> list[str]:
    """Return what is to be said of a balance, where it is known, that may not be enough."""
    if balance_usd is None or found.cost is None or found.high <= (left := max(balance_usd, ZERO)):
        return []
    enough = f"about {int(found.posts * left / found.high)} of {counted(found.posts, 'job')}"
    return [f"the balance of {dollars(left)} is less than the {dollars(found.high)} this may cost: enough for {enough}"]


def of_refresh(choice: Choice, loaded: Loaded, state: RunState) -> list[str]:
    """Return what `--refresh-schema` changes: the schemas, and jobs of the ledger that would be others by them."""
    notes = [
        f"{model}: by the live schema {change}"
        for model, before in loaded.replaced.items()
        for change in compare.changes(before, loaded.specs[model])
    ]
    others = _other_jobs(choice, loaded, state) if loaded.replaced and state.jobs else 0
    if others:
        notes.append(f"by the live schema {counted(others, 'job')} of the ledger would be new, and paid for again")
    return notes


def _other_jobs(choice: Choice, loaded: Loaded, state: RunState) -> int:
    """Return how many jobs of the ledger the manifest names by the pinned schemas, and no longer by the live ones."""
    try:
        before = load(choice.manifest, choice.overrides, {**loaded.specs, **loaded.pinned}.get, choice.text)
    except errors.ManifestError:
        return 0  # By the pinned schemas it is no sound manifest, so it has made no jobs.
    held = {job.id for job in before.jobs() if job.id in state.jobs}
    return len(held.difference(job.id for job in loaded.manifest.jobs()))


def models_without_price(loaded: Loaded) -> list[str]:
    """Return the models whose base price only the API can tell."""
    return [] if loaded.manifest.pricing.base_usd is not None else list(loaded.specs)


def check_origin(state: RunState, origin: str) -> None:
    """Refuse a run directory whose requests went somewhere else. Raises UsageError."""
    for _, attempt in state.loose_attempts():
        if attempt.fact is Fact.SUBMITTED and attempt.api not in (None, origin):
            raise errors.UsageError(
                f"request {attempt.request_id} is in flight at {attempt.api}, and this run would ask {origin}; "
                "run with the same address (RUNCOMFY_MODEL_API_BASE, --sandbox) or use another directory (-o)"
            )
    for api in sorted(state.apis() - {origin}):
        if SANDBOX in (api, origin):
            raise errors.UsageError(
                f"this run directory holds jobs of {api}, and this run is for {origin}; "
                "use another directory (-o), so that rehearsals and paid pictures stay apart"
            )


def check_budget(loaded: Loaded, found: Survey, max_cost_usd: Decimal | None) -> None:
    """Refuse a budget that cannot be kept because nobody knows a price. Raises ManifestError."""
    if max_cost_usd is not None and found.unpriced:
        models = ", ".join(sorted(found.unpriced))
        message = f"there is a limit of {max_cost_usd} USD and no known price for {models}"
        hint = "give one as pricing: {base_usd: 0.08} (USD per output), or take max_cost_usd away"
        raise errors.ManifestError([Problem(str(loaded.manifest.path), 0, 0, message, hint)])


def show_plan(choice: Choice, *, as_json: bool, command: str) -> int:
    """Print what `run` would do. Asks the catalog for prices where a token is at hand; sends nothing that costs."""
    loaded = load_manifest(choice)
    state = read_state(loaded.place.path) if is_run_directory(loaded.place.path) else RunState()
    presence.look(state, Look(loaded.place.path))
    base, balance_usd = _live(choice, models_without_price(loaded))
    rules = rules_of(choice, loaded, base)
    found = survey(choice, loaded, state, rules)
    shown = as_object(loaded, found, remarks(choice, loaded, state, found, balance_usd), balance_usd)
    if as_json:
        console.show_json(shown)
    else:
        console.show(plan_text.plan_lines(shown, command=command))
    return 0


def _live(choice: Choice, models: list[str]) -> tuple[Prices, Decimal | None]:
    """Return the live prices of these models, and the balance where it can be read."""
    if choice.sandbox:
        from batchgen.sandbox import SandboxConfig

        return dict.fromkeys(models, SandboxConfig().price), None
    try:
        to = account(sandbox=False)
    except errors.TokenError:
        return {}, None
    if not models and not to.tells_balance:
        return {}, None

    async def ask() -> tuple[Prices, Decimal | None]:
        async with connected(to, Path()) as client:
            return await base_prices(client, models), await balance(client)

    from batchgen.cli import loop  # With asyncio.

    return loop.run(ask())
