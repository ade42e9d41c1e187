"""Cells of text tables and `--set` values, typed by the model's schema.

A number may be written the way spreadsheets export it ("4.0" for 4). A list is a JSON array, or one bare item, such as
one URL. Text stays exactly as it is.
"""

from __future__ import annotations

import json
import re

from batchgen.catalog.check import enum_of, types_of
from batchgen.catalog.schema import Json, ModelSpec
from batchgen.catalog.words import shown

_INTEGER = re.compile(r"([-+]?[0-9]{1,40})(?:\.0+)?")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_EXPECTED = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a JSON array, or one item",
    "object": "a JSON object",
}


def read_cell(spec: ModelSpec, key: str, text: str) -> Json:
    """Return the value a cell means for an input; whether it is allowed is `check_value`'s business.

    Raises ValueError with a sentence where the text is nothing of the input's type.
    """
    schema = spec.properties.get(key, {})
    types = types_of(schema)
    if text in enum_of(schema):
        return text
    for kind in types:
        value = _read(kind, text)
        if value is not None:
            return value
    if not types or "string" in types:
        return text
    expected = " or ".join(_EXPECTED.get(kind, kind) for kind in types)
    raise ValueError(f"{key} cannot be {shown(text)}; it must be {expected}")


def _read(kind: str, text: str) -> Json:
    """Return the value, None where the text is not of that kind."""
    bare = text.strip()
    match kind:
        case "boolean":
            return {"true": True, "false": False}.get(bare.lower())
        case "integer":
            whole = _INTEGER.fullmatch(bare)
            return int(whole[1]) if whole else None
        case "number":
            return _number(bare)
        case "array":
            return _array(bare)
        case "object":
            value = _json(bare)
            return value if isinstance(value, dict) else None
    return None


def _number(bare: str) -> Json:
    whole = re.fullmatch(r"[-+]?[0-9]{1,40}", bare)
    if whole:
        return int(bare)
    return float(bare) if _NUMBER.fullmatch(bare) else None


def _array(bare: str) -> Json:
    if not bare.startswith("["):
        return [bare] if bare else None
    value = _json(bare)
    return value if isinstance(value, list) else None


def _json(bare: str) -> Json:
    try:
        value: Json = json.loads(bare)
    except (ValueError, RecursionError):
        return None
    return value
