"""Values against a model's schema, and text cells typed by it."""

from __future__ import annotations

import math

import pytest

from batchgen.catalog.cells import read_cell
from batchgen.catalog.check import check_complete, check_key, check_value
from batchgen.catalog.schema import Json, ModelSpec, build, bundled


def known(model: str) -> ModelSpec:
    spec = bundled(model)
    assert spec is not None
    return spec


spec = known("google/nano-banana-2/text-to-image")
edit = known("google/nano-banana-2/edit")

LOOSE = build(
    "a/b",
    {
        "properties": {
            "guidance": {"type": "float", "minimum": 0, "maximum": 20},
            "seed": {"type": "integer", "minimum": -1},
            "ids": {"type": "array", "items": {"type": "integer"}},
            "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "extra": {"type": "object"},
            "prompt": {"type": "string", "maxLength": 5},
        }
    },
)


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        (spec, "num_images", 4),
        (spec, "aspect_ratio", "16:9"),
        (spec, "seed", 0),
        (spec, "seed", 2**31 - 1),
        (spec, "limit_generations", False),
        (edit, "image_urls", ["https://example.com/a.png"]),
        (LOOSE, "guidance", 7),
        (LOOSE, "guidance", 7.5),
        (LOOSE, "seed", -1),
    ],
)
def test_good_values_pass(model: ModelSpec, key: str, value: Json) -> None:
    assert check_value(model, key, value) is None


@pytest.mark.parametrize(
    ("model", "key", "value", "expected"),
    [
        (spec, "num_images", True, "must be a whole number, not true or false"),
        (spec, "num_images", 4.0, "write 4"),
        (spec, "num_images", "4", "write 4 without quotes"),
        (spec, "num_images", 5, "from 1 to 4"),
        (spec, "num_images", None, "not null"),
        (spec, "safety_tolerance", "3", "write 3, a whole number"),
        (spec, "safety_tolerance", 9, "one of 1, 2, 3, 4, 5, 6"),
        (spec, "aspect_ratio", 969, "969 is what YAML 1.1 makes of 16:9; write it as is here or quote it"),
        (spec, "aspect_ratio", "16x9", 'did you mean "16:9"?'),
        (spec, "resolution", "8K", "one of 0.5K, 1K, 2K, 4K"),
        (spec, "limit_generations", "true", "write true without quotes"),
        (spec, "enable_web_search", 1, "it must be true or false"),
        (spec, "prompt", 5, "put it in quotes"),
        (spec, "prompt", "\ud800", "surrogate"),
        (spec, "seed", -1, "a random seed could not be logged"),
        (spec, "seed", "random", "a random seed could not be logged"),
        (spec, "seed", 2**64, "64 bits"),
        (edit, "image_urls", "https://example.com/a.png", "write ["),
        (edit, "image_urls", [], "a list of 1 or more"),
        (LOOSE, "guidance", 20.5, "from 0 to 20"),
        (LOOSE, "guidance", math.nan, "finite"),
        (LOOSE, "seed", -2, "a random seed"),
        (LOOSE, "prompt", "longer", "at most 5 characters"),
    ],
)
def test_bad_values_are_explained(model: ModelSpec, key: str, value: Json, expected: str) -> None:
    finding = check_value(model, key, value)

    assert finding is not None
    assert finding.fatal
    assert expected in str(finding)


def test_a_seed_wider_than_31_bits_is_only_a_warning() -> None:
    finding = check_value(spec, "seed", 2**31)

    assert finding is not None
    assert not finding.fatal


def test_an_unknown_input_gets_a_did_you_mean() -> None:
    assert check_key(spec, "resolution") is None
    assert 'did you mean "aspect_ratio"?' in str(check_key(spec, "aspect ratio"))
    assert "its inputs are prompt" in str(check_key(spec, "zzz"))


def test_missing_required_inputs_are_named() -> None:
    assert check_complete(edit, {"prompt"}) == ["image_urls"]
    assert check_complete(edit, {"prompt", "image_urls"}) == []


@pytest.mark.parametrize(
    ("model", "key", "text", "value"),
    [
        (spec, "num_images", "4", 4),
        (spec, "num_images", " 4.0 ", 4),
        (spec, "aspect_ratio", "1:1", "1:1"),
        (spec, "resolution", "1K", "1K"),
        (spec, "limit_generations", "True", True),
        (spec, "enable_web_search", "false", False),
        (spec, "safety_tolerance", "6", 6),
        (spec, "prompt", " as it is ", " as it is "),
        (edit, "image_urls", "https://example.com/a,b.png", ["https://example.com/a,b.png"]),
        (
            edit,
            "image_urls",
            '["https://a.example/1", "https://a.example/2"]',
            ["https://a.example/1", "https://a.example/2"],
        ),
        (LOOSE, "guidance", "7", 7),
        (LOOSE, "guidance", "7.50", 7.5),
        (LOOSE, "ids", "[1, 2]", [1, 2]),
        (LOOSE, "either", "12", 12),
        (LOOSE, "either", "x", "x"),
        (LOOSE, "extra", '{"a": 1}', {"a": 1}),
    ],
)
def test_cells_are_typed_by_the_schema(model: ModelSpec, key: str, text: str, value: Json) -> None:
    read = read_cell(model, key, text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("model", "key", "text"),
    [
        (spec, "num_images", "four"),
        (spec, "num_images", "1e3"),
        (spec, "limit_generations", "yes"),
        (LOOSE, "guidance", "nan"),
        (LOOSE, "ids", "[1"),
        (LOOSE, "extra", "[]"),
    ],
)
def test_cells_of_no_such_type_are_refused(model: ModelSpec, key: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{key} cannot be"):
        read_cell(model, key, text)
