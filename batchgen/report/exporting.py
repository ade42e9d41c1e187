"""The ledger as a table: one row an output, or a job without one, ready for a spreadsheet. Pure.

A spreadsheet must not take a cell for a formula: see `guarded`. Numbers that we wrote ourselves stay numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from batchgen import events
from batchgen.job import File, Json
from batchgen.state import JobState, RunState

COLUMNS = (
    "job",
    "state",
    "attempt",
    "name",
    "model",
    "prompt",
    "seed",
    "settings",
    "tags",
    "repeat",
    "request_id",
    "path",
    "bytes",
    "sha256",
    "format",
    "width",
    "height",
    "cost_usd",
    "cost_estimate_usd",
    "error_kind",
    "error_stage",
    "error_message",
    "submitted",
    "changed",
)
"""The table's columns, in this order; settings and tags are JSON objects."""

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n']")
Cell = str | int | Decimal


def rows(state: RunState, history: Iterable[events.Event]) -> Iterator[list[Cell]]:
    """Yield a row for every output of every done job, in the order they were done, then one for each other job.

    `history` is the ledger once more, streamed: RunState keeps of a done job only what resuming needs.
    """
    repeats: dict[str, int] = {}
    shown: set[str] = set()
    for event in history:
        if isinstance(event, events.Submitting) and event.repeat != 1:
            repeats[event.job] = event.repeat
        elif isinstance(event, events.Done) and event.job not in shown:
            known = state.jobs[event.job]
            if _is_current(known, event):
                shown.add(event.job)
                cells = {**_attempt_cells(event.job, known), **_made_cells(event, repeats)}
                yield from (_row({**cells, **_file_cells(file)}) for file in event.files)
    for job_id in state.jobs:
        if job_id not in shown:
            known = state.jobs[job_id]
            intent = known.best.intent
            made = {} if intent is None else _made_cells(intent, {job_id: intent.repeat})
            yield _row({**_attempt_cells(job_id, known), **made})


def _is_current(known: JobState, event: events.Done) -> bool:
    best = known.best
    files = tuple((file.path, file.bytes) for file in event.files)
    return (best.number, best.files) == (event.attempt, files)


def _row(cells: Mapping[str, object]) -> list[Cell]:
    return [_cell(cells.get(column)) for column in COLUMNS]


def _attempt_cells(job_id: str, known: JobState) -> dict[str, object]:
    best = known.best
    error = best.error
    return {
        "job": job_id,
        "state": known.state.value,
        "attempt": best.number,
        "name": best.name,
        "model": best.model,
        "request_id": best.request_id,
        "cost_usd": best.cost_usd,
        "cost_estimate_usd": best.estimate_usd,
        "submitted": best.submitted_at,
        "changed": best.since,
        "error_kind": error.kind if error else None,
        "error_stage": error.stage.value if error else None,
        "error_message": error.message if error else None,
    }


def _made_cells(event: events.Submitting | events.Done, repeats: Mapping[str, int]) -> dict[str, object]:
    return {
        "prompt": event.prompt,
        "seed": event.seed,
        "settings": _json(event.settings),
        "tags": _json(event.tags),
        "repeat": repeats.get(event.job, 1),
    }


def _file_cells(file: File) -> dict[str, object]:
    return {
        "path": file.path,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "format": file.format,
        "width": file.width,
        "height": file.height,
    }


def _json(value: Mapping[str, Json]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""


def _cell(value: object) -> Cell:
    if value is None:
        return ""
    if isinstance(value, Decimal | int):
        return value
    return guarded(str(value))


def guarded(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula.

    What begins as a formula may (with =, +, -, @, their full-width forms, spaces before them, a tab, or a line break:
    OWASP's note on CSV injection) gets an apostrophe in front; so does what begins with an apostrophe, so that every
    cell can be turned back by `unguarded`.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """Return the text that `guarded` made a cell of: the cell without its first apostrophe, if it begins with one."""
    return cell.removeprefix("'")
