"""Words for numbers, times, money and foreign text."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.report import money, text


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0.00"),
        ("0.08", "$0.08"),
        ("0.080", "$0.08"),
        ("12.4", "$12.40"),
        ("0.015", "$0.015"),
        ("100", "$100.00"),
        ("1E+3", "$1000.00"),
        ("1E+30", "$1" + "0" * 30 + ".00"),
        ("0.0000004", "$0.00"),
        ("0.0000006", "$0.000001"),
        ("-0.05", "-$0.05"),
    ],
)
def test_dollars_have_cents_at_least_and_are_never_scientific(amount: str, shown: str) -> None:
    assert money.dollars(Decimal(amount)) == shown


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6))
def test_dollars_keep_the_amount(amount: Decimal) -> None:
    shown = money.dollars(amount)
    assert re.fullmatch(r"-?\$\d+\.\d{2,6}", shown)
    assert Decimal(shown.replace("$", "")) == amount


@pytest.mark.parametrize(("amount", "shown"), [("3", 3), ("3.00", 3), ("0.08", 0.08), ("0", 0), ("0.30", 0.3)])
def test_money_is_a_plain_json_number(amount: str, shown: float) -> None:
    assert money.number(Decimal(amount)) == shown
    assert type(money.number(Decimal(amount))) is type(shown)


@pytest.mark.parametrize(
    ("total", "estimated", "unpriced", "shown"),
    [
        ("9.60", "0", 0, "$9.60"),
        ("9.60", "9.60", 0, "$9.60 (estimated)"),
        ("9.60", "0.40", 0, "$9.60, of which $0.40 is estimated"),
        ("9.60", "0", 1, "$9.60; 1 request without a known price not counted"),
        ("0", "0", 3, "unknown (3 requests without a known price)"),
        ("0", "0", 0, "$0.00"),
    ],
)
def test_a_cost_says_how_sure_it_is(total: str, estimated: str, unpriced: int, shown: str) -> None:
    assert money.cost_words(Decimal(total), Decimal(estimated), unpriced) == shown


@pytest.mark.parametrize(
    ("seconds", "shown", "rough"),
    [
        (-5, "0 s", "1 s"),
        (0.2, "0 s", "1 s"),
        (12.4, "12 s", "12 s"),
        (59.6, "1 min 00 s", "1 min 00 s"),
        (65, "1 min 05 s", "1 min"),
        (3599, "59 min 59 s", "1 h 00 min"),
        (3720, "1 h 02 min", "1 h 02 min"),
        (273_600, "3 d 04 h", "3 d 04 h"),
        (float("inf"), "an unknown time", "an unknown time"),
    ],
)
def test_durations_are_words(seconds: float, shown: str, rough: str) -> None:
    assert text.duration(seconds) == shown
    assert text.rough_duration(seconds) == rough


def test_a_moment_is_utc_and_a_strange_one_is_shown_safely() -> None:
    assert text.moment("2025-11-22T03:12:04.123Z") == "2025-11-22 03:12:04"
    assert text.moment("2025-11-22T05:12:04+02:00") == "2025-11-22 03:12:04"
    assert text.moment("yester\x1bday") == "yester\ufffdday"
    assert text.moment("") == "unknown time"


def test_nouns_follow_their_number() -> None:
    assert [text.counted(number, "job") for number in (0, 1, 3)] == ["0 jobs", "1 job", "3 jobs"]
    assert text.counted(2, "entry", "entries") == "2 entries"
    assert text.more(0, "job") == []
    assert text.more(1, "job") == ["  ... and 1 more job"]
    assert text.more(2, "job") == ["  ... and 2 more jobs"]


@pytest.mark.parametrize(
    ("foreign", "width", "shown"),
    [
        ("a red fox", 20, "a red fox"),
        ("a red fox", 9, "a red fox"),
        ("a red fox", 6, "a red…"),
        ("two\nlines\tand  more", 40, "two lines and more"),
        ("赤い狐と雪", 10, "赤い狐と雪"),
        ("赤い狐と雪", 9, "赤い狐と…"),
        ("esc \x1b[31mred", 40, "esc \ufffd[31mred"),
        ("right\u202eleft", 40, "right\ufffdleft"),
        ("lone \ud800", 40, "lone \ufffd"),
    ],
)
def test_foreign_text_is_safe_and_cut_by_columns(foreign: str, width: int, shown: str) -> None:
    assert text.shorten(foreign, width) == shown
    assert text.quoted(foreign, width + 2) == f'"{shown}"'


@given(st.text(), st.integers(2, 60))
def test_shortened_text_is_one_safe_line_of_bounded_width(foreign: str, width: int) -> None:
    shown = text.shorten(foreign, width)
    assert shown.isprintable()
    assert text.columns(shown) <= width


def test_marks_without_width_do_not_make_a_text_endless() -> None:
    assert len(text.shorten("e" + "\u0301" * 10_000, 20)) <= 80
