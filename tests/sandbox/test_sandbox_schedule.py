"""The rule of the queue."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.sandbox.schedule import Phase, Schedule, service_time


def _filled(slots: int, *arrivals: tuple[float, float]) -> Schedule:
    schedule = Schedule(slots)
    for at, service in arrivals:
        schedule.accept(at, service)
    return schedule


@pytest.mark.parametrize(
    ("slots", "arrivals", "starts"),
    [
        (1, [(10, 5), (11, 5), (30, 5)], [10, 15, 30]),
        (2, [(10, 5), (10, 3), (10, 4), (10, 1)], [10, 10, 13, 15]),
        (4, [(10, 5), (10, 5), (10, 5)], [10, 10, 10]),
        (1, [(10, 0), (10, 0)], [10, 10]),
    ],
)
def test_each_starts_when_accepted_or_when_the_first_slot_frees(
    slots: int, arrivals: list[tuple[float, float]], starts: list[float]
) -> None:
    schedule = _filled(slots, *arrivals)
    assert [schedule.turn(number).start for number in range(len(arrivals))] == starts


@pytest.mark.parametrize(
    ("now", "phases", "positions"),
    [
        (10, ["in_progress", "in_queue", "in_queue"], [None, 1, 2]),
        (14.9, ["in_progress", "in_queue", "in_queue"], [None, 1, 2]),
        (15, ["completed", "in_progress", "in_queue"], [None, None, 1]),
        (25, ["completed", "completed", "completed"], [None, None, None]),
    ],
)
def test_phase_and_position_follow_from_now(now: float, phases: list[str], positions: list[int | None]) -> None:
    schedule = _filled(1, (10, 5), (10, 5), (10, 5))
    assert [str(schedule.turn(number).phase(now)) for number in range(3)] == phases
    assert [schedule.position(number, now) for number in range(3)] == positions


def test_cancelling_a_queued_request_frees_the_place_of_those_behind() -> None:
    schedule = _filled(1, (10, 5), (10, 5), (10, 5))
    assert schedule.cancel(1, at=12)
    assert schedule.turn(1).phase(12) is Phase.CANCELLED
    assert schedule.position(2, 12) == 1
    assert schedule.turn(2).start == 15


@pytest.mark.parametrize("number", [0, 1])
def test_what_runs_or_is_over_cannot_be_cancelled(number: int) -> None:
    schedule = _filled(1, (10, 5), (10, 5))
    assert not schedule.cancel(number, at=16)
    assert schedule.turn(number).cancelled is None


def test_a_second_cancel_changes_nothing() -> None:
    schedule = _filled(1, (10, 5), (10, 5))
    assert schedule.cancel(1, at=11)
    assert not schedule.cancel(1, at=12)
    assert schedule.turn(1).cancelled == 11


@pytest.mark.parametrize(("slots", "starts"), [(1, [10, 10, 15, 20]), (2, [10, 10, 15, 15]), (4, [10, 10, 12, 12])])
def test_another_number_of_slots_plans_only_the_queued_anew(slots: int, starts: list[float]) -> None:
    schedule = _filled(2, (10, 5), (10, 5), (10, 5), (10, 5))
    schedule.resize(slots, at=12)
    assert [schedule.turn(number).start for number in range(4)] == starts


@given(
    slots=st.integers(1, 4),
    steps=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5), st.integers(-1, 30)), max_size=40),
)
def test_started_turns_never_change_and_slots_never_overflow(slots: int, steps: list[tuple[float, float, int]]) -> None:
    schedule, now, count, started = Schedule(slots), 0.0, 0, dict[int, float]()
    for wait, service, victim in steps:
        now += wait
        if 0 <= victim < count:
            schedule.cancel(victim, now)
        else:
            schedule.accept(now, service)
            count += 1
        turns = [schedule.turn(number) for number in range(count)]
        assert sum(turn.phase(now) is Phase.IN_PROGRESS for turn in turns) <= slots
        queued = [number for number, turn in enumerate(turns) if turn.phase(now) is Phase.IN_QUEUE]
        assert [schedule.position(number, now) for number in queued] == list(range(1, len(queued) + 1))
        for number, start in started.items():
            assert turns[number].start == start
        started |= {n: t.start for n, t in enumerate(turns) if t.cancelled is None and t.start <= now}


def test_service_time_depends_on_the_id_alone_and_keeps_its_mean() -> None:
    times = [service_time(f"request-{number}", 2.0, 0.3) for number in range(4000)]
    assert times[0] == service_time("request-0", 2.0, 0.3)
    assert statistics.mean(times) == pytest.approx(2.0, rel=0.03)
    assert service_time("any", 2.0, 0.0) == 2.0
