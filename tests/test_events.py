"""Events keep what they say on the way to a line and back, and refuse what they cannot understand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen import events
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import File

TIME = "2026-01-02T03:04:05.678Z"
texts = st.text(max_size=12)
integers = st.integers(-(2**70), 2**70)
money = st.decimals(0, 10_000, places=6).map(lambda value: value.normalize() + 0)
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, json_values, max_size=3)
errors = st.builds(
    ErrorInfo, texts, st.sampled_from(Stage), texts, st.none() | integers, st.none() | st.integers(100, 599)
)
output_files = st.builds(
    File, texts, st.integers(0, 2**40), texts, texts, st.none() | st.integers(1, 9999), st.none() | st.integers(1, 9999)
)

VALUES: Mapping[str, st.SearchStrategy[object]] = {
    "time": st.just(TIME),
    "counts": st.dictionaries(texts, integers, max_size=3),
    "settings": objects,
    "tags": objects,
    "timing": objects,
    "error": errors,
    "files": st.lists(output_files, max_size=3).map(tuple),
    "unlisted": st.lists(texts, max_size=3).map(tuple),
    "delay": st.floats(0, 1e6),
    "cost_usd": money,
    "cost_estimate_usd": money,
    **dict.fromkeys(("attempt", "index", "repeat", "seed", "pid", "exit_code"), integers),
}


def events_of(kind: type[events.Event]) -> st.SearchStrategy[events.Event]:
    """Every value of one event type, with and without its optional fields."""
    given_values = {one.name: VALUES.get(one.name, texts) for one in fields(kind)}
    optional = [one.name for one in fields(kind) if one.default is None]
    return st.builds(kind, **{k: st.none() | v if k in optional else v for k, v in given_values.items()})


every_event = st.one_of(*map(events_of, events.EVENTS.values()))


@pytest.mark.parametrize("kind", events.EVENTS.values(), ids=lambda kind: str(kind.word))
def test_every_event_type_comes_back_as_it_was(kind: type[events.Event]) -> None:
    @given(events_of(kind))
    def holds(event: events.Event) -> None:
        assert events.from_record(events.to_record(event)) == event

    holds()


@given(every_event)
def test_unknown_fields_are_skipped(event: events.Event) -> None:
    record = {**events.to_record(event), "from_the_future": {"a": [1]}}
    assert events.from_record(record) == event


def test_unknown_words_are_nothing() -> None:
    assert events.from_record({"v": 1, "event": "teleported", "time": TIME}) is None


def example(kind: type[events.Event]) -> dict[str, object]:
    """A complete record of `kind`, every field there."""
    values: dict[str, object] = {
        "counts": {"new": 1},
        "settings": {"a": 1},
        "tags": {"b": "c"},
        "timing": {"run_s": 1.5},
        "error": {"kind": "k", "stage": "run", "message": "m", "code": 4, "http_status": 500},
        "files": [{"path": "p", "bytes": 1, "sha256": "s", "format": "png", "width": 1, "height": 2}],
        "unlisted": ["j"],
        "delay": 1.5,
        "cost_usd": 0.08,
        "cost_estimate_usd": 0.08,
        **dict.fromkeys(("attempt", "index", "repeat", "seed", "pid", "exit_code"), 1),
    }
    return {"v": 1, "event": kind.word} | {one.name: values.get(one.name, "text") for one in fields(kind)}


EVERY_FIELD = [(kind, one.name) for kind in events.EVENTS.values() for one in fields(kind)]
REQUIRED = [
    (kind, one.name)
    for kind in events.EVENTS.values()
    for one in fields(kind)
    if one.default is MISSING and one.default_factory is MISSING
]


@pytest.mark.parametrize(("kind", "name"), EVERY_FIELD)
def test_a_field_of_another_type_is_an_event_error_that_names_it(kind: type[events.Event], name: str) -> None:
    assert events.from_record(example(kind)) is not None
    scalar = 1 if isinstance(example(kind)[name], str) else "1"
    wrongs: list[object] = [True, scalar, [[]], {"x": []}]
    for wrong in wrongs:
        if name in ("settings", "tags", "timing") and isinstance(wrong, dict):
            continue
        with pytest.raises(events.EventError, match=name):
            events.from_record({**example(kind), name: wrong})


@pytest.mark.parametrize(("kind", "name"), REQUIRED)
def test_a_missing_or_null_field_is_an_event_error_that_names_it(kind: type[events.Event], name: str) -> None:
    without = {key: value for key, value in example(kind).items() if key != name}
    for record in (without, {**without, name: None}):
        with pytest.raises(events.EventError, match=name):
            events.from_record(record)


@pytest.mark.parametrize(
    "error",
    [
        {},
        {"kind": "k", "stage": "run"},
        {"kind": "k", "stage": "nowhere", "message": "m"},
        {"kind": "k", "stage": [], "message": "m"},
        {"kind": "k", "stage": "run", "message": "m", "code": "1"},
        {"kind": "k", "stage": "run", "message": "m", "http_status": 1.5},
    ],
)
def test_an_error_that_is_not_one_is_an_event_error(error: object) -> None:
    with pytest.raises(events.EventError, match="error"):
        events.from_record({**example(events.Failed), "error": error})


def test_a_record_without_a_word_is_an_event_error() -> None:
    for record in ({"v": 1}, {"event": 5}):
        with pytest.raises(events.EventError, match="event"):
            events.from_record(record)


def test_fields_that_are_none_are_left_out() -> None:
    failed = events.Failed(time=TIME, job="j", attempt=1, error=ErrorInfo("k", Stage.RUN, "m"))
    assert events.to_record(failed) == {
        "v": 1,
        "event": "failed",
        "time": TIME,
        "job": "j",
        "attempt": 1,
        "error": {"kind": "k", "stage": "run", "message": "m"},
    }


@pytest.mark.parametrize("digits", ["0.1", "0.08", "1234.567891", "0", "3"])
def test_money_keeps_its_decimal_digits(digits: str) -> None:
    lost = events.RunFinished(time=TIME, counts={}, exit_code=0, reason="", cost_usd=Decimal(digits))
    back = events.from_record(events.to_record(lost))
    assert isinstance(back, events.RunFinished)
    assert back.cost_usd == Decimal(digits)


def test_a_submitting_event_rebuilds_its_job() -> None:
    line = events.from_record({**example(events.Submitting), "prompt": "a fox", "seed": 7, "settings": {"n": 1}})
    assert isinstance(line, events.Submitting)
    assert line.as_job().input == {"prompt": "a fox", "seed": 7, "n": 1}
    assert (line.as_job().id, line.as_job().tags) == ("text", {"b": "c"})


@given(st.floats(0, 4e9))
def test_time_comes_back_to_the_millisecond(seconds: float) -> None:
    assert events.seconds_of(events.stamp(seconds)) == pytest.approx(seconds, abs=0.0011)


def test_time_is_rfc_3339_in_utc() -> None:
    assert events.stamp(0) == "1970-01-01T00:00:00.000Z"
    assert events.seconds_of("1970-01-01T01:00:00+01:00") == 0
    assert events.seconds_of("1970-01-01T00:00:00") == 0
    assert events.seconds_of("yesterday") is None
    for beyond in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
        assert events.seconds_of(beyond) is None, "no calendar in UTC can show it"
    for end in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert events.stamp(events.seconds_of(end) or 0.0)[:19] == end[:19]
