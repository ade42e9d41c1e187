"""When a scheduled run begins: read from the command line, written for cron and for systemd. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from batchgen import errors

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
HOURLY_MINUTE = 17
"""Off the full hour, when everybody else's jobs begin."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_PART = re.compile(r"(?:(\*)|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five columns of a crontab's line."""

    name: str
    first: int
    last: int
    words: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, {word: number for number, word in enumerate(_MONTHS, 1)}),
    _Field("day of the week", 0, 7, {word: number for number, word in enumerate(WEEKDAYS)}),
)


@dataclass(frozen=True, slots=True)
class Times:
    """Minutes, hours, days of the month, months and days of the week (0 is Sunday); None for every one.

    `cron` is the five fields as they were given; `words` tell people.
    """

    cron: str
    words: str
    values: tuple[tuple[int, ...] | None, ...]

    def calendar(self) -> str:
        """Return systemd's OnCalendar (systemd.time(7)).

        Raises UsageError where a day of the month and one of the week are given: cron means either, systemd both.
        """
        minutes, hours, days, months, weekdays = self.values
        if days is not None and weekdays is not None:
            raise errors.UsageError(
                f"--cron {self.cron}: cron takes a day of the month and a day of the week for either of them, which "
                "systemd cannot say; give one of the two, or make two schedules"
            )
        names = ",".join(WEEKDAYS[day].capitalize() for day in weekdays or ())
        date = f"*-{_listed(months)}-{_listed(days)}"
        return f"{names + ' ' if names else ''}{date} {_listed(hours)}:{_listed(minutes)}:00"


def hourly() -> Times:
    """Return the times of `--hourly`."""
    return _times(f"{HOURLY_MINUTE} * * * *", f"every hour, at {HOURLY_MINUTE} minutes past")


def daily(time: str) -> Times:
    """Return the times of `--daily`. Raises ValueError with a sentence."""
    hour, minute = _hour_and_minute(time)
    return _times(f"{minute} {hour} * * *", f"every day at {hour:02}:{minute:02}")


def weekly(day: str, time: str) -> Times:
    """Return the times of `--weekly`. Raises ValueError with a sentence."""
    hour, minute = _hour_and_minute(time)
    if day.lower() not in WEEKDAYS:
        raise ValueError(f'"{day}" is no day; write one of {", ".join(WEEKDAYS)}')
    number = WEEKDAYS.index(day.lower())
    return _times(f"{minute} {hour} * * {number}", f"every {WEEKDAYS[number].capitalize()} at {hour:02}:{minute:02}")


def crontab(text: str) -> Times:
    """Return the times of `--cron`, five fields as crontab(5) has them. Raises ValueError with a sentence."""
    return _times(" ".join(text.split()), f"at cron's {' '.join(text.split())}")


def _times(cron: str, words: str) -> Times:
    texts = cron.split()
    if len(texts) != len(_FIELDS):
        names = ", ".join(one.name for one in _FIELDS)
        raise ValueError(f'"{cron}" is not five fields: {names}; such as "30 2 * * mon"')
    values = tuple(_values(text, one) for text, one in zip(texts, _FIELDS, strict=True))
    days, months = values[2], values[3]
    if days is not None and all(min(days) > _LONGEST[month - 1] for month in months or range(1, 13)):
        raise ValueError(f'"{cron}" never comes: no such month has {min(days)} days')
    return Times(cron, words, values)


def _values(text: str, one: _Field) -> tuple[int, ...] | None:
    """Return what a field stands for in order, None for everything."""
    found = {number for part in text.split(",") for number in _numbers(part, one)}
    if one.last == 7:  # Sunday has two numbers.
        found = {number % 7 for number in found}
    everything = len(found) == (7 if one.last == 7 else one.last - one.first + 1)
    return None if everything else tuple(sorted(found))


def _numbers(part: str, one: _Field) -> Iterator[int]:
    if (number := one.words.get(part.lower())) is not None:
        return iter((number,))
    match = _PART.fullmatch(part)
    if match is None or (match[4] and not (match[1] or match[3])):
        raise ValueError(f'"{part}" is no {one.name} of a crontab')
    first, last = (one.first, one.last) if match[1] else (int(match[2]), int(match[3] or match[2]))
    step = int(match[4] or 1)
    if not (one.first <= first <= last <= one.last and step):
        raise ValueError(f'"{part}" is no {one.name}: they go from {one.first} to {one.last}')
    return iter(range(first, last + 1, step))


def _listed(values: tuple[int, ...] | None) -> str:
    return "*" if values is None else ",".join(f"{value:02}" for value in values)


def _hour_and_minute(time: str) -> tuple[int, int]:
    match = _TIME.fullmatch(time)
    if match is None:
        raise ValueError(f'"{time}" is no time of day; write HH:MM, from 00:00 to 23:59')
    return int(match[1]), int(match[2])
