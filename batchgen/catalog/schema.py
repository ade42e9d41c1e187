"""What a model accepts: `ModelSpec`, from the bundled schemas or from a live catalog object.

Live schemas come from outside and have quirks (type "float", samples as defaults, `required` naming inputs that do not
exist, `validations`); they are put right here, once, and what could not be used is told in `notes`.
"""

from __future__ import annotations

import hashlib
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import jsonschema_rs

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Property = Mapping[str, Json]

COUNT_FIELDS = ("num_images", "number_of_images", "num_outputs")
"""Inputs that ask for several outputs in one request, as far as they are known."""

_MAX_DEPTH = 32
_DEFINITIONS = ("$defs", "definitions")
_MEDIA = ("image_uri", "video_uri", "audio_uri")


class Validator(Protocol):
    """The part of a compiled JSON Schema that checking needs."""

    def is_valid(self, instance: object, /) -> bool:
        """Tell whether the instance satisfies the schema."""
        ...


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The inputs of one model.

    `properties` maps an input's name to its JSON Schema (draft 2020-12); `required` names inputs among them;
    `count_field` is the input that says how many outputs one request makes; `notes` tells what of a live schema could
    not be used; `digest` (SHA-256, hex) changes with anything that changes checking.
    """

    id: str
    properties: Mapping[str, Property]
    required: tuple[str, ...]
    count_field: str | None
    sources: tuple[str, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)
    digest: str = ""
    validators: Mapping[str, Validator] = field(default_factory=dict, compare=False, repr=False)

    @property
    def has_seed(self) -> bool:
        """Whether the model takes a seed."""
        return "seed" in self.properties

    def default(self, key: str) -> Json:
        """Return the documented default of an input, None where there is none."""
        return self.properties.get(key, {}).get("default")


def build(
    model_id: str, schema: Mapping[str, Json], count_field: str | None = None, sources: tuple[str, ...] = ()
) -> ModelSpec:
    """Return the ModelSpec of an input schema, its quirks put right.

    Raises ValueError where the schema names no inputs at all.
    """
    raw = schema.get("properties")
    if not isinstance(raw, dict) or not raw:
        raise ValueError(f"the schema of {model_id} names no inputs")
    shared = {word: schema[word] for word in _DEFINITIONS if word in schema}
    properties = {name: _property(name, value, shared) for name, value in raw.items() if isinstance(value, dict)}
    required, notes = _required(schema.get("required"), properties)
    validators: dict[str, Validator] = {}
    for name, value in properties.items():
        try:
            validators[name] = jsonschema_rs.Draft202012Validator(dict(value), retriever=_retrieve_nothing)
        except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            notes.append(f"the schema of input {name} cannot be read, its values go unchecked: {error}"[:500])
    counts = [count_field] if count_field else [name for name in COUNT_FIELDS if name in properties]
    count = counts[0] if counts else None
    digest = _digest(model_id, properties, required, count)
    return ModelSpec(model_id, properties, required, count, sources, tuple(notes), digest, validators)


def bundled(model_id: str) -> ModelSpec | None:
    """Return the spec of a model whose schema ships with batchgen, else None."""
    return _bundled().get(model_id)


def bundled_ids() -> tuple[str, ...]:
    """Return the ids of the models whose schemas ship with batchgen."""
    return tuple(_bundled())


def from_live(model_id: str, live: object) -> ModelSpec:
    """Return the spec of a live catalog object, the answer of `GET /v1/models/{model_id}`.

    Raises ValueError with a sentence where the object is of another model or holds no usable `input_schema`.
    """
    if not isinstance(live, dict):
        raise ValueError(f"the catalog's answer for {model_id} is not an object")
    if live.get("model_id", model_id) != model_id:
        raise ValueError(f"the catalog answered for another model than {model_id}")
    schema = live.get("input_schema")
    if not isinstance(schema, dict):
        raise ValueError(f"the catalog gives no input_schema for {model_id}")
    return build(model_id, schema, sources=(f"live catalog: {model_id}",))


@cache
def _bundled() -> Mapping[str, ModelSpec]:
    content = pkgutil.get_data("batchgen.catalog", "schemas.json")  # importlib.resources loads tempfile and more.
    document = json.loads(content or b"")
    return {
        model_id: build(model_id, entry["input_schema"], entry["count_field"], tuple(entry["sources"]))
        for model_id, entry in document["models"].items()
    }


def _property(name: str, raw: Mapping[str, Json], shared: Mapping[str, Json]) -> Property:
    cleaned = {key: _cleaned(value, 1, key) for key, value in raw.items() if key != "validations"}
    if _is_sample(name, cleaned):
        cleaned.pop("default", None)
    if shared and "$ref" in json.dumps(cleaned):
        cleaned = {**{word: _cleaned(value, 1) for word, value in shared.items()}, **cleaned}
    return cleaned


def _cleaned(value: Json, depth: int, key: str = "") -> Json:
    """Return a schema part with "float" read as "number"."""
    if depth > _MAX_DEPTH:
        raise ValueError("the schema is nested too deeply")
    if isinstance(value, dict):
        return {name: _cleaned(part, depth + 1, name) for name, part in value.items() if name != "validations"}
    if isinstance(value, list):
        return [_cleaned(part, depth + 1, key) for part in value]
    return "number" if key == "type" and value == "float" else value


def _is_sample(name: str, schema: Property) -> bool:
    """Tell whether a default is only an example: prompts, other free text and media."""
    if str(schema.get("format", "")).startswith(_MEDIA) or schema.get("type") == "array":
        return True
    return "prompt" in name or (schema.get("type") == "string" and "enum" not in schema)


def _required(raw: Json, properties: Mapping[str, Property]) -> tuple[tuple[str, ...], list[str]]:
    names = [name for name in raw if isinstance(name, str)] if isinstance(raw, list) else []
    notes = [f"the schema requires {name}, but has no such input" for name in names if name not in properties]
    return tuple(name for name in names if name in properties), notes


def _retrieve_nothing(uri: str) -> Json:
    raise ValueError(f"a schema may not refer to {uri}")


def _digest(model_id: str, properties: object, required: object, count: str | None) -> str:
    content = {"count_field": count, "id": model_id, "properties": properties, "required": required}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
