"""What changed between two schemas of one model, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.catalog.check import enum_of
from batchgen.catalog.schema import Json, ModelSpec, Property
from batchgen.catalog.words import listed, shown

_ONLY_WORDS = frozenset({"title", "description", "examples"})


def changes(before: ModelSpec, after: ModelSpec) -> list[str]:
    """Return each difference that matters to jobs or prices, inputs in the order of their names."""
    return [change for name in sorted({*before.properties, *after.properties}) for change in _of(name, before, after)]


def _of(name: str, before: ModelSpec, after: ModelSpec) -> Iterator[str]:
    if name not in before.properties:
        yield f"{name} is new" + (" and required" if name in after.required else "")
        return
    if name not in after.properties:
        yield f"{name} is gone"
        return
    if (name in after.required) != (name in before.required):
        yield f"{name} is now {'required' if name in after.required else 'optional'}"
    yield from _of_property(name, before.properties[name], after.properties[name])


def _of_property(name: str, before: Property, after: Property) -> Iterator[str]:
    for word in sorted({*before, *after} - _ONLY_WORDS):
        old, new = before.get(word), after.get(word)
        if old == new and isinstance(old, bool) == isinstance(new, bool):
            continue
        if word == "enum":
            yield from _of_enum(name, enum_of(before), enum_of(after))
        else:
            yield f"{name}: {word} was {_value(old)}, is {_value(new)}"


def _of_enum(name: str, before: list[Json], after: list[Json]) -> Iterator[str]:
    if not before or not after:
        yield f"{name} now takes {listed(after) if after else 'any value of its type'}"
        return
    more = [option for option in after if option not in before]
    less = [option for option in before if option not in after]
    if more:
        yield f"{name} also takes {listed(more)}"
    if less:
        yield f"{name} no longer takes {listed(less)}"


def _value(value: Json) -> str:
    return "not said" if value is None else shown(value)
