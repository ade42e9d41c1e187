"""The cost limit, over lives of a run directory at random: what was let in never came to more than the limit.

The engine, the rules and the ledger are the real ones, on virtual time; prices have tiers and turn out higher, lower,
late or never. What a permission counted is computed here a second time, from the events alone. A longer run:

    BATCHGEN_MONEY_EXAMPLES=1500 pytest tests/engine/test_engine_money.py --timeout 900
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from support.desk import Desk, Interrupt, Pictures, Wishes
from support.remote import PRICE, SUBMITS, Fate, Remote, Weather
from support.story import BEGAN

from batchgen import events
from batchgen.catalog.price import Cost
from batchgen.engine.budget import Budget
from batchgen.engine.ports import Work
from batchgen.job import Job, make_job
from batchgen.ledger import replay
from batchgen.plan import Policy

ZERO = Decimal(0)
JOBS = 40
NEVER_TOLD = Decimal("0.31")
"""What a request costs whose cost the API never tells."""

Key = tuple[str, int]
Run = tuple[Weather, Wishes, Interrupt | None]

submits = st.lists(st.sampled_from([word for word in SUBMITS if word not in ("no_model", "no_token")]), max_size=30)


def fates(costs: list[Decimal | None]) -> SearchStrategy[Fate]:
    """Return a strategy for what becomes of requests that cost this."""
    return st.builds(
        Fate,
        queue=st.sampled_from([0.5, 30.0]),
        service=st.sampled_from([1.0, 8.0, 90.0]),
        end=st.sampled_from([*["success"] * 5, "failed", "cancelled", "empty", "forgotten"]),
        cost=st.sampled_from(costs),
        cost_after=st.sampled_from([0.0, 0.0, 60.0]),
    )


def lives(costs: list[Decimal | None]) -> SearchStrategy[list[Run]]:
    """Return a strategy for a few runs of one directory, the limit and the concurrency another each time."""
    weathers = st.builds(Weather, submits=submits.map(tuple), fates=st.lists(fates(costs), max_size=40).map(tuple))
    policies = st.builds(Policy, retry_failed=st.booleans(), resubmit_unknown=st.booleans())
    wishes = st.builds(
        Wishes,
        policies,
        concurrency=st.integers(1, 32),
        max_cost_usd=st.integers(0, 40).map(lambda tenths: Decimal(tenths) / 10),
    )
    ends = st.none() | st.builds(Interrupt, st.sampled_from([0.5, 9.0]), st.sampled_from(["leave", "cancel"]))
    return st.lists(st.tuples(weathers, wishes, ends), min_size=1, max_size=3)


def job_of(number: int) -> Job:
    return make_job(number, "model/a", {"prompt": f"fox {number}", "tier": number % 3})


def estimate(job: Job) -> Cost:
    tier = job.input["tier"]
    assert isinstance(tier, int)
    return Cost(PRICE * 2**tier, PRICE * 2**tier)


@dataclass(slots=True)
class Attempt:
    """One POST by its events: whether it may be paid for, and the cost that was told."""

    model: str
    estimate: Decimal
    may_cost: bool = True
    told: Decimal | None = None


@dataclass(slots=True)
class Till:
    """What every permission was given on: at the last one, by attempt, the price of what has not told its cost."""

    history: list[events.Event] = field(default_factory=list)
    reserved: dict[Key, Attempt] = field(default_factory=dict)
    limit: Decimal = ZERO
    open: dict[Key, Decimal] = field(default_factory=dict)
    granted: int = 0

    def grant(self, work: Work, limit: Decimal | None) -> None:
        """Hold that this permission fits."""
        assert limit is not None
        assert work.estimate_usd is not None
        self.reserved[work.key] = Attempt(work.job.model, work.estimate_usd)
        attempts = {**self.reserved, **fold(self.history)}
        dearest = dearest_of(attempts.values())
        self.open = {
            key: max(one.estimate, dearest.get((one.model, one.estimate), ZERO))
            for key, one in attempts.items()
            if one.may_cost and one.told is None
        }
        told = sum((one.told for one in attempts.values() if one.told is not None), ZERO)
        assert told + sum(self.open.values()) <= limit
        self.limit, self.granted = limit, self.granted + 1


def fold(history: Iterable[events.Event]) -> dict[Key, Attempt]:
    """Return every attempt that had its `submitting`."""
    attempts: dict[Key, Attempt] = {}
    for event in history:
        if isinstance(event, events.Submitting):
            assert event.cost_estimate_usd is not None
            attempts[event.job, event.attempt] = Attempt(event.model, event.cost_estimate_usd)
        elif isinstance(event, events.JobEvent) and (one := attempts.get((event.job, event.attempt))):
            _take(one, event)
    return attempts


def _take(one: Attempt, event: events.JobEvent) -> None:
    match event:
        case events.Done() | events.Failed() | events.Cancelled():
            one.told = event.cost_usd if event.cost_usd is not None else one.told
            unpaid = event.by == "us" if isinstance(event, events.Cancelled) else event.request_id is None
            one.may_cost = not unpaid
        case events.Refused():
            one.may_cost = False


def dearest_of(attempts: Iterable[Attempt]) -> dict[tuple[str, Decimal], Decimal]:
    """Return the highest cost that was told of each model and estimate."""
    dearest: dict[tuple[str, Decimal], Decimal] = {}
    for one in attempts:
        if one.told is not None:
            tier = one.model, one.estimate
            dearest[tier] = max(one.told, dearest.get(tier, ZERO))
    return dearest


def watched(till: Till) -> Callable[..., Budget]:
    """Return the Budget whose permissions the till holds."""

    class Watched(Budget):
        async def reserve(self, work: Work, *rest: object) -> bool:
            granted = await super().reserve(work, *rest)  # type: ignore[arg-type]
            if granted:
                till.grant(work, self.limit_usd)
            return granted

        def release(self, work: Work) -> None:
            till.reserved.pop(work.key, None)
            super().release(work)

        def __call__(self, happened: events.Event | events.News) -> None:
            if isinstance(happened, events.Event):
                till.history.append(happened)
            if isinstance(happened, events.Submitting):
                till.reserved.pop((happened.job, happened.attempt), None)
            super().__call__(happened)

    return Watched


def live(folder: Path, runs: list[Run]) -> tuple[Till, Remote]:
    """Live through the runs, and return what was permitted and what the server has."""
    till = Till()
    jobs = [job_of(number) for number in range(1, JOBS + 1)]

    def witness(job: Job) -> int:
        sent = (one for one in reversed(till.history) if isinstance(one, events.Submitting))
        return next(one.attempt for one in sent if one.job == job.id)

    def clock() -> float:
        return desk.clock()

    desk = Desk(folder / "run", Remote(clock, witness), Pictures(), estimate, BEGAN)
    for number, (weather, wishes, end) in enumerate(runs):
        till.reserved.clear()
        till.history = [*replay.read(desk.place.log)] if desk.place.log.exists() else []
        with mock.patch("batchgen.engine.scheduler.Budget", watched(till)):
            desk.run(jobs, wishes, weather, str(number), end)
        desk.now += 3600.0
    return till, desk.remote


def charged(remote: Remote) -> dict[Key, Decimal]:
    """Return what every accepted request really costs, told or not."""
    return {
        (one.job.id, one.attempt): ZERO if one.cancelled else NEVER_TOLD if one.fate.cost is None else one.fate.cost
        for one in remote.requests.values()
    }


EXAMPLES = int(os.environ.get("BATCHGEN_MONEY_EXAMPLES", "0"))
ordinary = settings(
    max_examples=EXAMPLES or 30,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@ordinary
@given(lives([Decimal("0.05"), PRICE, ZERO]))
def test_where_nothing_costs_more_than_its_estimate_the_account_is_never_charged_more_than_the_limit(
    runs: list[Run],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        _, remote = live(Path(name), runs)
    assert sum(charged(remote).values(), ZERO) <= max(wishes.max_cost_usd or ZERO for _, wishes, _ in runs)


@ordinary
@given(lives([Decimal("0.05"), PRICE, Decimal("0.31"), Decimal("0.50"), ZERO, None]))
def test_dearer_prices_carry_the_account_over_the_limit_only_by_what_was_already_let_in(runs: list[Run]) -> None:
    with tempfile.TemporaryDirectory() as name:
        till, remote = live(Path(name), runs)
    real = charged(remote)
    dearer = sum((max(ZERO, real.get(key, ZERO) - price) for key, price in till.open.items()), ZERO)
    assert sum(real.values(), ZERO) <= till.limit + dearer
