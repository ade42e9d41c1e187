"""Identity: the ids that ledgers of every version are keyed by."""

from __future__ import annotations

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.job import Json, canonical, job_id, make_job

MODEL = "google/nano-banana-2/text-to-image"

GOLDEN: list[tuple[str, dict[str, Json], int, str]] = [
    (MODEL, {"prompt": "a red fox in fresh snow"}, 1, "115cc2155c742bb62be381b071533711"),
    (
        MODEL,
        {"seed": 7, "prompt": "ein Fuchs im Schnee, żółć 狐", "num_images": 2, "aspect_ratio": "16:9"},
        2,
        "25539a0dde6ba9fd2e7ac6baa3a1aab9",
    ),
    ("a/b", {"prompt": "x", "guidance": 0.1, "tiny": 1e-7}, 1, "d3e7f4b1e79a4f939b5c1db610fc70e9"),
]

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('aż狐"\\\n{}'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(("model", "job_input", "repeat", "expected"), GOLDEN)
def test_golden_ids_never_change(model: str, job_input: dict[str, Json], repeat: int, expected: str) -> None:
    assert job_id(model, job_input, repeat) == expected


def test_canonical_json_is_sorted_compact_and_unescaped() -> None:
    assert canonical({"b": [1, 1.0, True, None], "a": "ż\n"}) == '{"a":"ż\\n","b":[1,1.0,true,null]}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", {"a": [-math.inf]}])
def test_what_has_no_json_has_no_identity(value: object) -> None:
    with pytest.raises(ValueError):
        canonical(value)


def test_index_and_tags_are_not_in_the_identity() -> None:
    first = make_job(1, MODEL, {"prompt": "x"}, tags={"set": "a"})
    other = make_job(9, MODEL, {"prompt": "x"})

    assert first.id == other.id


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5))
def test_the_order_of_inputs_does_not_matter(job_input: dict[str, Json]) -> None:
    turned = dict(reversed(job_input.items()))

    assert job_id(MODEL, job_input, 1) == job_id(MODEL, turned, 1)


def test_an_integer_and_a_float_are_different_inputs() -> None:
    assert job_id(MODEL, {"scale": 1}, 1) != job_id(MODEL, {"scale": 1.0}, 1)


def test_the_id_is_the_front_of_a_sha256() -> None:
    content = b'{"input":{},"model":"m","repeat":1}'

    assert hashlib.sha256(content).hexdigest()[:32] == job_id("m", {}, 1)


def test_prompt_seed_and_settings_are_read_from_the_input() -> None:
    job = make_job(1, MODEL, {"prompt": "x", "seed": 4, "resolution": "2K"})

    assert (job.prompt, job.seed, job.settings) == ("x", 4, {"resolution": "2K"})
