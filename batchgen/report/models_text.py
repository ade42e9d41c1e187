"""The model catalog in lines for people, from the JSON objects that `models --json` prints. Pure.

Live entries come from outside: every text is cut and made safe for a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from batchgen.errors import printable
from batchgen.report import record
from batchgen.report.money import dollars
from batchgen.report.record import Record
from batchgen.report.text import columns, counted, shorten

_WIDEST_ID = 100
_WIDEST_NAME = 32
_OPTIONS_SHOWN = 24
_TEXT_WIDTH = 300
_SOURCES = {
    "live": "live catalog",
    "sandbox": "sandbox",
    "bundled": "bundled with batchgen",
}
_RANGES = (
    ("minimum", "maximum", "{} to {}", "{} or more", "at most {}"),
    ("min_items", "max_items", "{} to {} items", "{} items or more", "at most {} items"),
    ("min_length", "max_length", "{} to {} characters", "{} characters or more", "at most {} characters"),
)


def list_lines(listing: Record) -> list[str]:
    """Return one line per model: id, price, categories; and what is left out."""
    models = record.mappings(listing, "models")
    rows = [
        (
            shorten(record.string(model, "id"), _WIDEST_ID),
            price(model),
            shorten(", ".join(record.strings(model, "categories")), _WIDEST_NAME),
        )
        for model in models
    ]
    total = max(record.integer(listing, "total"), len(models))
    shown = counted(total, "model") if total == len(models) else f"{len(models)} of {counted(total, 'model')}"
    more = "" if total == len(models) else "; --limit shows more, --search and --category fewer"
    return [*aligned(rows), f"{shown} ({_source(listing)}){more}", *_note(listing)]


def model_lines(model: Record) -> list[str]:
    """Return one model in full: name, price, inputs with what they take."""
    categories = ", ".join(record.strings(model, "categories"))
    facts = [
        ("name", shorten(record.string(model, "name"), _TEXT_WIDTH)),
        ("categories", shorten(categories, _TEXT_WIDTH)),
        ("price", price(model).removeprefix("price ")),
        ("", shorten(record.string(model, "pricing_note"), _TEXT_WIDTH)),
        ("outputs", _outputs(model)),
        ("source", _source(model)),
    ]
    inputs = [
        (
            f"  {shorten(record.string(one, 'name'), _WIDEST_NAME)}",
            " or ".join(shorten(word, _WIDEST_NAME) for word in record.strings(one, "types")) or "any",
            _presence(one),
            _allowed(one),
        )
        for one in record.mappings(model, "inputs")
    ]
    notes = [f"note: {shorten(note, _TEXT_WIDTH)}" for note in record.strings(model, "notes")]
    title = printable(record.string(model, "id"), 200)
    said = aligned([(f"  {label}", text) for label, text in facts if text])
    return [title, *said, "inputs:", *aligned(inputs), *notes, *_note(model)]


def price(model: Record) -> str:
    """Return a model's live base price in words; one without a plain number is unknown, never nothing."""
    base = record.money(model, "base_price_usd")
    if base is None:
        return "price unknown"
    return f"{shorten(dollars(base), 20)} per {shorten(record.string(model, 'price_unit'), 20) or 'output'}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines, every column but the last as wide as its widest cell."""
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _note(of: Record) -> list[str]:
    note = record.string(of, "note")
    return [f"prices and the live catalog need a token: {printable(note)}"] if note else []


def _source(of: Record) -> str:
    return _SOURCES.get(record.string(of, "source"), "unknown source")


def _outputs(model: Record) -> str:
    field = record.string(model, "count_field")
    if not field:
        return "one per request, as far as its inputs tell"
    described = next((one for one in record.mappings(model, "inputs") if one.get("name") == field), {})
    limits = _range(described)
    return f"{limits} per request, by {field}" if limits else f"as many per request as {field} says"


def _presence(one: Record) -> str:
    if one.get("required") is True:
        return "required"
    return f"default {_value(one['default'])}" if one.get("default") is not None else ""


def _allowed(one: Record) -> str:
    options = one.get("allowed")
    if isinstance(options, list) and options:
        shown = ", ".join(_value(option) for option in options[:_OPTIONS_SHOWN])
        rest = len(options) - _OPTIONS_SHOWN
        return f"{shown} and {rest} more (--json shows all)" if rest > 0 else shown
    return _range(one)


def _range(one: Record) -> str:
    parts = []
    for lowest, highest, both, low_only, high_only in _RANGES:
        low, high = one.get(lowest), one.get(highest)
        if low is not None and high is not None:
            parts.append(both.format(_value(low), _value(high)))
        elif low is not None:
            parts.append(low_only.format(_value(low)))
        elif high is not None:
            parts.append(high_only.format(_value(high)))
    return ", ".join(parts)


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shorten(text, 40)
