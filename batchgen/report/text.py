"""Words for numbers, times and foreign text, made for one line of a terminal."""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime

from batchgen import events
from batchgen.errors import printable

_CHARACTERS_PER_COLUMN = 4
"""Bounds text of characters without a width (combining marks), which no column count would."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return the number with its noun: "1 job", "3 jobs"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def more(number: int, noun: str) -> list[str]:
    """Return the line that stands for what a cut list leaves out; none where it leaves out nothing."""
    return [f"  ... and {number} more {noun}{'' if number == 1 else 's'}"] if number > 0 else []


def duration(seconds: float) -> str:
    """Return a length of time in words: "12 s", "3 min 05 s", "1 h 02 min", "3 d 04 h"."""
    if not math.isfinite(seconds):
        return "an unknown time"
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour:02} h"
    if hours:
        return f"{hours} h {minute:02} min"
    return f"{minutes} min {second:02} s" if minutes else f"{second} s"


def rough_duration(seconds: float) -> str:
    """Return an estimated length of time: at least a second, and no seconds once there are minutes."""
    if not 60 <= seconds < 3600:
        return duration(max(1, seconds))
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else duration(minutes * 60)


def moment(time: str) -> str:
    """Return a time text of the ledger for people, in UTC: "2025-11-22 03:12:04"."""
    seconds = events.seconds_of(time)
    if seconds is None:
        return shorten(time, 24) or "unknown time"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def columns(text: str) -> int:
    """Return about how many columns of a terminal the text takes."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, width: int) -> str:
    """Return foreign text safe for a terminal, on one line, at most `width` columns wide; a cut ends in "…"."""
    bound = width * _CHARACTERS_PER_COLUMN
    safe = " ".join(printable(text, bound).split())
    if columns(safe) <= width:
        return safe
    kept, used = 0, 1
    for character in safe:
        used += _columns_of(character)
        if used > width:
            break
        kept += 1
    return safe[:kept].rstrip() + "…"


def quoted(text: str, width: int) -> str:
    """Return foreign text shortened and in double quotes; `width` includes them."""
    return f'"{shorten(text, width - 2)}"'
