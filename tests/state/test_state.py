"""The fold: design's table of facts and states, the best of several attempts, money and counts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import permutations

import pytest

from batchgen import events
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import File, Json
from batchgen.state import RunState, State, fold

TIME = "2026-01-02T03:04:05.678Z"
PRICE = Decimal("0.08")
ACTUAL = Decimal("0.11")
Make = Callable[..., events.Event]


def problem(stage: Stage = Stage.RUN) -> ErrorInfo:
    return ErrorInfo("kind", stage, "message")


def submitting(attempt: int = 1, job: str = "j", estimate: Decimal | None = PRICE) -> events.Event:
    return events.Submitting(
        time=TIME,
        job=job,
        attempt=attempt,
        index=1,
        name=f"{job}-{attempt}",
        model="m",
        prompt="p",
        settings={},
        tags={},
        repeat=1,
        cost_estimate_usd=estimate,
    )


def refused(attempt: int = 1, job: str = "j") -> events.Event:
    return events.Refused(time=TIME, job=job, attempt=attempt, error=problem(Stage.SUBMIT))


def unknown(attempt: int = 1, job: str = "j") -> events.Event:
    return events.Unknown(time=TIME, job=job, attempt=attempt, error=problem(Stage.SUBMIT))


def submitted(attempt: int = 1, job: str = "j") -> events.Event:
    return events.Submitted(time=TIME, job=job, attempt=attempt, request_id=f"r{attempt}", api="api")


def attached(attempt: int = 1, job: str = "j") -> events.Event:
    return events.Attached(time=TIME, job=job, attempt=attempt, request_id=f"r{attempt}", api="api")


def settled(how: str, attempt: int = 1, job: str = "j") -> events.Event:
    return events.Settled(time=TIME, job=job, attempt=attempt, how=how)


def failed(
    stage: Stage = Stage.RUN, request_id: str | None = "r1", cost: Decimal | None = None, attempt: int = 1
) -> events.Event:
    return events.Failed(
        time=TIME, job="j", attempt=attempt, error=problem(stage), request_id=request_id, cost_usd=cost
    )


def cancelled(by: str, cost: Decimal | None = None, attempt: int = 1) -> events.Event:
    return events.Cancelled(time=TIME, job="j", attempt=attempt, request_id="r1", by=by, cost_usd=cost)


def lost(attempt: int = 1) -> events.Event:
    return events.Lost(time=TIME, job="j", attempt=attempt, request_id="r1")


FILES = (File("images/a.png", 5, "hash", "png", 1, 1),)


def done(
    attempt: int = 1, job: str = "j", cost: Decimal | None = None, files: tuple[File, ...] = FILES
) -> events.Event:
    return events.Done(
        time=TIME,
        job=job,
        attempt=attempt,
        request_id=f"r{attempt}",
        model="m",
        prompt="p",
        settings={},
        tags={},
        files=files,
        cost_usd=cost,
        cost_estimate_usd=PRICE,
    )


def started(counts: dict[str, int], unlisted: tuple[str, ...] = ()) -> events.Event:
    return events.RunStarted(
        time=TIME,
        version="1",
        name="n",
        manifest="h",
        api="api",
        counts=counts,
        host="here",
        pid=1,
        boot_id="b",
        unlisted=unlisted,
    )


READING_BACK = [
    ([], State.NEW),
    ([submitting(), refused()], State.NEW),
    ([submitting(), submitted(), cancelled("us")], State.NEW),
    ([submitting(), settled("not_sent")], State.NEW),
    ([submitting(), unknown(), settled("not_sent")], State.NEW),
    ([submitting()], State.UNKNOWN),
    ([submitting(), unknown()], State.UNKNOWN),
    ([submitting(), submitted()], State.IN_FLIGHT),
    ([submitting(), unknown(), attached()], State.IN_FLIGHT),
    ([submitting(), failed(Stage.INPUT, None)], State.FAILED),
    ([submitting(), failed(Stage.SUBMIT, None)], State.FAILED),
    ([submitting(), submitted(), failed(Stage.RUN)], State.FAILED),
    ([submitting(), submitted(), failed(Stage.OUTPUT)], State.FAILED),
    ([submitting(), submitted(), failed(Stage.FILE)], State.FAILED),
    ([submitting(), submitted(), lost()], State.LOST),
    ([submitting(), unknown(), settled("lost")], State.LOST),
    ([submitting(), submitted(), cancelled("server")], State.CANCELLED),
    ([submitting(), submitted(), done()], State.DONE),
    ([submitting(), submitted(), failed(Stage.FILE), done()], State.DONE),
]


@pytest.mark.parametrize(("history", "expected"), READING_BACK)
def test_the_latest_fact_decides_the_state(history: list[events.Event], expected: State) -> None:
    assert fold(history).state_of("j") is expected


@pytest.mark.parametrize(
    ("stage", "request_id", "collectable"),
    [
        (Stage.RUN, "r1", False),
        (Stage.SUBMIT, None, False),
        (Stage.OUTPUT, "r1", True),
        (Stage.FILE, "r1", True),
        (Stage.FILE, None, True),
    ],
)
def test_what_the_server_succeeded_in_is_collected(stage: Stage, request_id: str | None, collectable: bool) -> None:
    """A failure line without the id leaves the one of `submitted` standing."""
    state = fold([submitting(), submitted(), failed(stage, request_id)])
    assert state.jobs["j"].best.collectable is collectable
    assert state.jobs["j"].best.request_id == "r1"


@pytest.mark.parametrize(
    "later", [submitting(), refused(), unknown(), submitted(), failed(), lost(), cancelled("us"), settled("lost")]
)
def test_a_done_is_never_undone(later: events.Event) -> None:
    state = fold([submitting(), submitted(), done(), later])
    assert state.state_of("j") is State.DONE
    assert state.jobs["j"].best.files == (("images/a.png", 5),)


OUTCOMES: dict[State, list[Make]] = {
    State.DONE: [submitting, submitted, done],
    State.IN_FLIGHT: [submitting, submitted],
    State.UNKNOWN: [submitting, unknown],
    State.FAILED: [submitting, lambda attempt: failed(attempt=attempt)],
    State.NEW: [submitting, refused],
}


@pytest.mark.parametrize("order", tuple(permutations(OUTCOMES, 2)), ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_a_job_is_as_well_off_as_the_best_of_its_attempts(order: tuple[State, State]) -> None:
    """Done, in flight, unknown, failed, new; whichever came first."""
    history = [make(number) for number, state in enumerate(order, start=1) for make in OUTCOMES[state]]
    state = fold(history)
    assert state.state_of("j") is next(one for one in OUTCOMES if one in order)
    assert state.jobs["j"].next_attempt == 3


@pytest.mark.parametrize(
    ("second", "expected"),
    [(lost(2), State.LOST), (cancelled("server", attempt=2), State.CANCELLED), (failed(attempt=2), State.FAILED)],
)
def test_among_equals_the_latest_attempt_counts(second: events.Event, expected: State) -> None:
    assert fold([submitting(1), failed(), submitting(2), second]).state_of("j") is expected


def test_attempts_stand_in_their_order_whatever_the_lines_order() -> None:
    state = fold([submitting(2), submitting(1), submitted(2)])
    assert [attempt.number for attempt in state.jobs["j"].attempts] == [1, 2]
    assert [attempt.request_id for _, attempt in state.attempts()] == [None, "r2"]


MONEY = [
    ([submitting()], PRICE),
    ([submitting(), unknown()], PRICE),
    ([submitting(), refused()], 0),
    ([submitting(), settled("not_sent")], 0),
    ([submitting(), settled("lost")], PRICE),
    ([submitting(), submitted()], PRICE),
    ([submitting(), submitted(), cancelled("us")], 0),
    ([submitting(), submitted(), cancelled("us", ACTUAL)], ACTUAL),
    ([submitting(), submitted(), cancelled("server")], PRICE),
    ([submitting(), submitted(), cancelled("server", Decimal(0))], 0),
    ([submitting(), submitted(), lost()], PRICE),
    ([submitting(), failed(Stage.SUBMIT, None)], 0),
    ([submitting(), submitted(), failed()], PRICE),
    ([submitting(), submitted(), failed(cost=Decimal(0))], 0),
    ([submitting(), submitted(), failed(cost=ACTUAL)], ACTUAL),
    ([submitting(), submitted(), failed(Stage.FILE, cost=ACTUAL)], ACTUAL),
    ([submitting(), submitted(), failed(Stage.FILE, cost=ACTUAL), done()], ACTUAL),
    ([submitting(), submitted(), failed(Stage.FILE, cost=ACTUAL), failed(Stage.FILE)], ACTUAL),
    ([submitting(), submitted(), done()], PRICE),
    ([submitting(), submitted(), done(cost=ACTUAL)], ACTUAL),
    ([submitting(), submitted(), done(cost=ACTUAL), done()], ACTUAL),
    ([submitting(estimate=None), submitted()], 0),
    ([submitting(1), unknown(1), submitting(2), submitted(2), done(2, cost=ACTUAL)], PRICE + ACTUAL),
    ([submitting(1), refused(1), submitting(2)], PRICE),
]


@pytest.mark.parametrize(("history", "expected"), MONEY)
def test_money_is_the_actual_cost_else_the_estimate_of_every_attempt(
    history: list[events.Event], expected: Decimal
) -> None:
    assert fold(history).committed_usd == expected


def test_the_dearest_actual_cost_is_kept_per_model_and_estimate() -> None:
    history = [done(job=job, cost=cost) for job, cost in (("a", PRICE), ("b", ACTUAL), ("c", PRICE), ("d", None))]
    assert fold(history).dearest == {("m", PRICE): ACTUAL}
    assert fold([submitting(), submitted(), failed(cost=ACTUAL)]).dearest == {("m", PRICE): ACTUAL}


@pytest.mark.parametrize(
    ("history", "estimated"),
    [
        ([], 0),
        ([submitting()], 1),
        ([submitting(), refused()], 0),
        ([submitting(), unknown()], 1),
        ([submitting(), unknown(), settled("not_sent")], 0),
        ([submitting(), submitted(), done()], 1),
        ([submitting(), submitted(), done(cost=ACTUAL)], 0),
        ([submitting(), submitted(), failed()], 1),
        ([submitting(), submitted(), lost()], 1),
        ([submitting(), submitted(), cancelled("us")], 0),
        ([submitting(1), unknown(1), submitting(2), submitted(2)], 2),
    ],
)
def test_attempts_that_may_be_paid_for_and_told_no_cost_are_counted_by_model_and_estimate(
    history: list[events.Event], estimated: int
) -> None:
    assert fold(history).estimated[("m", PRICE)] == estimated


def test_counts_begin_with_run_started_and_are_carried_on() -> None:
    state = fold([submitting(job="old"), started({"new": 2, "unknown": 1})])
    for event in (submitting(job="a"), submitted(job="a"), submitting(job="b"), refused(job="b")):
        state.apply(event)
    assert dict(state.counts) == {"new": 1, "unknown": 1, "in_flight": 1}
    state.apply(done(job="a"))
    assert {key: count for key, count in state.counts.items() if count} == {"new": 1, "unknown": 1, "done": 1}


def test_unlisted_jobs_stay_out_of_the_counts() -> None:
    state = fold([submitting(job="x"), submitted(job="x"), started({"new": 1}, unlisted=("x",)), done(job="x")])
    assert dict(state.counts) == {"new": 1}
    assert state.state_of("x") is State.DONE


def test_a_run_without_run_finished_is_unfinished() -> None:
    end = events.RunFinished(time="2026-01-02T04:00:00.000Z", counts={}, exit_code=0, reason="", cost_usd=PRICE)
    state = fold([started({}), end])
    assert (state.last_finished, state.last_time) == (end, end.time)
    state.apply(started({}))
    assert state.last_finished is None
    assert state.last_started == started({})


def test_names_of_every_attempt_are_taken() -> None:
    assert {*fold([submitting(1), refused(1), submitting(2), done(2)]).names()} == {"j-1", "j-2"}


def test_an_intent_is_kept_until_the_attempt_is_done() -> None:
    state = fold([submitting(), submitted(), lost()])
    assert state.jobs["j"].best.intent == submitting()
    state.apply(done())
    assert state.jobs["j"].best.intent is None


def test_an_empty_ledger_says_nothing() -> None:
    state = RunState()
    assert state.committed_usd == 0
    assert state.last_started is None
    assert list(state.attempts()) == []


def finished(timing: dict[str, Json], estimate: Decimal | None = PRICE) -> events.Done:
    return events.Done(
        time="2026-01-01T00:01:00Z",
        job="j",
        attempt=1,
        request_id="r1",
        model="m",
        prompt="p",
        settings={},
        tags={},
        files=(),
        cost_estimate_usd=estimate,
        timing={"submitted": "2026-01-01T00:00:00Z", **timing},
    )


@pytest.mark.parametrize(
    ("timing", "seconds"),
    [
        ({"created_at": "2026-01-01T00:00:01Z", "finished_at": "2026-01-01T00:00:13.5Z"}, [12.5]),
        ({"created_at": "2026-01-01T09:00:01.123456+00:00", "finished_at": "2026-01-01T09:00:11.123456+00:00"}, [10.0]),
        ({"created_at": "2026-01-01T00:00:13Z", "finished_at": "2026-01-01T00:00:01Z"}, []),
        ({"created_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:02:00Z"}, []),
        ({"created_at": "yesterday", "finished_at": 7}, []),
        ({"finished_at": "2026-01-01T00:00:01Z"}, []),
        ({}, []),
    ],
)
def test_how_long_a_request_took_is_the_difference_of_the_server_s_times_unless_ours_contradict(
    timing: dict[str, Json], seconds: list[float]
) -> None:
    assert [list(known) for known in fold([finished(timing)]).taken.seconds.values()] == ([seconds] if seconds else [])


def test_only_the_latest_times_of_each_model_and_estimate_are_remembered() -> None:
    times = [
        finished({"created_at": "2026-01-01T00:00:00Z", "finished_at": f"2026-01-01T00:00:{number % 60:02}Z"})
        for number in range(100)
    ]
    other = finished({"created_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:07Z"}, Decimal(1))
    taken = fold([*times, other]).taken.seconds
    assert list(taken) == [("m", PRICE), ("m", Decimal(1))]
    assert list(taken["m", PRICE]) == [number % 60 for number in range(36, 100)]


def test_files_of_packed_jobs_are_looked_at_without_loosening_them() -> None:
    state = RunState()
    files = {"a": ("images/a.png",), "b": ("images/b.png", "images/b_2.png"), "c": ()}
    for job, paths in files.items():
        for event in (submitting(job=job * 32), submitted(job=job * 32)):
            state.apply(event)
        made = tuple(File(path, 5, "hash", "png", 1, 1) for path in paths)
        state.apply(done(job=job * 32, files=made))
    assert len(state.jobs.pack([job * 32 for job in files])) == 3

    assert state.jobs.count_damaged(lambda path, size: size != 5) == 2
    assert state.jobs.count_damaged(lambda path, size: path != "images/b_2.png") == 1
    assert {job: tuple(path for path, _ in some) for job, some in state.jobs.packed_files()} == {
        job * 32: paths for job, paths in files.items()
    }
    assert not state.jobs.loose
