"""Derived seeds: golden values are a contract between versions."""

from __future__ import annotations

import pytest

from batchgen.manifest import durations
from batchgen.manifest.seeds import NONE, Per, Seeds


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("a red fox in fresh snow", [1907240348, 801605815, 1047806176]),
        ("狐", [1836065200, 97612373]),
        ("", [513141846, 1965818230, 791254445]),
        (
            '{"input":{"aspect_ratio":"16:9","prompt":"a red fox in fresh snow"},'
            '"model":"google/nano-banana-2/text-to-image"}',
            [1303241375, 212918771],
        ),
    ],
)
def test_golden_seeds_never_change(scope: str, expected: list[int]) -> None:
    assert list(Seeds(len(expected)).of(scope.encode())) == expected


def test_a_repeated_value_takes_the_next_counter() -> None:
    """Counters 296 and 392 of this scope give the same value; the second is passed over."""
    values = list(Seeds(393).of(b"c8850"))

    assert values[296] == 409254159
    assert values.count(409254159) == 1
    assert len(set(values)) == 393


def test_more_seeds_keep_the_first_ones() -> None:
    assert list(Seeds(9).of(b"x"))[:3] == list(Seeds(3).of(b"x"))


def test_written_seeds_are_the_same_for_every_scope() -> None:
    seeds = Seeds(values=(7, 42))

    assert list(seeds.of(b"x")) == list(seeds.of(b"y")) == [7, 42]
    assert (seeds.size, Seeds(3, Per.JOB).size, NONE.size) == (2, 3, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1.5h", 5400), (" 2 m ", 120)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-5", "0", "5 minutes", "1e3", "nan", "9999d", "5M", "1h30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        durations.parse(text)
