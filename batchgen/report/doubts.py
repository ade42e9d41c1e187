"""Unknown submissions, as JSON both ways and as lines for the person who has to decide them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from batchgen.errors import printable
from batchgen.report import record
from batchgen.report.money import dollars, number
from batchgen.report.record import Record
from batchgen.report.survey import Doubt
from batchgen.report.text import counted, moment, more, quoted
from batchgen.state import ZERO


def doubt_record(doubt: Doubt) -> dict[str, object]:
    """Return the JSON object of one unknown submission."""
    cost = doubt.possible_cost_usd
    return {
        "job": doubt.job,
        "attempt": doubt.attempt,
        "since": doubt.since,
        "prompt": doubt.prompt,
        "name": doubt.name,
        "possible_cost_usd": None if cost is None else number(cost),
    }


def read_doubt(shown: Record) -> Doubt:
    """Return the unknown submission of a JSON object."""
    return Doubt(
        job=record.string(shown, "job"),
        attempt=record.integer(shown, "attempt"),
        since=record.string(shown, "since"),
        prompt=record.string(shown, "prompt"),
        name=record.string(shown, "name"),
        possible_cost_usd=record.money(shown, "possible_cost_usd"),
    )


def doubt_lines(doubts: Sequence[Doubt], shown: int) -> list[str]:
    """Return a heading and a line for each of the first: time of its POST, job, possible cost, prompt."""
    if not doubts:
        return []
    possible = sum((doubt.possible_cost_usd or ZERO for doubt in doubts), ZERO)
    cost = f", up to {dollars(possible)}" if possible else ""
    return [
        f"unknown: {counted(len(doubts), 'submission')}, perhaps accepted and paid for{cost} (UTC)",
        *map(_line, doubts[:shown]),
        *more(len(doubts) - shown, "submission"),
    ]


def _line(doubt: Doubt) -> str:
    cost = "" if doubt.possible_cost_usd is None else f"{dollars(doubt.possible_cost_usd)}  "
    return f"  {moment(doubt.since)}  {printable(doubt.job[:12])}  {cost}{quoted(doubt.prompt or doubt.name, 34)}"
