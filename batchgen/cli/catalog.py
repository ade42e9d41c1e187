"""`batchgen models`: what models there are, what they take and what they cost; it sends nothing that costs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from batchgen import errors
from batchgen.catalog import schema
from batchgen.catalog.check import enum_of, types_of
from batchgen.catalog.price import list_price_of
from batchgen.catalog.schema import Json, ModelSpec, Property
from batchgen.catalog.words import did_you_mean
from batchgen.cli import console, loop
from batchgen.cli.connect import Account, account, connected, patiently
from batchgen.cli.specs import needs_token
from batchgen.errors import Problem
from batchgen.report import models_text, record
from batchgen.report.money import number
from batchgen.runcomfy.client import Client

PAGE = 500
"""The most models that the API lists at once."""

Record = dict[str, object]
_LIMITS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "minItems": "min_items",
    "maxItems": "max_items",
    "minLength": "min_length",
    "maxLength": "max_length",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which models to list: words that the API searches for, a category, and how many at most."""

    search: str = ""
    category: str = ""
    limit: int = 100


def list_models(wanted: Wanted, *, sandbox: bool, as_json: bool) -> None:
    """Print the models of the live catalog, of a sandbox, or without a token the bundled ones.

    Raises TokenError and UnavailableError.
    """
    to = _reachable(sandbox)
    if isinstance(to, Account):
        found = loop.run(_with_client(to, partial(_listing, wanted=wanted)))
    else:
        found = {**_bundled_listing(wanted), "source": "bundled", "note": str(to)}
    _print(found, models_text.list_lines(found), as_json=as_json)


def show_model(model: str, *, sandbox: bool, as_json: bool) -> None:
    """Print one model in full. Raises ManifestError (data) where nobody knows it, TokenError and UnavailableError."""
    to = _reachable(sandbox)
    known = schema.bundled(model)
    if isinstance(to, Account):
        found = loop.run(_with_client(to, partial(_detail, model=model)))
    elif known is None:
        raise errors.TokenError(needs_token(model, str(to)))
    else:
        found = {**_bundled_entry(model), **inputs_of(known), "source": "bundled", "note": str(to)}
    _print(found, models_text.model_lines(found), as_json=as_json)


def _print(content: Record, lines: list[str], *, as_json: bool) -> None:
    if as_json:
        console.show_json(content)
    else:
        console.show(lines)


def _reachable(sandbox: bool) -> Account | errors.TokenError:
    """Return whom to ask, or why only what is bundled can be shown. Raises UsageError."""
    try:
        return account(sandbox)
    except errors.TokenError as problem:
        return problem


async def _with_client(to: Account, ask: Callable[[Client], Awaitable[Record]]) -> Record:
    with TemporaryDirectory(prefix="batchgen-") as folder:
        async with connected(to, Path(folder)) as client:
            return {**await ask(client), "source": "sandbox" if to.is_sandbox else "live"}


async def _listing(client: Client, wanted: Wanted) -> Record:
    """Ask page by page, as far as is wanted."""
    models: list[Record] = []
    total = 0
    while len(models) < wanted.limit:
        size = min(PAGE, wanted.limit - len(models))
        ask = partial(client.models, search=wanted.search, category=wanted.category, limit=size, offset=len(models))
        try:
            page = await patiently(ask)
        except errors.Gone as problem:
            raise errors.UnavailableError(f"there is no catalog: {problem}; check RUNCOMFY_MODEL_API_BASE") from None
        found = record.mappings(page, "models")[:size]
        models += map(entry, found)
        total = record.integer(page, "total")
        if not found or (len(models) >= total if total else len(found) < size):
            break
    return {"models": models, "total": max(total, len(models))}


async def _detail(client: Client, model: str) -> Record:
    try:
        live = await patiently(partial(client.model, model))
    except errors.ModelRejected:
        raise _unknown(model) from None
    try:
        return {**entry(live), **inputs_of(schema.from_live(model, live))}
    except ValueError as problem:
        return {**entry(live), "inputs": [], "notes": [errors.printable(f"its inputs cannot be shown: {problem}")]}


def _unknown(model: str) -> errors.ManifestError:
    near = did_you_mean(model, (known for known in schema.bundled_ids() if known != model))
    hint = near or "batchgen models --search WORD finds the right id"
    return errors.ManifestError([Problem(errors.printable(model, 200), 0, 0, "the catalog knows no such model", hint)])


def _bundled_listing(wanted: Wanted) -> Record:
    words = wanted.search.lower().split()
    found = [
        _bundled_entry(model)
        for model in schema.bundled_ids()
        if all(word in model or word in model.replace("-", " ") for word in words)
        and wanted.category in ("", _category(model))
    ]
    return {"models": found[: wanted.limit], "total": len(found)}


def _bundled_entry(model: str) -> Record:
    return entry({"model_id": model, "categories": [_category(model)]})


def _category(model: str) -> str:
    """The last part of an id, which names what the bundled models do."""
    return model.rpartition("/")[2]


def entry(live: Mapping[str, object]) -> Record:
    """Return what the catalog says of a model, its texts safe for a terminal; a price that is no number is None."""
    price = list_price_of(live)
    return {
        "id": _safe(live, "model_id"),
        "name": _safe(live, "display_name"),
        "categories": [errors.printable(word, 100) for word in record.strings(live, "categories")],
        "base_price_usd": None if price is None else number(price),
        "price_unit": _safe(live, "price_unit"),
        "pricing_note": _safe(live, "pricing_note"),
    }


def _safe(live: Mapping[str, object], key: str) -> str:
    return errors.printable(record.string(live, key))


def inputs_of(spec: ModelSpec) -> Record:
    """Return a model's inputs, each with its types, what is allowed, its default, and whether it is required."""
    described = [_input(name, schema, name in spec.required) for name, schema in spec.properties.items()]
    notes = [errors.printable(note) for note in spec.notes]
    return {"inputs": described, "count_field": spec.count_field or "", "notes": notes}


def _input(name: str, described: Property, required: bool) -> Record:
    found: Record = {
        "name": errors.printable(name),
        "types": list(map(errors.printable, types_of(described))),
        "required": required,
        "default": _printable(described.get("default")),
        "description": errors.printable(str(described.get("description", ""))),
    }
    if options := enum_of(described):
        found["allowed"] = _printable(options)
    found |= {ours: described[word] for word, ours in _LIMITS.items() if isinstance(described.get(word), int | float)}
    return found


def _printable(value: Json) -> Json:
    """Return a value with all its texts safe for a terminal."""
    match value:
        case str():
            return errors.printable(value)
        case list():
            return [_printable(part) for part in value]
        case dict():
            return {errors.printable(key): _printable(part) for key, part in value.items()}
    return value
