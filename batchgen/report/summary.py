"""What a run has come to: `summary.json` for programs, the closing lines for the person who has to act on it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from batchgen import events
from batchgen.errors import printable
from batchgen.report.doubts import doubt_lines
from batchgen.report.expiry import expiry_words, is_old
from batchgen.report.money import cost_words, number
from batchgen.report.survey import Cause, Doubt, Survey, counts_of, survey
from batchgen.report.text import counted, duration, more, quoted, shorten
from batchgen.state import RunState

CAUSES_SHOWN = 3
DOUBTS_SHOWN = 3
REASON_COLUMNS = 480
"""More than a terminal's line: the end of a reason says how to mend it, and in a mail nothing else does."""

_NEXT_STEPS: Mapping[int, str] = {
    3: "to go on (where a cost limit was reached, raise it first)",
    5: "add balance on runcomfy.com, then",
    69: "once that is over or mended",
    73: "make the run directory writable and free some space, then",
    77: "put a valid token into RUNCOMFY_TOKEN or the token file, then",
    129: "to go on",
    130: "to go on",
    143: "to go on",
}
"""What comes before the resuming command, by exit code; the codes themselves are the command line's."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Exact command lines that act on this run. An empty one is not offered.

    `attach` and `settle` decide unknown submissions: found on the server's page, or not there.
    """

    resume: str
    fetch: str
    retry: str
    resubmit: str
    attach: str = ""
    settle: str = ""


def summary(
    state: RunState,
    *,
    exit_code: int,
    reason: str,
    goes_on: bool,
    started: float,
    ended: float,
    run_dir: str | PurePath,
) -> dict[str, object]:
    """Return the JSON object of `summary.json`: nothing in it tells of prompts, so that it may be sent to a monitor.

    `started` and `ended` are Unix seconds; `goes_on` says that no person is needed before the next run.
    """
    return {
        "name": state.last_started.name if state.last_started else "",
        "run_dir": str(run_dir),
        "command": state.last_started.command if state.last_started else "",
        **counts_of(state),
        "oldest_in_flight_s": survey(state).oldest_in_flight_s(ended),
        "cost_usd": number(state.committed_usd),
        "exit_code": exit_code,
        "reason": reason,
        "goes_on": goes_on,
        "started": events.stamp(started),
        "finished": events.stamp(ended),
        "duration_s": round(max(0.0, ended - started), 3),
    }


def closing(
    state: RunState,
    *,
    exit_code: int,
    reason: str,
    started: float,
    ended: float,
    run_dir: str | PurePath,
    commands: Commands,
) -> list[str]:
    """Return the last lines of a run: what was made and where, what was not and why, what it cost, what to do next.

    `reason` is a sentence for people. Counts are of the selected jobs; causes and unknown submissions are those of the
    whole ledger, whose money they are.
    """
    found = survey(state)
    return [
        *_outcome(state, exit_code, reason, ended - started),
        _made(state, found, run_dir),
        f"cost: {cost_words(state.committed_usd, found.estimated_usd, found.unpriced)}",
        *_failures(state, found, commands),
        *_doubts(found.doubts, commands),
        *_rest(state, found.oldest_in_flight_s(ended), commands),
        *_next_step(exit_code, commands),
    ]


def _outcome(state: RunState, exit_code: int, reason: str, seconds: float) -> list[str]:
    name = shorten(state.last_started.name, 40) if state.last_started else "run"
    not_sent = f", {state.counts['new']} not sent" if state.counts["new"] else ""
    jobs = counted(state.counts["jobs"], "job")
    line = f"{name}: {state.counts['done']} of {jobs} done after {duration(seconds)}{not_sent}"
    return [line, f"exit code {exit_code}: {shorten(reason, REASON_COLUMNS)}"] if exit_code else [line]


def _made(state: RunState, found: Survey, run_dir: str | PurePath) -> str:
    before = state.last_started.counts.get("done", 0) if state.last_started else 0
    new = state.counts["done"] - before
    folder = printable(str(PurePath(run_dir) / "images"))
    of_this_run = f" ({counted(new, 'job')} done by this run)" if before and new > 0 else ""
    return f"made: {counted(found.files, 'file')} in {folder}{of_this_run}" if found.files else "made: nothing yet"


def _failures(state: RunState, found: Survey, commands: Commands) -> list[str]:
    counts = state.counts
    lines = []
    if found.causes:
        elsewhere = found.failed - counts["failed"]
        lines.append(
            f"failed: {counted(found.failed, 'job')}"
            + (f", {elsewhere} of them not selected by this run" if elsewhere > 0 else "")
        )
        lines += cause_lines(found.causes, CAUSES_SHOWN)
    gone = [f"{counted(counts[word], 'job')} {word}" for word in ("lost", "cancelled") if counts[word]]
    if gone:
        lines.append(f"not made: {', '.join(gone)}")
    return [*lines, *_command("to try these again", commands.retry)] if lines else []


def cause_lines(causes: list[Cause], shown: int) -> list[str]:
    """Return two lines for each of the first causes: how often and what the server said, then one example."""
    lines = []
    for cause in causes[:shown]:
        lines.append(f"  {cause.jobs} x {shorten(cause.kind, 40)} ({cause.stage}): {shorten(cause.message, 120)}")
        example = f"{shorten(cause.name, 24)} {quoted(cause.prompt, 36)}" if cause.prompt else shorten(cause.name, 60)
        lines.append(f"      {'for example ' if cause.jobs > 1 else ''}{example}")
    return [*lines, *more(len(causes) - shown, "cause")]


def _doubts(doubts: list[Doubt], commands: Commands) -> list[str]:
    if not doubts:
        return []
    return [
        *doubt_lines(doubts, DOUBTS_SHOWN),
        "  look for them on the Generations page of runcomfy.com, then decide:",
        *_command("found there", commands.attach),
        *_command("not there", commands.settle),
        *_command("send again, at the risk of paying twice", commands.resubmit),
    ]


def _rest(state: RunState, oldest_s: float | None, commands: Commands) -> list[str]:
    counts = state.counts
    lines = []
    if counts["in_flight"]:
        fetch = f"; to collect them: {printable(commands.fetch)}" if commands.fetch else ""
        kept = expiry_words(oldest_s) if oldest_s is not None and is_old(oldest_s) else "kept about 7 days"
        lines.append(f"in flight: {counted(counts['in_flight'], 'job')} at the server, {kept}{fetch}")
    if counts["missing"]:
        lines.append(f"missing: files of {counted(counts['missing'], 'done job')}, here and at the server")
    return lines


def _next_step(exit_code: int, commands: Commands) -> list[str]:
    step = _NEXT_STEPS.get(exit_code)
    return [f"{step}: {printable(commands.resume)}"] if step and commands.resume else []


def _command(purpose: str, command: str) -> list[str]:
    return [f"  {purpose}: {printable(command)}"] if command else []
