"""Paces: of POSTs, of reads, and what a 429 makes of them."""

from __future__ import annotations

import pytest

from batchgen.engine.limits import Pace, PostPace, ReadPace


def test_a_pace_is_kept_evenly() -> None:
    pace = Pace(4.0)
    assert [pace.take(10.0) for _ in range(3)] == pytest.approx([0.0, 0.25, 0.5])
    assert pace.left(10.0) == pytest.approx(0.75)
    assert pace.take(20.0) == 0.0


def test_some_may_go_together_after_a_quiet_moment() -> None:
    pace = Pace(2.0, at_once=3)
    assert [pace.take(10.0) for _ in range(5)] == pytest.approx([0.0, 0.0, 0.0, 0.5, 1.0])
    assert [pace.take(12.5) for _ in range(4)] == pytest.approx([0.0, 0.0, 0.0, 0.5])


def seconds_for(pace: ReadPace, count: int, now: float) -> float:
    """Return how long so many reads take from now."""
    return max(pace.take(now) for _ in range(count))


def test_a_429_halves_the_pace_of_reads_and_it_recovers_slowly() -> None:
    pace = ReadPace(10.0)
    assert seconds_for(pace, 110, 0.0) == pytest.approx(10.0, abs=0.1)
    pace.refused(100.0)
    assert seconds_for(pace, 110, 100.0) == pytest.approx(20.0, abs=0.3)
    assert seconds_for(pace, 110, 1000.0) == pytest.approx(10.0, abs=0.1)


def test_reads_never_stop_altogether() -> None:
    pace = ReadPace(10.0)
    for _ in range(100):
        pace.refused(0.0)
    assert seconds_for(pace, 20, 0.0) < 60.0


def submits(pace: PostPace, allowed: float, until: float) -> tuple[int, int]:
    """POST as often as the pace allows at a server that takes `allowed` a second; return those taken and refused."""
    now, tokens, taken, refused = 0.0, 3.0, 0, 0
    while now < until:
        wait = max(pace.left(now), 0.001)
        now, tokens = now + wait, min(3.0, tokens + wait * allowed)
        pace.take(now)
        if tokens >= 1:
            tokens, taken = tokens - 1, taken + 1
            pace.accepted()
        else:
            refused += 1
            pace.refused(now, suspected=True)
    return taken, refused


@pytest.mark.parametrize("allowed", [0.7, 1.0, 2.0, 3.3])
def test_the_pace_that_the_server_allows_is_found(allowed: float) -> None:
    taken, refused = submits(PostPace(4.0), allowed, 1000.0)
    assert taken > 0.85 * allowed * 1000.0
    assert refused < 0.03 * taken


def test_a_pace_that_is_never_refused_stays_the_user_s() -> None:
    pace = PostPace(4.0)
    taken, refused = submits(pace, 5.0, 100.0)
    assert (round(taken, -1), refused) == (400, 0)
    assert pace.per_second == 4.0


def play(pace: PostPace, runs: list[int], *, suspected: bool = True, now: float = 0.0) -> tuple[float, float]:
    """Take so many POSTs before each refusal; return the pace after it, and the time."""
    for run in runs:
        for _ in range(run):
            now += pace.left(now)
            pace.take(now)
            pace.accepted()
        pace.refused(now, suspected=suspected)
    return pace.per_second, now


@pytest.mark.parametrize(
    ("runs", "pace"),
    [
        ([10], 4.0),  # One refusal is no spacing.
        ([10, 30], 4.0),
        ([10, 30, 30], 4.0),  # Refusals so rare cost less than a lower pace.
        ([10, 8, 8], 3.75),  # 16 POSTs in four seconds prove so much.
        ([10, 8, 0, 0], 4.0),  # Refusals in a row say nothing of spacing.
        ([10, 8, 8, 8], 4.0),  # As soon again at what was proved: the rate was not the reason.
        ([10, 8, 8, 39], 3.75),  # Much later than before: it may have been.
    ],
)
def test_the_pace_after_runs_of_acceptances_each_ended_by_a_refusal(runs: list[int], pace: float) -> None:
    assert play(PostPace(4.0), runs)[0] == pytest.approx(pace)


def test_refusals_that_a_cap_explains_leave_the_pace() -> None:
    assert play(PostPace(4.0), [5] * 10, suspected=False)[0] == 4.0


def test_the_pace_falls_by_half_at_most_to_what_is_proved() -> None:
    """Ten POSTs in ten seconds between refusals prove 0.9 a second."""
    pace = PostPace(8.0)
    seen = []
    now = 0.0
    for _ in range(6):
        pace.refused(now, suspected=True)
        seen.append(pace.per_second)
        for _ in range(10):
            now += 1.0
            pace.accepted()
    assert seen[2:5] == pytest.approx([4.0, 2.0, 1.0])


def test_a_pace_that_was_proved_and_cleared_is_not_suspected_again_at_once() -> None:
    pace = PostPace(4.0)
    _, now = play(pace, [10, 8, 8, 8])
    assert play(pace, [2, 2, 2, 2], now=now)[0] == 4.0
    assert play(pace, [2, 2, 2], now=now + 100.0)[0] < 4.0


def test_after_chance_refusals_the_user_s_pace_comes_back_and_is_not_passed() -> None:
    pace = PostPace(4.0)
    _, now = play(pace, [10, 8, 8])
    assert pace.per_second < 4.0
    for _ in range(2000):
        now += 1.0
        pace.accepted()
        pace.left(now)
    assert pace.per_second == 4.0
