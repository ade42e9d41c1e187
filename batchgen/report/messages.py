"""One line for each thing a person should know of while the run goes on.

Trouble and news of the whole run are always told, each kind at most `LIMIT` times; the course of single jobs only when
asked for (verbose); what repeats with every poll never. A request id that could not be written down stands nowhere
else: it is told every time and whole.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeGuard

from batchgen import events
from batchgen.errors import ErrorInfo, printable
from batchgen.events import Event, News
from batchgen.report.text import duration, shorten
from batchgen.state import RunState

LIMIT = 20
UNWRITTEN = "unwritten"
"""The kind of news that carries a paid request id the ledger could not take."""
TOLD = frozenset({"warning", "missing"})
"""Kinds of news told even where they concern a single job; their texts name it."""
CHATTER = frozenset({"queue", "status", "poll"})
"""Kinds of news that come with every poll."""

_LONGEST_NAME = 60
_TROUBLE = (events.Failed, events.Unknown, events.Lost, events.Cancelled)
_Line = tuple[str, str]
"""What is counted against `LIMIT` (empty: nothing), and the line."""


class Messages:
    """Turns what happened into lines; `state` has already taken it in."""

    def __init__(self, state: RunState, *, verbose: bool = False) -> None:
        self._state = state
        self._verbose = verbose
        self._told: Counter[str] = Counter()

    def take(self, happened: Event | News, width: int) -> str | None:
        """Return the line to tell, at most `width` columns wide, or None where there is nothing to say."""
        if is_unwritten(happened):
            return unwritten_line(happened)
        line = self._news(happened, width) if isinstance(happened, News) else self._event(happened, width)
        if line is None:
            return None
        kind, text = line
        if kind:
            self._told[kind] += 1
            if self._told[kind] == LIMIT + 1:
                return shorten(f"{kind}: more of these; from here on they are counted, not listed", width)
        return shorten(text, width) if not kind or self._told[kind] <= LIMIT else None

    def _news(self, news: News, width: int) -> _Line | None:
        kind = printable(news.kind)
        if kind in CHATTER:
            return None
        if news.job is None or kind in TOLD:
            return kind, f"{kind}: {news.text}"
        return ("", f"{kind}: {self._name(news.job, None, width)}: {news.text}") if self._verbose else None

    def _event(self, event: Event, width: int) -> _Line | None:
        if not isinstance(event, events.JobEvent):
            return None
        if isinstance(event, _TROUBLE) and not (isinstance(event, events.Cancelled) and event.by == "us"):
            return _trouble(event, self._name(event.job, event.attempt, width))
        return _course(event, self._name(event.job, event.attempt, width)) if self._verbose else None

    def _name(self, job: str, attempt: int | None, width: int) -> str:
        known = self._state.jobs.get(job)
        tries = [] if known is None else [one for one in known.attempts if attempt in (None, one.number)]
        return shorten((tries[-1].name if tries else "") or job[:12], min(_LONGEST_NAME, width // 3))


def is_unwritten(happened: Event | News) -> TypeGuard[News]:
    """Tell whether this is a paid request id that stands nowhere else."""
    return isinstance(happened, News) and happened.kind == UNWRITTEN


def unwritten_line(news: News) -> str:
    """Return the line with the request id, uncut."""
    return printable(f"{UNWRITTEN}: {news.text}")


def _trouble(event: events.Failed | events.Unknown | events.Lost | events.Cancelled, name: str) -> _Line:
    match event:
        case events.Failed():
            return f"failed ({printable(event.error.kind)})", f"failed: {name}: {_cause(event.error)}"
        case events.Unknown():
            return "unknown", f"unknown: {name}: may be accepted and paid for; {_cause(event.error)}"
        case events.Lost():
            return "lost", f"lost: {name}: the server no longer knows request {event.request_id}"
        case events.Cancelled():
            return "cancelled", f"cancelled: {name}: by the server"


def _course(event: events.JobEvent, name: str) -> _Line | None:
    match event:
        case events.Submitted():
            return "", f"submitted: {name}: request {event.request_id}"
        case events.Refused():
            again = "" if event.delay is None else f"; again in {duration(event.delay)}"
            return "", f"refused: {name}: {_cause(event.error)}{again}"
        case events.Done():
            return "", f"done: {name}: {', '.join(file.path for file in event.files)}"
        case events.Cancelled():
            return "", f"cancelled: {name}"
    return None


def _cause(error: ErrorInfo) -> str:
    return f"{error.kind} ({error.stage}): {error.message}"
