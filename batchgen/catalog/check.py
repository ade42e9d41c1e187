"""Whether a value suits a model's input, in one sentence for people.

JSON Schema alone would take 4.0 for an integer and explain little; the rules here are stricter where a wrong value
would change a job's identity, and say what would be right.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from batchgen.catalog.schema import Json, ModelSpec, Property
from batchgen.catalog.words import did_you_mean, listed, shown

SEED_MAX = 2**31 - 1
_WIDEST = (-(2**63), 2**64 - 1)
_MAX_DEPTH = 32
_RATIO = re.compile(r"([0-9]{1,2}):([0-9]{1,2})")
SENDABLE = "write whole numbers within 64 bits, finite numbers, whole characters, and at most 32 levels"
_NO_RANDOM_SEED = (
    f"a random seed could not be logged or made again; write a number from 0 to {SEED_MAX}, "
    "or leave it out and one is derived from the prompt"
)
_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a key or a value, and what would be right; only a warning unless `fatal`."""

    message: str
    hint: str = ""
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


def check_key(spec: ModelSpec, key: str) -> Finding | None:
    """Return a Finding unless the model has an input of that name."""
    if key in spec.properties:
        return None
    hint = did_you_mean(key, spec.properties) or f"its inputs are {listed(spec.properties)}"
    return Finding(f'{spec.id} has no input "{key}"', hint)


def check_complete(spec: ModelSpec, keys: Collection[str]) -> list[str]:
    """Return the required inputs that are not among `keys`."""
    return [name for name in spec.required if name not in keys]


def check_value(spec: ModelSpec, key: str, value: Json) -> Finding | None:
    """Return what is wrong with a value for an input of the model; unknown inputs are `check_key`'s business."""
    refusal = check_sendable(key, value)
    if refusal is not None:
        return refusal
    schema = spec.properties.get(key)
    if schema is None:
        return None
    validator = spec.validators.get(key)
    sound = validator is None or validator.is_valid(value)
    if key == "seed" and (not sound or _is_integer(value)):
        return _check_seed(schema, value, sound)
    if sound and not _is_float_for_integer(schema, value):
        return None
    return _explain(key, schema, value)


def check_sendable(key: str, value: Json) -> Finding | None:
    """Return a Finding for a value that no schema makes right: it has no exact JSON."""
    refusal = unsendable(value)
    return Finding(f"{key}: {refusal}", SENDABLE) if refusal is not None else None


def unsendable(value: Json, depth: int = 1) -> str | None:
    """Return why a value cannot be sent and logged as exact JSON, None where it can."""
    if depth > _MAX_DEPTH:
        return f"nested more than {_MAX_DEPTH} levels deep"
    match value:
        case bool() | None:
            return None
        case int():
            return None if _WIDEST[0] <= value <= _WIDEST[1] else "a whole number must fit in 64 bits"
        case float():
            return None if math.isfinite(value) else "a number must be finite"
        case str():
            return _lone_surrogate(value)
        case list():
            parts: list[Json] = value
        case dict():
            parts = [*value.keys(), *value.values()]
    return next((text for text in (unsendable(part, depth + 1) for part in parts) if text is not None), None)


def _lone_surrogate(text: str) -> str | None:
    if text.isascii():
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"half of a surrogate pair (U+{ord(text[error.start]):04X}) is not text"
    return None


def types_of(schema: Property) -> tuple[str, ...]:
    """Return the JSON types an input takes, by its `type`, its alternatives or its enum; empty if unsaid."""
    declared = schema.get("type")
    if isinstance(declared, str):
        return (declared,)
    if isinstance(declared, list):
        return tuple(word for word in declared if isinstance(word, str))
    for word in ("anyOf", "oneOf"):
        parts = schema.get(word)
        if isinstance(parts, list):
            return tuple(kind for part in parts if isinstance(part, dict) for kind in types_of(part))
    return tuple(dict.fromkeys(kind_of(option) for option in enum_of(schema)))


def enum_of(schema: Property) -> list[Json]:
    """Return the allowed values, empty where every value of the type is allowed."""
    options = schema.get("enum")
    return options if isinstance(options, list) else []


def kind_of(value: Json) -> str:
    """Return the JSON type of a value; a whole number is an integer."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _is_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float_for_integer(schema: Property, value: Json) -> bool:
    types = types_of(schema)
    return isinstance(value, float) and "integer" in types and "number" not in types


def _check_seed(schema: Property, value: Json, sound: bool) -> Finding | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return Finding(f"seed cannot be {shown(value)}", _NO_RANDOM_SEED)
    minimum = schema.get("minimum")
    allowed = sound and isinstance(minimum, int | float) and value >= minimum
    if value < 0 and not allowed:
        return Finding(f"seed cannot be {shown(value)}", _NO_RANDOM_SEED)
    if not sound:
        return _explain("seed", schema, value)
    if value > SEED_MAX:
        return Finding(
            f"seed {value} is wider than 31 bits", f"models may cut it; 0 to {SEED_MAX} is safe", fatal=False
        )
    return None


def _explain(key: str, schema: Property, value: Json) -> Finding:
    message = f"{key} cannot be {shown(value)}"
    options = enum_of(schema)
    if options:
        return Finding(message, _enum_hint(options, value))
    types = types_of(schema)
    if types and not _has_type(types, value):
        return Finding(message, _type_hint(schema, types, value))
    return Finding(message, _range_hint(schema))


def _enum_hint(options: list[Json], value: Json) -> str:
    trap = _sexagesimal(options, value)
    if trap:
        return trap
    same = next((option for option in options if str(option) == str(value).strip()), None)
    if same is not None and not isinstance(value, bool):
        return f"write {shown(same)}, {_KINDS[kind_of(same)]}"
    words = [option for option in options if isinstance(option, str)]
    near = did_you_mean(value, words) if isinstance(value, str) else ""
    return f"one of {listed(options)}" + (f"; {near}" if near else "")


def _sexagesimal(options: list[Json], value: Json) -> str:
    if not _is_integer(value):
        return ""
    for option in options:
        ratio = _RATIO.fullmatch(option) if isinstance(option, str) else None
        if ratio and int(ratio[1]) * 60 + int(ratio[2]) == value:
            return f"{value} is what YAML 1.1 makes of {option}; write it as is here or quote it"
    return ""


def _has_type(types: tuple[str, ...], value: Json) -> bool:
    kind = kind_of(value)
    return kind in types or (kind == "integer" and "number" in types)


def _type_hint(schema: Property, types: tuple[str, ...], value: Json) -> str:
    wanted = " or ".join(_KINDS.get(word, word) for word in types)
    hint = f"it must be {wanted}, not {_KINDS[kind_of(value)]}"
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return f"{hint}; write {int(value)}"
    if isinstance(value, str) and _reads_as(types, value):
        return f"{hint}; write {value.strip()} without quotes"
    if types == ("string",):
        return f"{hint}; put it in quotes"
    if types == ("array",):
        return f"{hint}; write [{shown(value)}]"
    limits = _range_hint(schema)
    return f"{hint}, {limits}" if "integer" in types or "number" in types else hint


def _reads_as(types: tuple[str, ...], text: str) -> bool:
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return not isinstance(value, str | list | dict) and _has_type(types, value)


def _range_hint(schema: Property) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"from {shown(low)} to {shown(high)}"
    for word, meaning in _BOUNDS.items():
        if word in schema:
            return meaning.format(shown(schema[word]))
    return "it does not fit the model's schema"


_BOUNDS = {
    "minimum": "{} or more",
    "maximum": "{} or less",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "pattern": "it must match the pattern {}",
    "minItems": "a list of {} or more",
    "maxItems": "a list of at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
}
