"""Durations as people write them: `90`, `90s`, `5m`, `2h`, `1d`."""

from __future__ import annotations

import re

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([smhd]?)")
LONGEST = 366 * 86400.0
HINT = "write 90, 90s, 5m, 2h or 1d"


def parse(text: str, *, zero: bool = False) -> float:
    """Return a duration in seconds, more than 0 (or, with `zero`, 0 itself) and at most 366 days.

    Raises ValueError with a sentence.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text[:80]}" is not a duration')
    seconds = float(match[1]) * _SECONDS[match[2]]
    if not (0 < seconds <= LONGEST or (zero and seconds == 0)):
        raise ValueError("a duration must be longer than 0 and at most 366 days")
    return seconds
