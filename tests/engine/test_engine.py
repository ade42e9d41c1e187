"""The engine's rules, on virtual time against an API, a ledger and a store in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from decimal import Decimal

import pytest
from support import virtual_time
from support.world import MODEL, PRICE, MemoryApi, MemoryLedger, World, info, job, posts

from batchgen import errors, events
from batchgen.engine.breaker import IN_A_ROW
from batchgen.engine.collect import LINK_TRIES
from batchgen.engine.ports import Step, Work
from batchgen.engine.scheduler import Limits
from batchgen.engine.stop import Cause, Why
from batchgen.errors import Stage
from batchgen.job import Job, Phase, Reading
from batchgen.state import State

QUICK = Limits(concurrency=4, submits_per_second=100.0)


def whys(causes: tuple[Cause, ...]) -> list[Why]:
    return [cause.why for cause in causes]


def test_every_job_is_posted_once_and_saved() -> None:
    world = World()
    causes = virtual_time.run(world.run(posts(20)))
    assert causes == ()
    assert len(world.api.posted) == 20
    assert len(world.store.files) == 20
    assert {state for known in world.ledger.state().jobs.values() for state in [known.state]} == {State.DONE}


def test_a_job_passes_through_its_events_in_order() -> None:
    world = World()
    virtual_time.run(world.run(posts(1)))
    assert world.ledger.words() == ["submitting", "submitted", "done"]


def test_the_post_waits_until_submitting_is_durable() -> None:
    world = World(ledger=MemoryLedger(delay=5.0))

    async def look() -> None:
        running = asyncio.ensure_future(world.run(posts(1)))
        await asyncio.sleep(4.9)
        assert world.api.posted == []
        await running

    virtual_time.run(look())
    assert len(world.api.posted) == 1


@pytest.mark.parametrize("concurrency", [1, 4, 64])
def test_the_places_at_the_server_are_kept_exactly_and_kept_full(concurrency: int) -> None:
    world = World()
    limits = Limits(concurrency=concurrency, submits_per_second=1000.0)

    async def utilisation() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await world.run(posts(concurrency * 10), limits)
        return concurrency * 10 * world.api.service / (loop.time() - began) / concurrency

    assert virtual_time.run(utilisation()) > 0.75
    assert world.api.peak == concurrency


def test_slow_downloads_do_not_hold_places_at_the_server() -> None:
    world = World(MemoryApi(always={"file": 12.0}))
    virtual_time.run(world.run(posts(40), Limits(concurrency=4, downloads=8, submits_per_second=100.0)))
    assert world.api.peak == 4
    assert len(world.store.files) == 40


def test_the_stream_is_pulled_no_further_than_there_are_places() -> None:
    world = World()
    pulled = []

    def source() -> Iterator[Work]:
        for work in posts(1000):
            pulled.append(work)
            yield work

    async def look() -> None:
        engine = world.engine(QUICK)
        running = asyncio.ensure_future(engine.run(source()))
        await asyncio.sleep(5.0)
        assert len(pulled) == 4
        engine.stop.leave()
        await running

    virtual_time.run(look())


def test_submits_keep_the_rate() -> None:
    world = World()

    async def seconds() -> float:
        began = asyncio.get_running_loop().time()
        await world.run(posts(21), Limits(concurrency=64, submits_per_second=2.0))
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(seconds()) >= 20 / 2.0 + world.api.service


def test_a_429_is_sent_again_as_the_next_attempt_after_the_server_s_pause() -> None:
    refusal = errors.Refused(info("rate_limited", status=429), retry_after=30.0)
    world = World(MemoryApi(script={"submit": deque([refusal])}))

    async def seconds() -> float:
        began = asyncio.get_running_loop().time()
        await world.run(posts(1))
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(seconds()) >= 30.0 + world.api.service
    assert world.ledger.words() == ["submitting", "refused", "submitting", "submitted", "done"]
    refused = world.ledger.durable[1]
    assert isinstance(refused, events.Refused)
    assert refused.delay == pytest.approx(30.0)
    assert [e.attempt for e in world.ledger.durable if isinstance(e, events.JobEvent)] == [1, 1, 2, 2, 2]


def test_one_429_pauses_every_submission() -> None:
    refusal = errors.Refused(info("rate_limited", status=429), retry_after=30.0)
    world = World(MemoryApi(script={"submit": deque([refusal])}))

    async def look() -> None:
        running = asyncio.ensure_future(world.run(posts(50), Limits(concurrency=1, submits_per_second=100.0)))
        await asyncio.sleep(29.0)
        assert len(world.api.posted) == 1
        await running

    virtual_time.run(look())


def test_an_ambiguous_post_is_never_sent_again() -> None:
    world = World(MemoryApi(script={"submit": deque([errors.Ambiguous(info("timeout"))])}))
    virtual_time.run(world.run(posts(3)))
    assert len(world.api.posted) == 3
    assert world.ledger.state().state_of(job(1).id) is State.UNKNOWN
    assert world.ledger.words(job(1).id) == ["submitting", "unknown"]


def test_a_rejected_job_fails_and_the_others_go_on() -> None:
    world = World(MemoryApi(script={"submit": deque([errors.Rejected(info("invalid_input", status=422))])}))
    assert virtual_time.run(world.run(posts(3))) == ()
    states = [world.ledger.state().state_of(job(n).id) for n in (1, 2, 3)]
    assert states == [State.FAILED, State.DONE, State.DONE]


def test_an_unknown_model_fails_its_jobs_after_one_post_and_spares_the_others() -> None:
    world = World(MemoryApi(script={"submit": deque([errors.ModelRejected(info("model", status=404))])}))
    work = [Work(Step.POST, job(n, "no/such"), 1, PRICE) for n in (1, 2, 3)] + list(posts(2, first=4))
    virtual_time.run(world.run(iter(work), Limits(concurrency=1, submits_per_second=100.0)))
    assert [posted.model for posted in world.api.posted] == ["no/such", MODEL, MODEL]
    states = [world.ledger.state().state_of(one.job.id) for one in work]
    assert states == [State.FAILED] * 3 + [State.DONE] * 2


def test_an_empty_balance_ends_posts_and_collects_what_is_in_flight() -> None:
    script: deque[object] = deque([None, None, errors.BalanceError("no balance")])
    world = World(MemoryApi(script={"submit": script}))
    causes = virtual_time.run(world.run(posts(100), Limits(concurrency=3, submits_per_second=100.0)))
    assert whys(causes) == [Why.BALANCE]
    counts = world.ledger.state().counts
    assert (counts[State.DONE], counts[State.IN_FLIGHT]) == (2, 0)
    assert world.ledger.state().state_of(job(3).id) is State.NEW
    assert len(world.api.posted) == 3


@pytest.mark.parametrize("where", ["submit", "status", "result"])
def test_a_refused_token_stops_everything_and_ends_no_job(where: str) -> None:
    world = World(MemoryApi(script={where: deque([None, errors.TokenError("token revoked")])}))
    causes = virtual_time.run(world.run(posts(100)))
    assert whys(causes) == [Why.TOKEN]
    assert not {"failed", "lost", "unknown"} & set(world.ledger.words())


def test_posts_in_the_air_are_written_down_when_the_token_fails() -> None:
    script = deque([errors.TokenError("token revoked"), None, None, None])
    world = World(MemoryApi(script={"submit": script}))
    virtual_time.run(world.run(posts(4)))
    assert len(world.api.requests) == 3
    assert world.ledger.words().count("submitted") == 3


def test_forbidden_on_the_first_submission_means_the_token() -> None:
    world = World(MemoryApi(always={"submit": errors.Forbidden(info("permission", status=403))}))
    causes = virtual_time.run(world.run(posts(5), Limits(concurrency=1, submits_per_second=100.0)))
    assert whys(causes) == [Why.TOKEN]
    assert world.ledger.words() == ["submitting", "refused"]


def test_forbidden_after_an_accepted_submission_fails_that_job_alone() -> None:
    script = deque([None, errors.Forbidden(info("permission", status=403))])
    world = World(MemoryApi(script={"submit": script}))
    causes = virtual_time.run(world.run(posts(3), Limits(concurrency=1, submits_per_second=100.0)))
    assert causes == ()
    assert world.ledger.state().state_of(job(2).id) is State.FAILED


def test_a_get_may_fail_often_and_the_request_is_never_given_up() -> None:
    trouble = deque(errors.Transient(info("server", Stage.RUN, 502)) for _ in range(30))
    world = World(MemoryApi(script={"status": trouble, "result": deque(list(trouble)[:5])}))
    virtual_time.run(world.run(posts(1)))
    assert world.ledger.words() == ["submitting", "submitted", "done"]


def test_completed_is_not_success_only_the_result_decides() -> None:
    failed = Reading(Phase.FAILED, error=info("run_failed", Stage.RUN), cost_usd=Decimal(0))
    world = World(MemoryApi(script={"result": deque([Reading(Phase.PENDING), Reading(Phase.PENDING), failed])}))
    virtual_time.run(world.run(posts(1)))
    last = world.ledger.durable[-1]
    assert isinstance(last, events.Failed)
    assert (last.error.stage, last.request_id, last.cost_usd) == (Stage.RUN, "r1", Decimal(0))


def test_a_success_without_outputs_is_asked_again_then_fails_in_output() -> None:
    world = World(MemoryApi(script={"result": deque([Reading(Phase.SUCCEEDED)] * 3)}))
    virtual_time.run(world.run(posts(1)))
    assert world.ledger.words()[-1] == "done"

    world = World(MemoryApi(always={"result": Reading(Phase.SUCCEEDED)}))
    virtual_time.run(world.run(posts(1)))
    last = world.ledger.durable[-1]
    assert isinstance(last, events.Failed)
    assert (last.error.kind, last.error.stage) == ("no_output", Stage.OUTPUT)


def test_outputs_of_another_model_are_not_attached() -> None:
    other = Reading(Phase.SUCCEEDED, urls=("https://files.test/x.png",), model="some/other")
    world = World(MemoryApi(always={"result": other}))
    virtual_time.run(world.run(posts(1)))
    last = world.ledger.durable[-1]
    assert isinstance(last, events.Failed)
    assert last.error.kind == "mismatch"
    assert world.store.files == {}


def test_a_server_s_cancellation_is_recorded_as_the_server_s() -> None:
    world = World(MemoryApi(always={"result": Reading(Phase.CANCELLED)}))
    virtual_time.run(world.run(posts(1)))
    last = world.ledger.durable[-1]
    assert isinstance(last, events.Cancelled)
    assert last.by == "server"


def gone() -> errors.Gone:
    return errors.Gone(info("gone", Stage.RUN, 404))


def test_a_404_that_passes_within_a_minute_is_nothing() -> None:
    world = World(MemoryApi(script={"status": deque([gone() for _ in range(6)])}))
    virtual_time.run(world.run(posts(1)))
    assert world.ledger.words() == ["submitting", "submitted", "done"]


def test_a_404_that_lasts_a_minute_means_lost() -> None:
    world = World(MemoryApi(always={"status": gone(), "result": gone()}))

    async def seconds() -> float:
        began = asyncio.get_running_loop().time()
        await world.run(posts(1))
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(seconds()) >= 60.0
    assert world.ledger.words() == ["submitting", "submitted", "lost"]


def test_when_everything_is_404_nothing_is_concluded() -> None:
    world = World(MemoryApi(always={"status": gone(), "result": gone()}))
    causes = virtual_time.run(world.run(posts(4)))
    assert whys(causes) == [Why.UNAVAILABLE]
    assert "lost" not in world.ledger.words()
    assert world.ledger.state().counts[State.IN_FLIGHT] == 4


def test_a_request_that_outlasts_the_wait_stays_in_flight() -> None:
    world = World(MemoryApi(service=1e6))
    causes = virtual_time.run(world.run(posts(2), Limits(concurrency=2, submits_per_second=100.0, wait=60.0)))
    assert whys(causes) == [Why.WAIT]
    assert world.ledger.words().count("submitted") == 2
    assert len(world.ledger.durable) == 4


@pytest.mark.parametrize("where", ["submit", "status"])
def test_two_minutes_without_any_answer_end_the_run(where: str) -> None:
    silent: errors.BatchgenError = (
        errors.Refused(info("network"), reached=False)
        if where == "submit"
        else errors.Transient(info("network"), reached=False)
    )
    world = World(MemoryApi(always={where: silent}))

    async def seconds() -> float:
        began = asyncio.get_running_loop().time()
        assert whys(await world.run(posts(3))) == [Why.UNAVAILABLE]
        return asyncio.get_running_loop().time() - began

    assert 120.0 <= virtual_time.run(seconds()) < 200.0
    assert not {"failed", "lost"} & set(world.ledger.words())


def test_requests_of_earlier_runs_take_their_places_first() -> None:
    world = World(MemoryApi(service=50.0))

    async def both() -> None:
        engine = world.engine(QUICK)
        running = asyncio.ensure_future(engine.run(posts(3)))
        await asyncio.sleep(5.0)
        engine.stop.leave()
        await running
        assert world.ledger.state().counts[State.IN_FLIGHT] == 3
        polls = [
            Work(
                Step.POLL,
                attempt.intent.as_job(),
                attempt.number,
                attempt.estimate_usd,
                attempt.name,
                attempt.request_id or "",
                events.seconds_of(attempt.submitted_at or "") or 0.0,
            )
            for _, attempt in world.ledger.state().attempts()
            if attempt.intent
        ]
        second = asyncio.ensure_future(world.run(iter([*polls, *posts(5, first=4)]), QUICK))
        await asyncio.sleep(1.0)
        assert len(world.api.posted) == 4
        await second

    virtual_time.run(both())
    assert world.api.peak == 4
    assert len(world.store.files) == 8


def test_leaving_ends_at_once_and_what_is_in_flight_stays() -> None:
    world = World()

    async def look() -> float:
        engine = world.engine(QUICK)
        running = asyncio.ensure_future(engine.run(posts(100)))
        await asyncio.sleep(3.0)
        began = asyncio.get_running_loop().time()
        engine.stop.leave(Cause(Why.SIGNAL, "SIGTERM", 15))
        assert whys(await running) == [Why.SIGNAL]
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(look()) < 1.0
    assert world.ledger.words().count("submitted") == 4
    assert len(world.ledger.durable) == 8


def test_ending_posts_lets_what_is_in_flight_finish() -> None:
    world = World()

    async def look() -> None:
        engine = world.engine(QUICK)
        running = asyncio.ensure_future(engine.run(posts(100)))
        await asyncio.sleep(3.0)
        engine.stop.end_posts(Cause(Why.MAX_TIME, "time is up"))
        assert whys(await running) == [Why.MAX_TIME]

    virtual_time.run(look())
    assert world.ledger.words().count("done") == 4
    assert len(world.api.posted) == 4


@pytest.mark.parametrize(("hurry", "word"), [(False, "submitted"), (True, "unknown")])
def test_a_post_on_the_wire_is_awaited_and_written_down(hurry: bool, word: str) -> None:
    world = World(MemoryApi(post_time=60.0))

    async def look() -> float:
        engine = world.engine(QUICK)
        running = asyncio.ensure_future(engine.run(posts(1)))
        await asyncio.sleep(1.0)
        began = asyncio.get_running_loop().time()
        engine.stop.leave(Cause(Why.SIGNAL, "SIGINT", 2))
        if hurry:
            engine.stop.hurry.set()
        await running
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(look()) == pytest.approx(5.0 if hurry else 59.0, abs=0.5)
    assert world.ledger.words() == ["submitting", word]


def test_no_post_leaves_after_the_stop_even_if_its_submitting_was_on_the_way() -> None:
    world = World(ledger=MemoryLedger(delay=2.0))

    async def look() -> None:
        engine = world.engine(QUICK)
        running = asyncio.ensure_future(engine.run(posts(1)))
        await asyncio.sleep(1.0)
        engine.stop.end_posts(Cause(Why.SIGNAL, "SIGINT", 2))
        await running

    virtual_time.run(look())
    assert world.api.posted == []
    assert world.ledger.words() == ["submitting", "refused"]
    assert world.ledger.state().state_of(job(1).id) is State.NEW


def test_cancelling_on_the_way_out_says_truthfully_what_could_not_be_cancelled() -> None:
    world = World(MemoryApi(queued={"r3", "r4"}))

    async def look() -> None:
        engine = world.engine(QUICK)
        running = asyncio.ensure_future(engine.run(posts(100)))
        await asyncio.sleep(3.0)
        engine.stop.cancel_queued = True
        engine.stop.leave(Cause(Why.SIGNAL, "SIGINT", 2))
        await running

    virtual_time.run(look())
    state = world.ledger.state()
    assert [state.state_of(job(n).id) for n in (1, 2, 3, 4)] == [State.IN_FLIGHT] * 2 + [State.NEW] * 2
    assert world.api.cancelled == {"r3", "r4"}
    assert any(isinstance(one, events.News) and one.text.startswith("2 cancelled, 2 could not") for one in world.heard)


def test_max_jobs_counts_posts_and_is_no_reason_when_nothing_was_left() -> None:
    world = World()
    limits = Limits(concurrency=4, submits_per_second=100.0, max_jobs=3)
    assert whys(virtual_time.run(world.run(posts(10), limits))) == [Why.MAX_JOBS]
    assert len(world.store.files) == len(world.api.posted) == 3

    assert virtual_time.run(World().run(posts(3), limits)) == ()


@pytest.mark.parametrize(("actual", "made"), [(PRICE, 5), (Decimal("0.04"), 9), (Decimal("0.10"), 4)])
def test_the_budget_holds_under_concurrency_and_learns_what_things_really_cost(actual: Decimal, made: int) -> None:
    world = World(MemoryApi(cost=actual))
    limit = Decimal("0.40")
    limits = Limits(concurrency=3, submits_per_second=100.0, max_cost_usd=limit)
    assert whys(virtual_time.run(world.run(posts(50), limits))) == [Why.MAX_COST]
    state = world.ledger.state()
    assert state.counts[State.DONE] == made
    assert state.committed_usd == actual * made <= limit


def test_the_budget_counts_the_whole_ledger() -> None:
    world = World()
    limits = Limits(concurrency=3, submits_per_second=100.0, max_cost_usd=Decimal("0.40"))
    virtual_time.run(world.run(posts(3), limits))
    virtual_time.run(world.run(posts(50, first=4), limits))
    assert world.ledger.state().committed_usd == Decimal("0.40")


def test_a_submission_of_unknown_outcome_counts_with_the_dearest_cost_that_was_seen() -> None:
    """It is as likely to cost that as any other; in flight or long over makes no difference."""
    world = World(MemoryApi(cost=Decimal("0.16"), script={"submit": deque([None, errors.Ambiguous(info("timeout"))])}))
    limits = Limits(concurrency=1, submits_per_second=100.0, max_cost_usd=Decimal("0.50"))
    assert whys(virtual_time.run(world.run(posts(50), limits))) == [Why.MAX_COST]
    assert len(world.api.requests) == 3


def test_a_limit_that_is_exceeded_all_the_same_is_told() -> None:
    world = World(MemoryApi(cost=Decimal("0.30")))
    limits = Limits(concurrency=3, submits_per_second=100.0, max_cost_usd=Decimal("0.40"))
    virtual_time.run(world.run(posts(50), limits))
    told = [one.text for one in world.heard if isinstance(one, events.News) and one.kind == "warning"]
    assert len(world.api.posted) == 3
    assert "has cost 0.90 USD, 0.50 more than max_cost_usd" in told[0]


def test_nobody_waits_for_the_money_of_a_request_that_is_left_to_the_server() -> None:
    """It counts, and the run ends: nothing that goes on here could make room."""
    world = World(MemoryApi(service=1e6))
    limits = Limits(concurrency=2, submits_per_second=100.0, max_cost_usd=Decimal("0.10"), wait=60.0)
    assert set(whys(virtual_time.run(world.run(posts(3), limits)))) == {Why.WAIT, Why.MAX_COST}
    assert len(world.api.posted) == 1


def test_an_expired_link_is_replaced_by_a_fresh_one_a_few_times() -> None:
    expired = errors.LinkExpired(info("link_expired", Stage.FILE, 403))
    world = World(MemoryApi(script={"file": deque([expired])}))
    virtual_time.run(world.run(posts(1)))
    assert world.ledger.words()[-1] == "done"

    world = World(MemoryApi(always={"file": expired}))
    virtual_time.run(world.run(posts(1)))
    assert world.ledger.words()[-1] == "failed"
    assert world.api.calls["file"] == LINK_TRIES


def test_a_file_that_does_not_arrive_within_five_minutes_is_to_be_collected_again() -> None:
    world = World(MemoryApi(always={"file": errors.Transient(info("reset", Stage.FILE))}))
    virtual_time.run(world.run(posts(1)))
    attempt = world.ledger.state().jobs[job(1).id].best
    assert attempt.collectable
    assert world.api.calls["file"] > 5


def test_a_host_that_is_not_allowed_fails_at_once_with_its_reason() -> None:
    world = World(MemoryApi(always={"file": errors.FileError(info("host", Stage.OUTPUT))}))
    virtual_time.run(world.run(posts(1)))
    assert world.api.calls["file"] == 1
    assert world.ledger.state().jobs[job(1).id].best.collectable


def test_a_late_cost_is_asked_for_once_more_and_never_waited_for() -> None:
    early = Reading(Phase.SUCCEEDED, urls=("https://files.test/r1.png",))
    world = World(MemoryApi(script={"result": deque([early])}))
    virtual_time.run(world.run(posts(1)))
    last = world.ledger.durable[-1]
    assert isinstance(last, events.Done)
    assert last.cost_usd == PRICE


def test_an_id_that_cannot_be_written_is_told() -> None:
    world = World(ledger=MemoryLedger(fail_on="submitted"))
    causes = virtual_time.run(world.run(posts(10), Limits(concurrency=1, submits_per_second=100.0)))
    assert whys(causes) == [Why.DISK]
    assert len(world.api.posted) == 1
    unwritten = [news for news in world.heard if isinstance(news, events.News) and news.kind == "unwritten"]
    assert "r1" in unwritten[0].text


def test_a_defect_in_the_stream_is_raised_after_posts_were_written_down() -> None:
    world = World()

    def source() -> Iterator[Work]:
        yield from posts(2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        virtual_time.run(world.run(source()))
    assert world.ledger.words().count("submitted") == len(world.api.requests)


def test_a_request_that_outlasts_the_wait_keeps_its_place_at_the_server() -> None:
    """Otherwise a run would go on buying into a server that finishes nothing."""
    world = World(MemoryApi(service=1e6))
    limits = Limits(concurrency=2, submits_per_second=100.0, wait=60.0)
    assert whys(virtual_time.run(world.run(posts(20), limits))) == [Why.WAIT]
    assert (len(world.api.posted), world.api.peak) == (2, 2)


def test_submissions_without_a_clear_answer_slow_the_run_down_and_then_stop_it() -> None:
    world = World(MemoryApi(always={"submit": errors.Ambiguous(info("server", status=503))}))
    limits = Limits(concurrency=4, submits_per_second=100.0)

    async def seconds() -> float:
        began = asyncio.get_running_loop().time()
        assert whys(await world.run(posts(100), limits)) == [Why.UNAVAILABLE]
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(seconds()) > 0.7
    assert IN_A_ROW <= world.ledger.state().counts[State.UNKNOWN] < IN_A_ROW + 4


def test_doubts_that_are_not_in_a_row_stop_nothing() -> None:
    script = deque([errors.Ambiguous(info("timeout")), None] * (IN_A_ROW + 2))
    world = World(MemoryApi(script={"submit": script}))
    assert virtual_time.run(world.run(posts(2 * IN_A_ROW), Limits(concurrency=1, submits_per_second=100.0))) == ()


def test_a_file_that_trickles_in_for_ever_is_given_up_after_five_minutes() -> None:
    world = World(MemoryApi(always={"file": 1e6}))
    virtual_time.run(world.run(posts(1)))
    best = world.ledger.state().jobs[job(1).id].best
    assert best.collectable
    assert best.error is not None
    assert best.error.kind == "too_slow"


def test_the_pace_is_kept_after_a_pause_for_everybody() -> None:
    refusals = deque([errors.Refused(info("rate_limited", status=429), retry_after=20.0)] * 8)
    world = World(MemoryApi(script={"submit": refusals}))
    times: list[float] = []
    submit = world.api.submit

    async def timed(what: Job) -> str:
        times.append(asyncio.get_running_loop().time())
        return await submit(what)

    world.api.submit = timed  # type: ignore[method-assign]
    virtual_time.run(world.run(posts(16), Limits(concurrency=8, submits_per_second=4.0)))
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.25 - 1e-6


def test_an_error_while_looking_for_a_late_cost_does_not_keep_done_from_being_written() -> None:
    early = Reading(Phase.SUCCEEDED, urls=("https://files.test/r1.png",))
    world = World(MemoryApi(script={"result": deque([early, errors.TokenError("revoked")])}))
    assert virtual_time.run(world.run(posts(1))) == ()
    assert world.ledger.words() == ["submitting", "submitted", "done"]


def test_a_lost_request_that_the_server_knows_again_is_in_flight_again() -> None:
    world = World(MemoryApi(service=1e6))

    async def look() -> None:
        request_id = world.api.accept(job(1))
        now = asyncio.get_running_loop().time()
        lost = Work(Step.POLL, job(1), 1, PRICE, "00001", request_id, now, lost=True)
        await world.run(iter([lost]), Limits(concurrency=1, wait=60.0))

    virtual_time.run(look())
    assert world.ledger.words() == ["submitted"]
