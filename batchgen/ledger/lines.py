"""One event as one line of the ledger, both ways."""

from __future__ import annotations

import json

import msgspec
import orjson

from batchgen import events

MAX_LINE = 64 * 1024 * 1024
"""Longest line, in bytes, that is written or read."""

Record = dict[str, object]

_DECODE = msgspec.json.Decoder().decode


def encode(event: events.Event) -> bytes:
    """Return the event's line with its newline.

    Never raises for text or numbers a manifest may hold: integers of any width are kept, and a lone surrogate, which
    has no UTF-8, becomes U+FFFD.
    """
    record = events.to_record(event)
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        # Integers wider than 64 bits, and lone surrogates: json can write the former.
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode() + b"\n"


def decode(line: bytes) -> Record:
    """Return the JSON object of a line, with an integer `v` from 1 and a text `event`; integers keep their digits.

    Raises ValueError where it is not one: then no version of batchgen has written it whole.
    """
    try:
        record = _DECODE(line)
    except msgspec.DecodeError as problem:
        raise ValueError(str(problem)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    version, word = record.get("v"), record.get("event")
    if type(version) is not int or version < 1 or not isinstance(word, str):
        raise ValueError('no "v" and "event"')
    return record
