"""Ledgers of every kind for the folds: ordinary jobs, odd ones, mistakes; and all that a fold says, to compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import orjson
from hypothesis import strategies as st

from batchgen.errors import LedgerError
from batchgen.state import RunState, State

Line = dict[str, object]
JOBS = [f"{number:032x}" for number in range(5)]
ERROR = {"kind": "k", "stage": "run", "message": "m"}
FILE = {"path": "images/a.png", "bytes": 5, "sha256": "h", "format": "png"}
MADE = {"model": "m", "prompt": "p", "settings": {}, "tags": {}}

EVENTS: Mapping[str, Line] = {
    "submitting": {"index": 1, "name": "n", "repeat": 1, "cost_estimate_usd": 0.08, **MADE},
    "submitted": {"request_id": "r", "api": "sandbox"},
    "done": {
        "request_id": "r",
        "files": [FILE],
        "cost_usd": 0.11,
        "cost_estimate_usd": 0.08,
        "timing": {
            "created_at": "2026-01-02T03:00:01Z",
            "finished_at": "2026-01-02T03:00:04Z",
            "submitted": "2026-01-02T03:00:00Z",
        },
        **MADE,
    },
    "refused": {"error": ERROR},
    "unknown": {"error": ERROR},
    "failed": {"error": ERROR, "request_id": "r"},
    "lost": {"request_id": "r"},
    "cancelled": {"request_id": "r", "by": "us"},
    "attached": {"request_id": "r2", "api": "other"},
    "settled": {"how": "not_sent"},
}
STARTED: Line = {
    "event": "run_started",
    "version": "1",
    "name": "n",
    "manifest": "h",
    "api": "sandbox",
    "counts": {"jobs": 5, "new": 5},
    "host": "h",
    "pid": 1,
    "boot_id": "b",
    "unlisted": [JOBS[0]],
}
FINISHED: Line = {"event": "run_finished", "counts": {}, "exit_code": 0, "reason": "r", "cost_usd": 1}

CHANGES: list[Line] = [
    {"cost_usd": None},
    {"cost_usd": 0.2, "request_id": "other"},
    {"cost_estimate_usd": None},
    {"cost_estimate_usd": 1},
    {"cost_usd": 10**30},
    {"settings": {"wide": 2**70}},
    {"tags": {"wide": [2**65]}},
    {"files": []},
    {"files": [FILE, {**FILE, "path": "images/a_2.png"}]},
    {"files": [{**FILE, "path": "images/\x1f\x1d.png"}]},
    {"name": "n\x1e"},
    {"model": "other"},
    {"attempt": 2},
    {"timing": {"created_at": "2026-01-02T03:00:01Z", "finished_at": 7}},
    {"timing": {"created_at": "2026-01-02T03:00:01Z", "finished_at": "2026-01-02T03:00:02Z", "submitted": "2026"}},
    {"timing": None},
    {"error": {**ERROR, "stage": "file"}},
    {"by": "server"},
    {"how": "lost"},
    {"job": "not hexadecimal"},
]
MISTAKES: list[Line] = [
    {"attempt": "one"},
    {"attempt": 1.0},
    {"attempt": None},
    {"job": 7},
    {"job": None},
    {"job": [JOBS[1]]},
    {"time": 3},
    {"name": 3},
    {"request_id": None},
    {"cost_usd": "free"},
    {"cost_usd": True},
    {"files": [7]},
    {"files": [{**FILE, "bytes": "5"}]},
    {"api": 1},
    {"timing": "long"},
    {"error": {}},
]


def line(number: int, content: Mapping[str, object]) -> bytes:
    """Return a line of this content, of its own millisecond."""
    record = {"v": 1, "time": f"2026-01-02T03:04:05.{number:03}Z", **content}
    try:
        return orjson.dumps({key: value for key, value in record.items() if value is not None}) + b"\n"
    except orjson.JSONEncodeError:
        return json.dumps({key: value for key, value in record.items() if value is not None}).encode() + b"\n"


def event(word: str, job: str, **changes: object) -> Line:
    """Return an event of a job's first attempt."""
    named = {"name": f"{job[-2:]}"} if word == "submitting" else {}
    return {"event": word, "job": job, "attempt": 1, **EVENTS[word], **named, **changes}


@st.composite
def histories(draw: st.DrawFn) -> bytes:
    """Return the lines of a ledger: most jobs ordinary, some not, interleaved, and now and then odd."""
    ways = []
    for job in draw(st.permutations(JOBS)):
        words = ["submitting", "submitted", "done"]
        if draw(st.booleans()):
            words = draw(st.lists(st.sampled_from(list(EVENTS)), max_size=5))
        ways.append([event(word, job) for word in words])
    ways.append([{**STARTED} for _ in range(draw(st.integers(0, 2)))] + [{**FINISHED}] * draw(st.integers(0, 1)))
    ways.append([{"event": "teleported"}] * draw(st.integers(0, 1)))
    found: list[Line] = []
    while any(ways):
        found.append(draw(st.sampled_from([way for way in ways if way])).pop(0))
    for _ in range(draw(st.integers(0, 2)) if found else 0):
        draw(st.sampled_from(found)).update(draw(st.sampled_from(CHANGES)))
    if found and draw(st.integers(0, 4)) == 0:
        draw(st.sampled_from(found)).update(draw(st.sampled_from(MISTAKES)))
    made = [line(number, content) for number, content in enumerate(found)]
    if made and draw(st.integers(0, 4)) == 0:
        made.insert(draw(st.integers(0, len(made))), draw(st.sampled_from([b"garbage\n", b'{"v":1}\n', b"{", b"\0\n"])))
    return b"".join(made)


def story(*words: str, **changed: object) -> bytes:
    """Return a ledger of these events of one job, the second one `changed`."""
    made = [event(word, "a" * 32, **(changed if place == 1 else {})) for place, word in enumerate(words)]
    return b"".join(line(number, one) for number, one in enumerate(made))


def said(read: Callable[[], RunState]) -> object:
    """Return everything a fold says, or the mistake it tells of."""
    try:
        state = read()
    except LedgerError as error:
        return str(error)
    jobs = {job: known.attempts for job, known in state.jobs.items()}
    loose = [job for job in state.jobs.loose if state.state_of(job) is not State.DONE]
    return (
        jobs,
        loose,
        {word: count for word, count in state.counts.items() if count},
        state.committed_usd,
        state.dearest,
        state.last_started,
        state.last_finished,
        state.last_time,
        {*state.names()},
        state.apis(),
        state.models_done(),
        {tier: list(seconds) for tier, seconds in state.taken.seconds.items()},
        +state.estimated,
        state.spent_usd,
        state.unlisted,
        state.run_command_line,
    )


def ordinary(jobs: int) -> bytes:
    """Return the ledger of a run whose jobs are all done."""
    ids = [f"{number:032x}" for number in range(jobs)]
    lines = [
        line(1, STARTED),
        *(line(2, event(word, job)) for job in ids for word in ("submitting", "submitted", "done")),
    ]
    return b"".join(lines)
