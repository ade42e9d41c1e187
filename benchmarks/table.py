"""The form in which every benchmark gives its figures: a script has `rows()`, which yields `Row`s.

A script is run by its path (`python benchmarks/NAME.py`) and imports this one as `from table import Row, show`.
`python benchmarks` runs them all and writes the page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_HEADINGS = ("figure", "goal", "here", "command")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what it is, what it should be (empty where there is no goal), what it is here, and how to see it.

    `note` is empty where the goal is reached; else it says by how much it is not, why, and what was tried.
    """

    figure: str
    goal: str
    here: str
    command: str
    note: str = ""


def markdown(rows: Iterable[Row]) -> str:
    """Return the table as Markdown, each note on a line of its own under it."""
    given = list(rows)
    lines = [_line(_HEADINGS), _line("---" for _ in _HEADINGS)]
    lines += [_line((row.figure, row.goal, row.here, f"`{row.command}`")) for row in given]
    notes = [f"- **{row.figure}**: {row.note}" for row in given if row.note]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def show(rows: Iterable[Row]) -> None:
    """Print each row as soon as it is measured."""
    for row in rows:
        goal = f" (goal: {row.goal})" if row.goal else ""
        print(f"{row.figure}: {row.here}{goal}", *([f"    {row.note}"] if row.note else []), sep="\n", flush=True)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
