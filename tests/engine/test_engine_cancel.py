"""Cancelling on the way out: the answer to a cancellation is a claim, the result read after it is the proof."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import pytest
from support.virtual_time import run
from support.world import MemoryApi, MemoryLedger, World, info, posts

from batchgen import errors, events
from batchgen.engine.cancel import AT_ONCE, Cancellation
from batchgen.engine.scheduler import Engine, Limits
from batchgen.engine.stop import Cause, Why
from batchgen.errors import Stage
from batchgen.job import CancelOutcome, Phase, Reading

SIGNAL = Cause(Why.SIGNAL, "ended by SIGINT", 2)
SILENT = errors.Transient(info("unreachable", Stage.RUN), reached=False)
BUSY = errors.Transient(info("server", Stage.RUN, 502))
GONE = errors.Gone(info("gone", Stage.RUN, 404))


class Boastful(MemoryApi):
    """A server that says cancelled whatever is asked, and lets what runs run on."""

    async def cancel(self, request_id: str) -> CancelOutcome:
        """Claim it."""
        self.calls["cancel"] += 1
        return CancelOutcome.CANCELLED


@dataclass
class Answering(MemoryApi):
    """A server whose cancellations all meet the same: an answer, an error, or nothing for many seconds."""

    says: CancelOutcome | errors.BatchgenError | float = CancelOutcome.CANCELLED

    async def cancel(self, request_id: str) -> CancelOutcome:
        """Answer as always."""
        self.calls["cancel"] += 1
        if isinstance(self.says, errors.BatchgenError):
            raise self.says
        if isinstance(self.says, float):
            await asyncio.sleep(self.says)
            return CancelOutcome.CANCELLED
        return self.says


def names(count: int) -> set[str]:
    """Return the ids of the first requests."""
    return {f"r{number}" for number in range(1, count + 1)}


async def left(world: World, count: int) -> Engine:
    """Return an engine that was told to leave with `count` requests in flight."""
    engine = world.engine(Limits(concurrency=count, submits_per_second=1000.0))
    asyncio.get_running_loop().call_later(5.0, engine.stop.leave, SIGNAL)
    await engine.run(posts(count))
    return engine


def cancelled(world: World) -> list[events.Cancelled]:
    """Return the `cancelled` events in the ledger."""
    return [event for event in world.ledger.durable if isinstance(event, events.Cancelled)]


def test_a_cancellation_that_only_its_answer_claims_is_not_written_down() -> None:
    """The request goes on and is paid for: as cancelled it would be sent again, and paid for twice."""
    world = World(api=Boastful(service=60.0))

    async def interrupted() -> None:
        engine = world.engine()
        engine.stop.cancel_queued = True
        asyncio.get_running_loop().call_later(5.0, engine.stop.leave, SIGNAL)
        await engine.run(posts(2))

    run(interrupted())

    assert world.api.calls["cancel"] == 2
    assert world.ledger.words().count("submitted") == 2
    assert "cancelled" not in world.ledger.words()


@pytest.mark.parametrize(
    ("says", "result", "outcome", "answered"),
    [
        (CancelOutcome.CANCELLED, Reading(Phase.CANCELLED), "cancelled", True),
        (CancelOutcome.REQUESTED, Reading(Phase.CANCELLED), "cancelled", True),
        (CancelOutcome.NOT_CANCELLABLE, BUSY, "in_flight", True),
        (CancelOutcome.CANCELLED, Reading(Phase.PENDING), "in_flight", True),
        (CancelOutcome.CANCELLED, Reading(Phase.SUCCEEDED), "in_flight", True),
        (CancelOutcome.REQUESTED, Reading(Phase.FAILED), "in_flight", True),
        (CancelOutcome.REQUESTED, Reading(Phase.PENDING), "unconfirmed", True),
        (CancelOutcome.CANCELLED, Reading(Phase.ENDED), "unconfirmed", True),
        (CancelOutcome.CANCELLED, BUSY, "unconfirmed", True),
        (CancelOutcome.CANCELLED, GONE, "unconfirmed", True),
        (CancelOutcome.CANCELLED, 60.0, "unconfirmed", True),
        (GONE, None, "unconfirmed", True),
        (BUSY, None, "unconfirmed", False),
        (SILENT, None, "unconfirmed", False),
        (60.0, None, "unconfirmed", False),
    ],
)
def test_only_an_answer_tells_what_became_of_a_request(
    says: CancelOutcome | errors.BatchgenError | float,
    result: errors.BatchgenError | Reading | float | None,
    outcome: str,
    answered: bool,
) -> None:
    """Silence means neither that a request goes on nor that it was cancelled."""
    world = World(Answering(service=600.0, says=says, always={"result": result}))

    async def told() -> Cancellation:
        return await (await left(world, 2)).cancel_queued()

    found = run(told())
    assert found.counts == {"cancelled": 0, "in_flight": 0, "unconfirmed": 0} | {outcome: 2}
    assert found.answered is answered
    assert len(cancelled(world)) == found.cancelled


def test_what_the_result_says_a_cancelled_request_cost_is_written_down() -> None:
    reading = Reading(Phase.CANCELLED, cost_usd=Decimal("0.01"))
    world = World(Answering(service=600.0, always={"result": reading}))

    async def told() -> None:
        await (await left(world, 1)).cancel_queued()

    run(told())
    assert [(event.by, event.cost_usd) for event in cancelled(world)] == [("us", Decimal("0.01"))]


@pytest.mark.parametrize(
    ("met", "proven"),
    [
        ([None, None, errors.TokenError("token revoked")], 2),
        ([errors.TokenError("token revoked"), *[3.0] * 7], 0),
        ([errors.TokenError("token revoked")] * 8, 0),
    ],
)
def test_a_refused_token_ends_it_and_what_was_cancelled_before_is_told(met: Iterable[object], proven: int) -> None:
    """Nothing is left behind that would write after the end."""
    world = World(MemoryApi(service=600.0, queued=names(20), script={"cancel": deque(met)}))
    if proven:
        world.api.always["cancel"] = 3.0

    async def told() -> tuple[Cancellation, list[Cause], list[events.Event]]:
        engine = await left(world, 20)
        found = await engine.cancel_queued()
        then = list(world.ledger.durable)
        await asyncio.sleep(60.0)
        return found, engine.stop.causes, then

    found, causes, then = run(told())
    assert [cause.why for cause in causes] == [Why.SIGNAL, Why.TOKEN]
    assert found.counts == {"cancelled": proven, "in_flight": 0, "unconfirmed": 20 - proven}
    assert len(cancelled(world)) == proven
    assert world.ledger.durable == then


def test_a_line_that_cannot_be_written_is_no_cancellation() -> None:
    world = World(MemoryApi(service=600.0, queued=names(3)), MemoryLedger(fail_on="cancelled"))

    async def told() -> tuple[Cancellation, list[Cause]]:
        engine = await left(world, 3)
        return await engine.cancel_queued(), engine.stop.causes

    found, causes = run(told())
    assert found.counts == {"cancelled": 0, "in_flight": 0, "unconfirmed": 3}
    assert [cause.why for cause in causes] == [Why.SIGNAL, Why.DISK]


def test_a_hurry_ends_cancellations_that_hang_but_not_a_line_on_its_way() -> None:
    """The second signal leaves now; the three that were proven are waited for by their lines alone."""
    met = deque([*[None] * 3, *[1e6] * 37])
    world = World(MemoryApi(service=1e6, queued=names(40), script={"cancel": met}), MemoryLedger(delay=2.0))

    async def hurried() -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        engine = world.engine(Limits(concurrency=40, submits_per_second=1000.0))
        engine.stop.cancel_queued = True
        loop.call_later(30.0, engine.stop.leave, SIGNAL)
        loop.call_later(31.0, engine.stop.hurry.set)
        began = loop.time()
        await engine.run(posts(40))
        return loop.time() - began, len(cancelled(world))

    seconds, lines = run(hurried())
    assert seconds == pytest.approx(32.0, abs=0.1)
    assert lines == 3


def test_a_cancellation_of_many_holds_a_handful_of_tasks() -> None:
    world = World(MemoryApi(service=1e6, queued=names(200), always={"cancel": 1.0}))

    async def counted() -> tuple[int, int]:
        engine = await left(world, 200)
        cancelling = asyncio.ensure_future(engine.cancel_queued())
        before = len(asyncio.all_tasks())
        await asyncio.sleep(3.5)
        more = len(asyncio.all_tasks()) - before
        return more, (await cancelling).cancelled

    more, done = run(counted())
    assert AT_ONCE <= more <= AT_ONCE + 2
    assert done == 200
