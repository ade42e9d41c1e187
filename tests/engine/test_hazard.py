"""Where reads are placed, learned from when requests of the same kind have ended."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.engine.hazard import BINS, EDGES, LONGEST_S, READ_COST_S, SHORTEST_S, Hazard

ages = st.floats(0, 1e6, allow_nan=False)


def taught(*times: float) -> Hazard:
    """Return what so many requests, watched closely, have taught."""
    hazard = Hazard()
    for time in times:
        hazard.ran(0.0, time - 0.1)
        hazard.ended(time - 0.1, time + 0.1)
    return hazard


@given(st.lists(st.tuples(ages, ages)), ages)
def test_no_request_is_read_more_often_than_every_quarter_second_or_left_for_more_than_twenty(
    seen: list[tuple[float, float]], age: float
) -> None:
    hazard = Hazard()
    for one, other in seen:
        hazard.ran(min(one, other), max(one, other))
        hazard.ended(min(one, other), max(one, other))
    assert SHORTEST_S <= hazard.wait(age) <= LONGEST_S


def test_a_constant_hazard_is_read_at_the_density_of_the_theorem() -> None:
    """An exponential time of mean m has h = 1 / m: reads every sqrt(2 c m) seconds."""
    chance = random.Random(1)
    hazard = Hazard()
    for _ in range(2000):
        time = chance.expovariate(1 / 20)
        hazard.ran(0.0, time)
        hazard.ended(time, time)
    waits = [hazard.wait(age) for age in (5.0, 10.0, 20.0, 30.0)]
    assert sum(waits) / 4 == pytest.approx(math.sqrt(2 * READ_COST_S * 20), rel=0.15)


def test_before_anything_ever_ended_nothing_is_asked_and_then_closely() -> None:
    hazard = taught(*[12.0] * 100)
    first = hazard.wait(0.0)
    assert 8.0 < first < 12.5
    assert hazard.wait(11.5) < 0.6


def test_before_anything_is_known_reads_come_soon_and_grow_apart() -> None:
    hazard = Hazard()
    assert hazard.wait(0.0) < 3.0
    assert hazard.wait(1000.0) == pytest.approx(math.sqrt(2 * READ_COST_S * 1000 / 1.5), rel=0.5)


def test_a_change_of_pace_is_followed() -> None:
    slow = taught(*[40.0] * 200)
    assert slow.wait(0.0) == LONGEST_S
    faster = taught(*[40.0] * 200, *[6.0] * 100)
    assert faster.wait(0.0) < 6.5


def test_a_time_far_below_the_first_read_is_found_by_halving() -> None:
    """Ends are only known to lie between two reads; the middle is taken, so the next first read comes sooner."""
    hazard = taught(*[30.0] * 100)
    first = hazard.wait(0.0)
    for _ in range(60):
        hazard.ended(0.0, hazard.wait(0.0))
    assert hazard.wait(0.0) < first / 4


def test_requests_still_running_count() -> None:
    """Otherwise the quick ones, which end first, would pass for all there are."""
    quick, all_of_them = taught(2.0, 2.0), taught(2.0, 2.0)
    for _ in range(30):
        all_of_them.ran(0.0, 10.0)
    assert all_of_them.wait(1.0) > quick.wait(1.0)


def test_an_age_not_seen_for_a_very_long_time_keeps_a_hazard() -> None:
    hazard = taught(*[12.0] * 100_000)
    assert all(0 < hazard.at(place) < math.inf for place in range(BINS))
    assert EDGES[:2] == (0.0, SHORTEST_S)
