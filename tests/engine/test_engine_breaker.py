"""When a model, or everything, is sent nothing more: the rules as a table, then what a run makes of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from support import virtual_time
from support.world import MODEL, PRICE, MemoryApi, World, info, job, posts

from batchgen import errors, events
from batchgen.engine.breaker import IN_A_ROW, PROVEN_IN_A_ROW, REFUSED_S, Breaker
from batchgen.engine.ports import Step, Work
from batchgen.engine.scheduler import Limits
from batchgen.engine.stop import Cause, Why
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import Phase, Reading
from batchgen.state import State

ONE = Limits(concurrency=1, submits_per_second=100.0)
OTHER = "another/model"
Happening = Callable[[Breaker, int], None]


def intent(number: int, model: str = "a") -> events.Submitting:
    return events.Submitting(
        time="", job=str(number), attempt=1, index=1, name="", model=model, prompt="", settings={}, tags={}, repeat=1
    )


def taken(breaker: Breaker, number: int) -> None:
    breaker.taken("a")


def other_taken(breaker: Breaker, number: int) -> None:
    breaker.taken("b")


def rejected(breaker: Breaker, number: int) -> None:
    breaker.rejected("a", info("invalid_input"))


def doubted(breaker: Breaker, number: int) -> None:
    breaker.doubted("a", info("timeout"))


def unknown_model(breaker: Breaker, number: int) -> None:
    breaker.unknown_model("a", info("model"))


def made(breaker: Breaker, number: int) -> None:
    breaker(intent(number))
    breaker(
        events.Done(
            time="",
            job=str(number),
            attempt=1,
            request_id="r",
            model="a",
            prompt="",
            settings={},
            tags={},
            files=(),
        )
    )


def failed_at(stage: Stage, request_id: str | None = "r") -> Happening:
    def happen(breaker: Breaker, number: int) -> None:
        breaker(intent(number))
        error = info("run_failed", stage)
        breaker(events.Failed(time="", job=str(number), attempt=1, error=error, request_id=request_id))

    return happen


def lost(breaker: Breaker, number: int) -> None:
    breaker(intent(number))
    breaker(events.Lost(time="", job=str(number), attempt=1, request_id="r"))


def cancelled_by(whom: str) -> Happening:
    def happen(breaker: Breaker, number: int) -> None:
        breaker(intent(number))
        breaker(events.Cancelled(time="", job=str(number), attempt=1, request_id="r", by=whom))

    return happen


failed, uncollected, failed_unsent = failed_at(Stage.RUN), failed_at(Stage.FILE), failed_at(Stage.SUBMIT, None)


def of_an_earlier_run(breaker: Breaker, number: int) -> None:
    breaker(events.Failed(time="", job="x", attempt=1, error=info("run_failed", Stage.RUN), request_id="r"))


FEW, ENOUGH = IN_A_ROW - 1, IN_A_ROW


@pytest.mark.parametrize(
    ("history", "why", "of_b"),
    [
        ([], None, None),
        ([rejected] * FEW, None, None),
        ([rejected] * ENOUGH, Why.FAILING, None),
        ([rejected] * FEW + [other_taken, rejected], Why.FAILING, None),
        ([rejected] * FEW + [taken] + [rejected] * 50, None, None),
        ([doubted] * FEW, None, None),
        ([doubted] * ENOUGH, Why.UNAVAILABLE, Why.UNAVAILABLE),
        ([*[doubted, other_taken] * ENOUGH], Why.FAILING, None),
        ([*[doubted, taken] * 50], None, None),
        ([*[doubted, rejected] * FEW, doubted], Why.UNAVAILABLE, Why.UNAVAILABLE),
        ([unknown_model], "model", None),
        ([failed] * FEW, None, None),
        ([failed] * ENOUGH, Why.FAILING, None),
        ([*[taken, failed] * ENOUGH], Why.FAILING, None),
        ([failed] * FEW + [made] + [failed] * FEW, None, None),
        ([made] + [failed] * (PROVEN_IN_A_ROW - 1), None, None),
        ([made] + [failed] * PROVEN_IN_A_ROW, Why.FAILING, None),
        ([uncollected, lost, cancelled_by("server")] * 4, Why.FAILING, None),
        ([cancelled_by("us")] * 50, None, None),
        ([failed_unsent] * 50, None, None),
        ([of_an_earlier_run] * 50, None, None),
        ([failed] * ENOUGH + [made], Why.FAILING, None),
    ],
)
def test_what_happened_in_a_row_decides_whether_a_model_is_sent_more(
    history: list[Happening], why: object, of_b: object
) -> None:
    breaker = Breaker()
    for number, happen in enumerate(history):
        happen(breaker, number)
    assert (said(breaker.ruling("a")), said(breaker.ruling("b"))) == (why, of_b)


def said(ruling: Cause | ErrorInfo | None) -> object:
    if isinstance(ruling, ErrorInfo):
        return ruling.kind
    return ruling.why if ruling else None


def test_a_model_that_made_something_in_an_earlier_run_is_given_more_patience() -> None:
    breaker = Breaker(["a"])
    for number in range(PROVEN_IN_A_ROW - 1):
        rejected(breaker, number)
        failed(breaker, number)
    assert breaker.ruling("a") is None
    failed(breaker, PROVEN_IN_A_ROW)
    assert said(breaker.ruling("a")) is Why.FAILING


@pytest.mark.parametrize(
    ("times", "trips"), [([0, REFUSED_S - 1], False), ([0, REFUSED_S], True), ([7, 300, 500, 607], True)]
)
def test_refusals_count_by_how_long_they_last(times: list[float], trips: bool) -> None:
    breaker = Breaker()
    for now in times:
        breaker.refused(now, info("rate_limited"))
    assert said(breaker.ruling("a")) is (Why.UNAVAILABLE if trips else None)


def test_refusals_say_nothing_while_a_request_is_at_the_server() -> None:
    breaker = Breaker()
    with breaker.watching():
        breaker.refused(0, info("rate_limited"))
        breaker.refused(5000, info("rate_limited"))
    breaker.refused(5001, info("rate_limited"))
    assert breaker.ruling("a") is None
    breaker.taken("a")
    breaker.refused(5001 + REFUSED_S, info("rate_limited"))
    assert breaker.ruling("a") is None


def of_two_models(count: int) -> Iterator[Work]:
    for number in range(1, count + 1):
        yield Work(Step.POST, job(number, OTHER if number % 2 else MODEL), 1, PRICE)


def whys(causes: tuple[Cause, ...]) -> list[Why]:
    return [cause.why for cause in causes]


def test_when_every_first_job_is_rejected_the_rest_stay_new() -> None:
    world = World(MemoryApi(always={"submit": errors.Rejected(info("invalid_input", status=422))}))
    (cause,) = virtual_time.run(world.run(posts(100), ONE))
    assert cause.why is Why.FAILING
    assert MODEL in cause.message
    assert "invalid_input happened" in cause.message
    assert len(cause.message) < 160
    assert len(world.api.posted) == IN_A_ROW == world.ledger.words().count("failed")
    assert world.ledger.state().state_of(job(50).id) is State.NEW


def test_the_other_model_goes_on_and_the_end_is_told_once() -> None:
    world = World(MemoryApi(cost=None))
    result = world.api.result

    async def fails_for_one(request_id: str) -> Reading:
        reading = await result(request_id)
        bad = reading.phase is Phase.SUCCEEDED and world.api.requests[request_id].job.model == OTHER
        return Reading(Phase.FAILED, error=info("run_failed", Stage.RUN)) if bad else reading

    world.api.result = fails_for_one  # type: ignore[method-assign]
    assert whys(virtual_time.run(world.run(of_two_models(100), ONE))) == [Why.FAILING]
    sent = [posted.model for posted in world.api.posted]
    assert (sent.count(OTHER), sent.count(MODEL)) == (IN_A_ROW, 50)
    told = [one.text for one in world.heard if isinstance(one, events.News) and one.kind == "warning"]
    assert len(told) == 1
    assert OTHER in told[0]


def test_failed_requests_stop_before_the_budget_is_gone() -> None:
    failing = Reading(Phase.FAILED, error=info("run_failed", Stage.RUN), cost_usd=PRICE)
    world = World(MemoryApi(always={"result": failing}))
    causes = virtual_time.run(world.run(posts(1000), Limits(concurrency=8, submits_per_second=100.0)))
    assert whys(causes) == [Why.FAILING]
    assert IN_A_ROW <= len(world.api.posted) < IN_A_ROW + 8
    assert world.ledger.state().committed_usd < Decimal("1.50")


def test_failures_of_all_jobs_are_no_stop_where_nothing_was_kept_back() -> None:
    failing = Reading(Phase.FAILED, error=info("run_failed", Stage.RUN))
    world = World(MemoryApi(always={"result": failing}))
    assert virtual_time.run(world.run(posts(IN_A_ROW), ONE)) == ()


def test_a_429_that_never_ends_is_given_up_for_now() -> None:
    world = World(MemoryApi(always={"submit": errors.Refused(info("rate_limited", status=429))}))

    async def seconds() -> float:
        began = asyncio.get_running_loop().time()
        assert whys(await world.run(posts(20))) == [Why.UNAVAILABLE]
        return asyncio.get_running_loop().time() - began

    assert REFUSED_S <= virtual_time.run(seconds()) < REFUSED_S + 60
    assert set(world.ledger.words()) == {"submitting", "refused"}
    assert {known.state for known in world.ledger.state().jobs.values()} == {State.NEW}


def test_a_server_that_is_full_for_longer_than_that_is_waited_for() -> None:
    """Three places there and requests of twenty minutes: the refusals end when a request does."""
    world = World(MemoryApi(service=1200.0))
    submit = world.api.submit

    async def full(what: object) -> str:
        if world.api.in_flight >= 3:
            raise errors.Refused(info("rate_limited", status=429))
        return await submit(what)  # type: ignore[arg-type]

    world.api.submit = full  # type: ignore[method-assign]
    assert virtual_time.run(world.run(posts(9), Limits(concurrency=5, submits_per_second=100.0))) == ()
    assert len(world.store.files) == 9


def test_a_long_rest_of_a_model_that_is_ruled_out_leaves_the_loop_to_others() -> None:
    script = deque([errors.Rejected(info("invalid_input", status=422))] * IN_A_ROW)
    world = World(MemoryApi(script={"submit": script}))
    waiting, most = 0, 0

    def turn() -> None:
        nonlocal waiting
        waiting -= 1

    def source() -> Iterator[Work]:
        nonlocal waiting, most
        for work in posts(500):
            asyncio.get_running_loop().call_soon(turn)
            waiting += 1
            most = max(most, waiting)
            yield work

    async def look() -> None:
        await world.run(source(), ONE)

    virtual_time.run(look())
    assert most <= 2
