"""Reads fields of a JSON object that was made elsewhere: what is absent or of another type is simply not there."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

Record = Mapping[str, object]


def integer(record: Record, key: str) -> int:
    """Return the whole number, or 0."""
    value = record.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def string(record: Record, key: str) -> str:
    """Return the text, or an empty one."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def money(record: Record, key: str) -> Decimal | None:
    """Return the amount, or None."""
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return Decimal(str(value))


def mapping(record: Record, key: str) -> Record | None:
    """Return the object, or None."""
    value = record.get(key)
    return {str(name): item for name, item in value.items()} if isinstance(value, Mapping) else None


def mappings(record: Record, key: str) -> list[Record]:
    """Return the objects in a list of them."""
    value = record.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def strings(record: Record, key: str) -> list[str]:
    """Return the texts in a list of them."""
    value = record.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []
