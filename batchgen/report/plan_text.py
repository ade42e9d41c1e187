"""A plan in lines for people, from the JSON object that `plan --json` prints. Pure."""

from __future__ import annotations

import json

from batchgen.errors import printable
from batchgen.report import record
from batchgen.report.money import dollars
from batchgen.report.record import Record
from batchgen.report.text import counted, more, shorten

WARNINGS_SHOWN = 20
_PROMPT_WIDTH = 500
_MODELS_SHOWN = 2
_MEANINGS = {
    "new": "to be sent",
    "in_flight": "at the server; collected, not sent again",
    "done": "nothing to do",
    "failed": "held; --retry-failed tries them again",
    "unknown": "may have been accepted and paid for; held until decided",
    "lost": "no longer known to the server; held",
    "cancelled": "by the server; held",
    "removed": "in the ledger, no longer in the manifest",
    "duplicates": "the same job twice in the manifest; run once",
    "missing": "done, but files are not all there; collected again",
}


def plan_lines(plan: Record, *, command: str = "") -> list[str]:
    """Return what a run would do: counts, cost, the first jobs in full, the folder, and `command`, which runs it."""
    return [
        f"{_name(plan)}: {counted(record.integer(plan, 'jobs'), 'job')}",
        *_count_lines(plan),
        f"cost    {_cost(plan)}",
        *_balance(plan),
        f"folder  {printable(record.string(plan, 'run_dir'))}",
        *_first_jobs(plan),
        *_warnings(plan),
        *([f"run it: {printable(command)}"] if command else []),
    ]


def header_lines(plan: Record) -> list[str]:
    """Return the first lines of a run, four at most: jobs, new, cost and folder."""
    others = ("in_flight", "done", "failed", "unknown", "lost", "cancelled")
    parts = [f"{record.integer(plan, 'new')} new"]
    parts += [f"{record.integer(plan, name)} {_words(name)}" for name in others if record.integer(plan, name)]
    return [
        f"{_name(plan)}: {counted(record.integer(plan, 'jobs'), 'job')}: {', '.join(parts)}",
        f"cost: {_cost(plan)}",
        f"folder: {printable(record.string(plan, 'run_dir'))}",
    ]


def _name(plan: Record) -> str:
    return shorten(record.string(plan, "name"), 60) or "run"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _count_lines(plan: Record) -> list[str]:
    numbers = {name: record.integer(plan, name) for name in _MEANINGS}
    shown = [name for name, number in numbers.items() if number or name == "new"]
    digits = max(len(str(numbers[name])) for name in shown)
    width = max(len(name) for name in shown)
    return [f"  {numbers[name]:>{digits}} {_words(name):<{width}}  {_MEANINGS[name]}" for name in shown]


def _cost(plan: Record) -> str:
    cost = record.mapping(plan, "cost_usd") or {}
    low, high = record.money(cost, "low"), record.money(cost, "high")
    if high is None:
        return f"unknown: no price for {_models(plan)}; give pricing.base_usd"
    if not high and not record.integer(plan, "new"):
        return "nothing, as there is nothing to send"
    if low is None or low == high:
        return f"at most {dollars(high)} (estimate)"
    return f"between {dollars(low)} and {dollars(high)} (estimate)"


def _balance(plan: Record) -> list[str]:
    usd = record.money(plan, "balance_usd")
    return [] if usd is None else [f"balance {dollars(usd)}"]


def _models(plan: Record) -> str:
    named = record.strings(plan, "unpriced") or [record.string(job, "model") for job in record.mappings(plan, "first")]
    models = [shorten(model, 80) for model in dict.fromkeys(named) if model]
    shown = " or ".join(models[:_MODELS_SHOWN]) or "the model"
    return shown if len(models) <= _MODELS_SHOWN else f"{shown} or {len(models) - _MODELS_SHOWN} more"


def _first_jobs(plan: Record) -> list[str]:
    jobs = record.mappings(plan, "first")
    if not jobs:
        return []
    title = "the first job:" if len(jobs) == 1 else f"the first {len(jobs)} jobs:"
    return [title, *(line for job in jobs for line in _job_lines(job))]


def _job_lines(job: Record) -> list[str]:
    repeat = record.integer(job, "repeat")
    fields = [
        ("model", shorten(record.string(job, "model"), 100)),
        ("prompt", shorten(record.string(job, "prompt"), _PROMPT_WIDTH)),
        ("seed", str(record.integer(job, "seed")) if job.get("seed") is not None else "none"),
        ("settings", _pairs(record.mapping(job, "settings"))),
        ("tags", _pairs(record.mapping(job, "tags"))),
        ("repeat", str(repeat) if repeat > 1 else ""),
    ]
    title = f"  {shorten(record.string(job, 'name'), 100)}  (job {shorten(record.string(job, 'job'), 32)})"
    return [title, *(f"    {label:<8}  {value}" for label, value in fields if value)]


def _pairs(settings: Record | None) -> str:
    return ", ".join(f"{shorten(key, 60)}={_value(value)}" for key, value in (settings or {}).items())


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shorten(text, 100)


def _warnings(plan: Record) -> list[str]:
    warnings = record.strings(plan, "warnings")
    lines = [f"warning: {printable(warning)}" for warning in warnings[:WARNINGS_SHOWN]]
    return [*lines, *more(len(warnings) - WARNINGS_SHOWN, "warning")]
