"""One event, one line: nothing a manifest may hold is lost or fails late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen import events
from batchgen.job import Json
from batchgen.ledger import lines

TIME = "2026-01-02T03:04:05.678Z"
values: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def submitting(prompt: str = "a fox", seed: int = 1, settings: dict[str, Json] | None = None) -> events.Submitting:
    return events.Submitting(
        time=TIME,
        job="0" * 32,
        attempt=1,
        index=1,
        name="n",
        model="m",
        prompt=prompt,
        settings=settings or {},
        tags={},
        repeat=1,
        seed=seed,
    )


@given(st.text(), st.integers(-(2**80), 2**80), st.dictionaries(st.text(), values, max_size=3))
def test_a_line_comes_back_as_it_was(prompt: str, seed: int, settings: dict[str, Json]) -> None:
    event = submitting(prompt, seed, settings)
    line = lines.encode(event)
    assert line.index(b"\n") == len(line) - 1
    assert events.from_record(lines.decode(line)) == event


@pytest.mark.parametrize("seed", [2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**40, 10**400])
def test_integers_of_any_width_keep_their_digits(seed: int) -> None:
    back = events.from_record(lines.decode(lines.encode(submitting(seed=seed, settings={"wide": [seed]}))))
    assert isinstance(back, events.Submitting)
    assert (back.seed, back.settings) == (seed, {"wide": [seed]})


@pytest.mark.parametrize(
    ("text", "kept"), [("a\ud800b", "a\ufffdb"), ("\udfff", "\ufffd"), ("\ud83d\ude00", "\U0001f600")]
)
def test_a_lone_surrogate_is_replaced_and_never_crashes(text: str, kept: str) -> None:
    back = events.from_record(lines.decode(lines.encode(submitting(text, settings={"wide": 2**70}))))
    assert isinstance(back, events.Submitting)
    assert back.prompt == kept


def test_text_is_written_unescaped() -> None:
    for settings in ({}, {"wide": 2**70}):
        assert '"prompt":"狐 🦊"'.encode() in lines.encode(submitting("狐 🦊", settings=dict(settings)))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"\0\0",
        b"7",
        b"[]",
        b"{",
        b"{}",
        b'{"v":1}',
        b'{"event":"lost"}',
        b'{"v":"1","event":"lost"}',
        b'{"v":true,"event":"lost"}',
        b'{"v":0,"event":"lost"}',
        b'{"v":1.0,"event":"lost"}',
        b'{"v":1,"event":5}',
        b'{"v":1,"event":"\xff"}',
        b'{"v":1,"event":"lost"}x',
        b'{"v":1,"event":"a","x":' + b"9" * 5000 + b"}",
        b'{"v":1,"event":"a","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"v":1,"event":"a","x":1e999}',
        b'{"v":1,"event":"a","x":NaN}',
    ],
)
def test_what_no_version_wrote_is_not_a_line(line: bytes) -> None:
    with pytest.raises(ValueError):
        lines.decode(line)
