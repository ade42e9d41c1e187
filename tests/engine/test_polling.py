"""When a request is read next, by its kind and by its place in the queue."""

from __future__ import annotations

import pytest

from batchgen.engine.hazard import LONGEST_S, SHORTEST_S
from batchgen.engine.polling import BACKOFF_FIRST_S, BACKOFF_LONGEST_S, MOST_KINDS, Polling, backoff

SMALL, LARGE = ("model", 1), ("model", 4)


@pytest.mark.parametrize(
    ("failures", "chance", "retry_after", "seconds"),
    [
        (1, 0.0, None, BACKOFF_FIRST_S / 2),
        (1, 1.0, None, BACKOFF_FIRST_S),
        (3, 1.0, None, 4 * BACKOFF_FIRST_S),
        (50, 1.0, None, BACKOFF_LONGEST_S),
        (1, 0.5, 12.0, 12.0),
        (50, 1.0, 1.0, BACKOFF_LONGEST_S),
    ],
)
def test_backoff(failures: int, chance: float, retry_after: float | None, seconds: float) -> None:
    assert backoff(failures, chance, retry_after) == pytest.approx(seconds)


def test_kinds_are_told_apart_and_remembered_from_earlier_runs() -> None:
    polling = Polling([(SMALL, [3.0] * 64), (LARGE, [60.0] * 64)])
    assert polling.wait(polling.accepted(SMALL, 0.0), 0.0) < 3.5
    assert polling.wait(polling.accepted(LARGE, 0.0), 0.0) > 10.0


def test_the_kinds_remembered_are_bounded() -> None:
    polling = Polling((number, [3.0] * 20) for number in range(MOST_KINDS))
    warm = polling.wait(polling.accepted(0, 0.0), 0.0)
    polling.accepted("new", 0.0)
    polling.wait(polling.accepted("new", 0.0), 0.0)
    assert polling.wait(polling.accepted(0, 0.0), 0.0) != warm
    assert polling.wait(polling.accepted(2, 0.0), 0.0) == warm


def test_the_age_counts_from_the_acceptance_even_in_an_earlier_run() -> None:
    polling = Polling([(SMALL, [30.0] * 64)])
    old = polling.accepted(SMALL, 100.0, age=29.5)
    assert polling.wait(old, 100.0) < 2.0 < polling.wait(polling.accepted(SMALL, 100.0), 100.0)


def test_what_ended_while_nobody_asked_teaches_nothing() -> None:
    polling = Polling([(SMALL, [3.0] * 64)])
    before = polling.wait(polling.accepted(SMALL, 0.0), 0.0)
    polling.ended(polling.accepted(SMALL, 9000.0, age=8000.0), 9000.0)
    assert polling.wait(polling.accepted(SMALL, 0.0), 0.0) == before


def one_end_every(seconds: float, polling: Polling, count: int = 30) -> float:
    """Let requests end at such a pace, and return the time of the last end."""
    now = 0.0
    for number in range(1, count + 1):
        now = number * seconds
        course = polling.accepted(SMALL, now - 3.0)
        polling.ended(course, now)
    return now


def test_a_request_in_the_queue_is_read_when_its_turn_should_be_over() -> None:
    polling = Polling()
    now = one_end_every(1.5, polling)
    near, far = polling.accepted(SMALL, now), polling.accepted(SMALL, now)
    polling.pending(near, now, queued=True, place=1)
    polling.pending(far, now, queued=True, place=6)
    assert polling.wait(far, now) - polling.wait(near, now) == pytest.approx(0.8 * 5 * 1.5)
    assert polling.wait(near, now) > polling.wait(polling.accepted(SMALL, now), now)
    polling.pending(far, now, queued=True, place=1000)
    assert polling.wait(far, now) == LONGEST_S


@pytest.mark.parametrize("place", [None, 1, 50])
def test_a_place_in_a_queue_of_unknown_pace_is_read_as_if_it_were_next(place: int | None) -> None:
    polling = Polling()
    course = polling.accepted(SMALL, 0.0)
    fresh = polling.wait(course, 0.0)
    polling.pending(course, 9.0, queued=True, place=place)
    assert polling.wait(course, 9.0) == fresh


def test_time_in_the_queue_is_not_age() -> None:
    polling = Polling([(SMALL, [12.0] * 64)])
    course = polling.accepted(SMALL, 0.0)
    polling.pending(course, 500.0, queued=True, place=1)
    polling.pending(course, 501.0)
    assert 499.9 < course.began <= 501.0
    assert polling.wait(course, 501.0) > 5.0
    polling.pending(course, 512.0)
    assert polling.wait(course, 512.0) < 2.0


def test_an_end_right_out_of_the_queue_is_learned_without_the_queue() -> None:
    polling = Polling()
    now = one_end_every(1.0, polling, 100)
    for _ in range(100):
        course = polling.accepted(SMALL, now)
        polling.pending(course, now + 600.0, queued=True, place=1)
        now += 604.0
        polling.ended(course, now)
    assert SHORTEST_S <= polling.wait(polling.accepted(SMALL, now), now) < 4.0
