"""The manifest's JSON Schema for editors, made from the table of keys.

Draft 7, which yaml-language-server reads best. It knows the manifest's own keys; the inputs of models are checked by
`batchgen plan`, which knows their schemas.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from batchgen.catalog.check import SEED_MAX
from batchgen.job import Json
from batchgen.manifest import keys
from batchgen.manifest.keys import Key, Kind

FILE_NAME = "manifest.schema.json"

Schema = dict[str, Json]

_TEXT: Schema = {"type": "string", "minLength": 1}
_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
_VALUES: Schema = {"type": "array", "minItems": 1}
_FACTOR: Schema = {"type": "number", "minimum": 0}
_ONE_OR_MORE: Schema = {"anyOf": [_SCALAR, {"type": "array", "minItems": 1}]}

_INSIDE: dict[str, Schema] = {
    "grid": _VALUES,
    "zip": _VALUES,
    "prompts[].vars": {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}},
    "prompts[].where": _ONE_OR_MORE,
    "pricing.times": {"type": "object", "additionalProperties": _FACTOR},
    "pricing.plus": _FACTOR,
}
"""What the values of free mappings must be, where not anything goes."""

_ONLY_WITH = {"text": ("vars",), "file": ("column", "where", "limit")}


def json_schema() -> Schema:
    """Return the schema."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "batchgen manifest",
        **_mapping(""),
    }


def shipped() -> Path:
    """Return where the schema stands in this installation."""
    return Path(str(resources.files("batchgen.manifest").joinpath(FILE_NAME)))


def text() -> str:
    """Return the schema as the file that ships."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _mapping(parent: str) -> Schema:
    """Return the schema of a mapping with the table's keys under `parent` and no others."""
    known = keys.children(parent)
    schema: Schema = {
        "type": "object",
        "properties": {name: _described(key) for name, key in known.items()},
        "additionalProperties": False,
    }
    required: list[Json] = [name for name, key in known.items() if key.required]
    return {**schema, "required": required} if required else schema


def _described(key: Key) -> Schema:
    schema: Schema = {"description": key.meaning, **_of(key)}
    return schema if key.default is None else {**schema, "default": key.default}


def _of(key: Key) -> Schema:
    """Return what a key's value must be."""
    match key.kind:
        case Kind.TEXT:
            return {"enum": list(key.choices)} if key.choices else _TEXT
        case Kind.INTEGER | Kind.NUMBER | Kind.USD:
            return _number(key)
        case Kind.PLACES:
            return {"anyOf": [_number(key), {"enum": [keys.AUTO]}]}
        case Kind.DURATION:
            return {"type": ["string", "number"], "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*[smhd]?\s*$"}
        case Kind.FLAG:
            return {"type": "boolean"}
        case Kind.MODELS:
            return {"anyOf": [_TEXT, _list({"anyOf": [_TEXT, _mapping("model[]")]})]}
        case Kind.SEEDS:
            return _seeds(key)
        case Kind.LIST:
            return _list(_prompt() if key.path == "prompts" else {"type": "object", "minProperties": 1})
        case Kind.MAPPING:
            return _mapping(key.path) if keys.children(key.path) else _free(key.path)


def _list(items: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": items}


def _free(path: str) -> Schema:
    """Return the schema of a mapping whose keys are names of inputs, tags, columns or variables."""
    inside = _INSIDE.get(path)
    return {"type": "object", "additionalProperties": inside} if inside else {"type": "object"}


def _number(key: Key) -> Schema:
    limits = {"minimum": key.minimum, "exclusiveMinimum": key.above, "maximum": key.maximum}
    kind = "number" if key.kind in (Kind.NUMBER, Kind.USD) else "integer"
    return {"type": kind, **{word: limit for word, limit in limits.items() if limit is not None}}


def _seeds(key: Key) -> Schema:
    count = keys.BY_PATH["seeds.count"]
    seed: Schema = {"type": "integer", "minimum": 0, "description": f"0 to {SEED_MAX} suits every model."}
    return {"anyOf": [_number(count), _list(seed), _mapping(key.path), {"const": "none"}]}


def _prompt() -> Schema:
    """Return the schema of one prompt: a text, an object with `text`, or a prompt file."""
    whole = _mapping("prompts[]")
    properties = whole["properties"]
    assert isinstance(properties, dict)
    forms: list[Json] = [_TEXT]
    for word, other in (("text", "file"), ("file", "text")):
        left_out = {other, *_ONLY_WITH[other]}
        own = {name: schema for name, schema in properties.items() if name not in left_out}
        forms.append({**whole, "properties": own, "required": [word]})
    return {"anyOf": forms}
