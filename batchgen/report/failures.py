"""What ended badly, grouped by cause: a JSON object, and that object in lines for people. Pure."""

from __future__ import annotations

from pathlib import PurePath

from batchgen.errors import printable
from batchgen.report import record
from batchgen.report.money import dollars, number
from batchgen.report.record import Record
from batchgen.report.survey import Cause, survey
from batchgen.report.text import counted, quoted, shorten
from batchgen.state import RunState


def failures(state: RunState, run_dir: str | PurePath, command: str) -> dict[str, object]:
    """Return every cause of jobs that failed, were lost or cancelled by the server, the most frequent first.

    `command` is the command line of the last run; each group holds the one that tries it again. `spent_usd` is what its
    attempts have cost, or may have.
    """
    causes = survey(state).ended_badly
    return {
        "name": state.last_started.name if state.last_started else "",
        "run_dir": str(run_dir),
        "jobs": sum(cause.jobs for cause in causes),
        "groups": [_group(cause, command) for cause in causes],
    }


def _group(cause: Cause, command: str) -> dict[str, object]:
    return {
        "kind": cause.kind,
        "stage": cause.stage.value,
        "jobs": cause.jobs,
        "collectable": cause.collectable,
        "spent_usd": number(cause.spent_usd),
        "example": {"job": cause.job, "name": cause.name, "prompt": cause.prompt, "message": cause.message},
        "command": f"{command} --retry {cause.kind}" if command else "",
    }


def failure_lines(shown: Record) -> list[str]:
    """Return the lines that show the JSON object of `failures` to a person."""
    groups = record.mappings(shown, "groups")
    if not groups:
        return [f"{_name(shown)}: nothing failed"]
    lines = [f"{_name(shown)}: {counted(record.integer(shown, 'jobs'), 'job')} ended badly"]
    for group in groups:
        lines += _group_lines(group)
    return lines


def _group_lines(group: Record) -> list[str]:
    example = record.mapping(group, "example") or {}
    collectable = record.integer(group, "collectable")
    spent = record.money(group, "spent_usd")
    title = f"{record.integer(group, 'jobs')} x {shorten(record.string(group, 'kind'), 40)}"
    facts = [f"while in {record.string(group, 'stage')}"]
    if spent:
        facts.append(f"{dollars(spent)} spent")
    if collectable:
        facts.append(f"{collectable} made by the server: trying again costs nothing")
    prompt = record.string(example, "prompt")
    job = f"{shorten(record.string(example, 'name'), 40)} (job {shorten(record.string(example, 'job')[:12], 12)})"
    lines = [
        f"{title} ({', '.join(facts)})",
        f"  {shorten(record.string(example, 'message'), 200)}",
        f"  for example {job}{' ' + quoted(prompt, 60) if prompt else ''}",
    ]
    command = record.string(group, "command")
    return [*lines, f"  again: {printable(command)}"] if command else lines


def _name(shown: Record) -> str:
    return shorten(record.string(shown, "name"), 60) or "run"
