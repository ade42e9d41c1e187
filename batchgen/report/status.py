"""How a run directory stands, from its ledger alone: a JSON object, and that object in lines for people. Pure."""

from __future__ import annotations

import shlex
from pathlib import PurePath

from batchgen import events
from batchgen.errors import printable
from batchgen.report import record
from batchgen.report.doubts import doubt_lines, doubt_record, read_doubt
from batchgen.report.expiry import expiry_words, is_old
from batchgen.report.money import cost_words, number
from batchgen.report.record import Record
from batchgen.report.survey import COUNTS, counts_of, survey
from batchgen.report.text import counted, duration, moment, shorten
from batchgen.state import ZERO, RunState

DOUBTS_SHOWN = 5


def status(state: RunState, run_dir: str | PurePath, now: float, *, running: bool | None = None) -> dict[str, object]:
    """Return how the run stands at `now` (Unix seconds) as a JSON object.

    `running` says whether a process holds the directory, None where nobody looked. `oldest_in_flight_s` is None where
    nothing is in flight; `unknown_submissions` lists what `unknown` counts, attempt by attempt.
    """
    found = survey(state)
    return {
        "name": state.last_started.name if state.last_started else "",
        "run_dir": str(run_dir),
        "api": state.last_started.api if state.last_started else "",
        "running": running,
        **counts_of(state),
        "files": found.files,
        "cost_usd": number(state.committed_usd),
        "cost_estimated_usd": number(found.estimated_usd),
        "unpriced": found.unpriced,
        "oldest_in_flight_s": found.oldest_in_flight_s(now),
        "unknown_submissions": [doubt_record(doubt) for doubt in found.doubts],
        "last_run": _last_run(state),
    }


def _last_run(state: RunState) -> dict[str, object] | None:
    started, finished = state.last_started, state.last_finished
    if started is None:
        return None
    return {
        "command": started.command,
        "started": started.time,
        "finished": finished.time if finished else None,
        "exit_code": finished.exit_code if finished else None,
        "reason": finished.reason if finished else None,
    }


def status_lines(shown: Record) -> list[str]:
    """Return the lines that show the JSON object of `status` to a person."""
    return [
        *_facts(shown),
        *_expiry_warning(shown),
        *_unknowns(shown),
    ]


def _facts(shown: Record) -> list[str]:
    rows = [
        ("run", shorten(record.string(shown, "name"), 60)),
        ("folder", printable(record.string(shown, "run_dir"))),
        ("api", shorten(record.string(shown, "api"), 60)),
        *((name.replace("_", " "), str(record.integer(shown, name))) for name in COUNTS if _is_shown(shown, name)),
        ("files", str(record.integer(shown, "files"))),
        ("cost", _cost(shown)),
        ("last run", _last_run_words(shown)),
    ]
    width = max(len(label) for label, _ in rows)
    return [f"{label:<{width}}  {value}" for label, value in rows if value]


def _is_shown(shown: Record, name: str) -> bool:
    return name in ("jobs", "done") or record.integer(shown, name) > 0


def _cost(shown: Record) -> str:
    total = record.money(shown, "cost_usd") or ZERO
    return cost_words(total, record.money(shown, "cost_estimated_usd") or ZERO, record.integer(shown, "unpriced"))


def _last_run_words(shown: Record) -> str:
    last = record.mapping(shown, "last_run")
    if last is None:
        return "never"
    began, ended = record.string(last, "started"), record.string(last, "finished")
    start = moment(began)
    if not ended:
        going_on = {True: "going on now", False: "ended without a word"}
        running = shown.get("running")
        return f"{start} UTC, {going_on[running] if isinstance(running, bool) else 'going on or died'}"
    took = (events.seconds_of(ended) or 0.0) - (events.seconds_of(began) or 0.0)
    reason = shorten(record.string(last, "reason"), 100)
    return f"{start} UTC, {duration(took)}, exit code {record.integer(last, 'exit_code')}" + (
        f": {reason}" if reason else ""
    )


def _expiry_warning(shown: Record) -> list[str]:
    age = record.money(shown, "oldest_in_flight_s")
    if age is None or not is_old(float(age)):
        return []
    requests = counted(record.integer(shown, "in_flight"), "request")
    folder = printable(shlex.quote(record.string(shown, "run_dir")))
    return [f"warning: {requests} in flight: {expiry_words(float(age))}; collect: batchgen fetch {folder}"]


def _unknowns(shown: Record) -> list[str]:
    lines = doubt_lines([read_doubt(doubt) for doubt in record.mappings(shown, "unknown_submissions")], DOUBTS_SHOWN)
    if lines and shown.get("running") is True:
        lines.append("  a run is going on: some of these may only wait for their answer")
    return lines
