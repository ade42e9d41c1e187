"""What refusals are evidence of."""

from __future__ import annotations

import pytest

from batchgen.engine.refusals import BELIEVED, CLEARED, RECENT_S, Noise, Peak, Suspect, unlikely

COMMON, RARE = 0.3, 0.001


def weighed(story: str, noise: float, number: int = 10) -> float:
    """Return the odds after refusals (r) at a number and acceptances at it (a) or one below (b)."""
    suspect = Suspect(number)
    for letter in story:
        if letter == "r":
            suspect.refused(number, 0)
        else:
            suspect.accepted(number - (letter == "b"))
    return suspect.odds(noise)


@pytest.mark.parametrize(
    ("story", "noise", "believed"),
    [
        ("", RARE, False),
        ("r", RARE, True),  # Where chance refusals are rare, two in a row are a cap's.
        ("bbr", RARE, True),  # What ends meanwhile and is filled up again says nothing.
        ("r", 0.05, False),
        ("rr", 0.05, True),
        ("rrr", COMMON, False),
        ("rrrr", COMMON, True),
        ("rraraaar", COMMON, False),
        ("ar", RARE, False),  # Taken in between: the row begins anew.
        ("arr", RARE, True),
    ],
)
def test_a_cap_is_believed_when_refusals_in_a_row_are_too_many_for_chance(
    story: str, noise: float, *, believed: bool
) -> None:
    assert (weighed(story, noise) >= BELIEVED) is believed


@pytest.mark.parametrize("number", [1, 3, 10, 50])
def test_a_number_is_cleared_by_going_far_enough_beyond_it(number: int) -> None:
    """Some of many have always ended unseen, so that a large number takes more."""
    suspect = Suspect(number)
    beyond = 0
    while suspect.odds(RARE) > CLEARED:
        suspect.accepted(number + beyond)
        beyond += 1
    assert 2 <= beyond <= 3 + number / 8


def test_a_number_far_below_one_taken_lately_takes_more_to_be_believed() -> None:
    suspect = Suspect(30, beyond=max(CLEARED, unlikely(30, 20)))
    suspect.refused(30, 20)
    assert suspect.odds(RARE) < BELIEVED
    suspect.refused(30, 20)
    assert suspect.odds(RARE) >= BELIEVED


def test_refusals_at_ever_fewer_are_those_of_a_lower_cap() -> None:
    suspect = Suspect(25)
    suspect.refused(23, 2)
    assert (suspect.number, suspect.episodes) == (23, 2)


@pytest.mark.parametrize(("number", "excess"), [(1, 0), (10, 0), (10, -5)])
def test_nothing_beyond_a_cap_needs_no_end_unseen(number: int, excess: int) -> None:
    assert unlikely(number, excess) == 0.0


def test_the_more_beyond_a_cap_the_less_likely_but_never_impossible() -> None:
    odds = [unlikely(10, excess) for excess in range(100)]
    assert odds == sorted(odds, reverse=True)
    assert odds[-1] > -10.0


def test_the_share_of_chance_refusals_is_learned_and_forgotten() -> None:
    noise = Noise()
    assert 0 < noise.share < 0.01
    for post in range(2000):
        noise.answered()
        if post % 10 == 0:
            noise.cleared(1)
    assert noise.share == pytest.approx(0.1, rel=0.1)
    for _ in range(3000):
        noise.answered()
    assert 0 < noise.share < 0.001


def test_a_peak_is_remembered_for_a_while() -> None:
    peak = Peak()
    peak.note(30, 100.0)
    peak.note(10, 101.0)
    assert peak.largest(100.0 + RECENT_S - 1) == 30
    peak.note(12, 100.0 + 2 * RECENT_S)
    assert peak.largest(100.0 + 4 * RECENT_S) < 30
