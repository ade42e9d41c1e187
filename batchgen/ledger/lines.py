"""One event as one line of the ledger, both ways."""

from __future__ import annotations

import json
from operator import itemgetter

import orjson

from batchgen import events

MAX_LINE = 64 * 1024 * 1024
"""Longest line, in bytes, that is written or read."""

Record = dict[str, object]

_VERSION_OF, _WORD_OF = itemgetter("v"), itemgetter("event")
_WIDEST = float(2**63)


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
    """Return the JSON object of a line, with an integer `v` from 1 and a text `event`.

    Raises ValueError where it is not one: then no version of batchgen has written it whole.
    """
    record = orjson.loads(line)
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    version, word = record.get("v"), record.get("event")
    if type(version) is not int or version < 1 or not isinstance(word, str):
        raise ValueError('no "v" and "event"')
    return record if is_exact(record) else _exactly(line)


def decode_all(text: bytes, mark: bytes) -> list[Record] | None:
    """Return the JSON objects of whole lines of this version, read at once; None where one needs a closer look.

    Their integers wider than 64 bits are floats: `is_exact` tells. `mark` is ASCII and stands between the lines, and
    nobody who wrote them can have known it: that every mark is found between two objects proves each line to be one.
    """
    try:
        found = orjson.loads(b'[%b,"%b"]' % (text[:-1].replace(b"\n", b',"%b",' % mark), mark))
        records: list[Record] = found[::2]
        sound = (
            found[1::2].count(mark.decode()) == len(records) == text.count(b"\n")
            and set(map(_VERSION_OF, records)) == {events.VERSION}
            and set(map(type, map(_VERSION_OF, records))) == {int}
            and set(map(type, map(_WORD_OF, records))) == {str}
        )
    except (ValueError, KeyError, TypeError):
        return None
    return records if sound else None


def is_exact(value: object) -> bool:
    """Tell whether no number of a record can be an integer too wide for orjson, which reads it as a float."""
    if isinstance(value, float):
        return abs(value) < _WIDEST
    if isinstance(value, dict):
        return all(map(is_exact, value.values()))
    return all(map(is_exact, value)) if isinstance(value, list) else True


def _exactly(line: bytes) -> Record:
    """Read the line by way of json, since orjson rounds integers wider than 64 bits to floats."""
    try:
        record: Record = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return record
