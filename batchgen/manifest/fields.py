"""Single values of a manifest, read by the table of keys: names, types and ranges; every mistake goes to Problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from batchgen.catalog.words import closest, did_you_mean, listed, shown
from batchgen.job import Json
from batchgen.manifest import durations, keys
from batchgen.manifest.keys import Key, Kind
from batchgen.manifest.problems import Problems
from batchgen.manifest.yamltext import Node

_SURELY = 0.8

Value = str | int | float | bool | Decimal


def mapping(node: Node, what: str, problems: Problems) -> dict[str, Node]:
    """Return a mapping's nodes by key, nothing (and a problem) where the node is no mapping."""
    if isinstance(node.value, dict):
        return node.value
    problems.add(node.place, f"{what} must be a mapping", "write key: value lines under it")
    return {}


def known(node: Node, path: str, problems: Problems) -> dict[str, Node]:
    """Return the nodes of the keys that the manifest has under `path`; unknown ones are problems.

    What is surely misspelt is read as what was meant, so that it hides no mistake inside and does not count as missing.
    """
    allowed = keys.children(path)
    found = mapping(node, path or "a manifest", problems)
    read = {key: child for key, child in found.items() if key in allowed}
    for key, child in found.items():
        if key not in allowed:
            where = f" in {path.replace('[]', '')}" if path else ""
            hint = did_you_mean(key, allowed) or f"the keys here are {listed(allowed)}"
            problems.add(child.key_place, f'unknown key "{key}"{where}', hint)
            if meant := closest(key, allowed, _SURELY):
                read.setdefault(meant, child)
    return read


def items(node: Node, what: str, problems: Problems, *, hint: str = "") -> list[Node]:
    """Return a list's nodes, nothing (and a problem) where the node is no list or an empty one."""
    if not isinstance(node.value, list):
        example = hint or (
            f"write [{shown(node.value)}]" if not isinstance(node.value, dict) else "write - before each"
        )
        problems.add(node.place, f"{what} must be a list", example)
        return []
    if not node.value:
        problems.add(node.place, f"{what} is empty", "write a value, or remove the key")
    return node.value


def text(node: Node, what: str, problems: Problems) -> str | None:
    """Return a text that is not blank."""
    if not isinstance(node.value, str):
        hint = f'write "{shown(node.value)}" in quotes if it is text' if not _is_container(node) else ""
        problems.add(node.place, f"{what} must be text", hint)
        return None
    if not node.value.strip():
        problems.add(node.place, f"{what} is empty", "write a text, or remove it")
        return None
    return node.value


def value(node: Node, key: Key, problems: Problems) -> Value | None:
    """Return the value of one key of the table in its unit, None (and a problem) where it does not fit."""
    try:
        return _READERS[key.kind](key, [] if isinstance(node.value, list | dict) else node.value)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        problems.add(node.place, f"{key.path.replace('[]', '')} {message}", hint)
        return None


def values(section: Node | None, path: str, problems: Problems) -> Mapping[str, Value]:
    """Return the scalar values of a section, the defaults of the table where it does not say."""
    scalars = {name: key for name, key in keys.children(path).items() if key.kind in _READERS}
    found: dict[str, Value] = {}
    for name, key in scalars.items():
        if key.default is not None:
            found[name] = _READERS[key.kind](key, key.default)
    for name, node in (known(section, path, problems) if section else {}).items():
        got = value(node, scalars[name], problems) if name in scalars else None
        if got is not None:
            found[name] = got
    return found


def integer(said: Mapping[str, Value], name: str) -> int | None:
    """Return a whole number among read values, None where it was not said or not sound."""
    found = said.get(name)
    return found if isinstance(found, int) else None


def number(said: Mapping[str, Value], name: str) -> float | None:
    """Return a number among read values, None where it was not said or not sound."""
    found = said.get(name)
    return float(found) if isinstance(found, int | float) else None


def usd(said: Mapping[str, Value], name: str) -> Decimal | None:
    """Return an amount among read values, None where it was not said or not sound."""
    found = said.get(name)
    return found if isinstance(found, Decimal) else None


def _is_container(node: Node) -> bool:
    return isinstance(node.value, list | dict)


def _text(key: Key, raw: Json) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"must be text; put {shown(raw)} in quotes" if raw != [] else "must be text")
    if not raw.strip():
        raise ValueError("is empty; write a text, or remove the key")
    if key.choices and raw not in key.choices:
        raise ValueError(
            f"cannot be {shown(raw)}; one of {listed(key.choices)} {did_you_mean(raw, key.choices)}".strip()
        )
    return raw


def _integer(key: Key, raw: Json) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise ValueError(f"must be a whole number, not {_shown(raw)}; {_range(key)}")
    _check_range(key, raw)
    return raw


def _places(key: Key, raw: Json) -> int | str:
    if raw == keys.AUTO:
        return keys.AUTO
    if isinstance(raw, str):
        raise ValueError(f"cannot be {shown(raw)}; {_range(key)}, or {keys.AUTO}")
    return _integer(key, raw)


def _number(key: Key, raw: Json) -> float:
    if not isinstance(raw, int | float) or isinstance(raw, bool):
        raise ValueError(f"must be a number, not {_shown(raw)}; {_range(key)}")
    _check_range(key, raw)
    return float(raw)


def _usd(key: Key, raw: Json) -> Decimal:
    if not isinstance(raw, int | float) or isinstance(raw, bool):
        raise ValueError(f"must be an amount in USD, not {_shown(raw)}; write a number such as 2.50")
    _check_range(key, raw)
    return Decimal(str(raw))


def _duration(_: Key, raw: Json) -> float:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ValueError(f"must be a duration, not {_shown(raw)}; {durations.HINT}")
    try:
        return durations.parse(str(raw))
    except ValueError as error:
        raise ValueError(f"cannot be {shown(raw)}: {error}; {durations.HINT}") from error


def _flag(_: Key, raw: Json) -> bool:
    if not isinstance(raw, bool):
        raise ValueError(f"must be true or false, not {_shown(raw)}; write true or false without quotes")
    return raw


def _check_range(key: Key, raw: float) -> None:
    low = key.minimum is not None and raw < key.minimum
    if low or (key.above is not None and raw <= key.above) or (key.maximum is not None and raw > key.maximum):
        raise ValueError(f"cannot be {shown(raw)}; {_range(key)}")


def _range(key: Key) -> str:
    low = f"{key.minimum} or more" if key.minimum is not None else f"more than {key.above}"
    if key.maximum is None:
        return f"write a number, {low}"
    if key.minimum is None:
        return f"write a number, {low} and at most {key.maximum}"
    return f"write a number from {key.minimum} to {key.maximum}"


def _shown(raw: Json) -> str:
    return "a list or mapping" if raw == [] else shown(raw)


_READERS: Mapping[Kind, Callable[[Key, Json], Value]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.PLACES: _places,
    Kind.NUMBER: _number,
    Kind.USD: _usd,
    Kind.DURATION: _duration,
    Kind.FLAG: _flag,
}
