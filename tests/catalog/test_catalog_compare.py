"""What changed between two schemas of a model, as sentences."""

from __future__ import annotations

import pytest

from batchgen.catalog.compare import changes
from batchgen.catalog.schema import Json, ModelSpec, build


def spec(required: tuple[str, ...] = (), **properties: Json) -> ModelSpec:
    """Return the spec of a model with these inputs besides its prompt."""
    return build("a/b", {"properties": {"prompt": {"type": "string"}, **properties}, "required": ["prompt", *required]})


SIZE: dict[str, Json] = {"type": "string", "enum": ["S", "M"], "default": "S"}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (spec(size=SIZE), spec(size=SIZE), []),
        (spec(), spec(size=SIZE), ["size is new"]),
        (spec(), spec(("size",), size=SIZE), ["size is new and required"]),
        (spec(size=SIZE), spec(), ["size is gone"]),
        (spec(size=SIZE), spec(("size",), size=SIZE), ["size is now required"]),
        (spec(("size",), size=SIZE), spec(size=SIZE), ["size is now optional"]),
        (spec(size=SIZE), spec(size={**SIZE, "enum": ["S", "M", "L"]}), ["size also takes L"]),
        (spec(size=SIZE), spec(size={**SIZE, "enum": ["S"]}), ["size no longer takes M"]),
        (
            spec(size=SIZE),
            spec(size={"type": "string"}),
            ['size: default was "S", is not said', "size now takes any value of its type"],
        ),
        (spec(size=SIZE), spec(size={**SIZE, "default": "M"}), ['size: default was "S", is "M"']),
        (spec(n={"type": "integer"}), spec(n={"type": "integer", "maximum": 4}), ["n: maximum was not said, is 4"]),
        (
            spec(on={"type": "integer", "default": 1}),
            spec(on={"type": "boolean", "default": True}),
            ["on: default was 1, is true", 'on: type was "integer", is "boolean"'],
        ),
        (spec(size=SIZE), spec(size={**SIZE, "title": "Size", "description": "How large."}), []),
    ],
)
def test_changes_that_matter_are_told_and_words_are_not(before: ModelSpec, after: ModelSpec, told: list[str]) -> None:
    assert changes(before, after) == told
