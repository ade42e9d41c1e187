"""Listeners that show a run while it goes on, and the choice between them.

All of them take the live RunState, which has taken in an event before they are told of it, and write only to the stream
they are given. None ever raises: a stream that goes away switches its listener off.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

from batchgen import events
from batchgen.events import Event, News
from batchgen.report.messages import Messages, is_unwritten, unwritten_line
from batchgen.report.money import dollars
from batchgen.report.outlet import Outlet
from batchgen.report.tally import Tally
from batchgen.report.text import counted, duration, rough_duration
from batchgen.report.words import rate_words, results, waiting
from batchgen.state import RunState

MODES = ("auto", "bar", "lines", "json", "none")
INTERVAL = 30.0
"""Seconds between two progress lines."""

_STEPS = 10
_WIDTH = 300


class Progress(Protocol):
    """A listener with a beginning and an end."""

    def start(self, todo: int | None = None) -> None:
        """Begin, once the state has taken in `run_started`; `todo` is how many jobs the run works on, if known."""

    def __call__(self, happened: Event | News) -> None:
        """Take notice of what happened."""

    def tick(self) -> None:
        """Show the passing of time; to be called now and then where nothing happens for long."""

    def close(self) -> None:
        """Say the last word and leave the stream in order. Twice is once."""


class _Unpaced:
    """A listener without beginning, pace or end."""

    def __init__(self, stream: TextIO | None) -> None:
        self._outlet = Outlet(stream)

    def start(self, todo: int | None = None) -> None:
        """Do nothing."""

    def tick(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Silent(_Unpaced):
    """Shows nothing but a paid request id that the ledger could not take."""

    def __call__(self, happened: Event | News) -> None:
        """Write the one line that must not be lost."""
        if is_unwritten(happened):
            self._outlet.line(unwritten_line(happened))


class JsonLines(_Unpaced):
    """Writes every event and all news as one JSON object a line, in ASCII, at once.

    Events have the ledger's form; news is {"v", "event": "news", "kind", "text"} and `job` where it concerns one.
    """

    def __call__(self, happened: Event | News) -> None:
        """Write one line."""
        if self._outlet.is_open:
            record = _news_record(happened) if isinstance(happened, News) else events.to_record(happened)
            self._outlet.line(json.dumps(record, separators=(",", ":"), default=str).replace("\x7f", "\\u007f"))


def _news_record(news: News) -> dict[str, object]:
    record: dict[str, object] = {"v": events.VERSION, "event": "news", "kind": news.kind, "text": news.text}
    return record if news.job is None else {**record, "job": news.job}


class Lines:
    """Plain lines for a log or cron: one at the start, one at the end, trouble as it comes.

    In between at most one progress line in `interval` seconds, or for each tenth of the jobs. `stamp` makes what each
    line begins with.
    """

    def __init__(
        self,
        state: RunState,
        stream: TextIO | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        verbose: bool = False,
        interval: float = INTERVAL,
        stamp: Callable[[], str] = str,
    ) -> None:
        self._outlet = Outlet(stream, stamp)
        self._clock = clock
        self._interval = interval
        self._tally = Tally(state, clock)
        self._messages = Messages(state, verbose=verbose)
        self._running = False
        self._step = 0
        self._last = 0.0

    def start(self, todo: int | None = None) -> None:
        """Write the first line."""
        self._tally.start(todo)
        self._running, self._last, self._step = True, self._clock(), 0
        self._outlet.line(start_line(self._tally))

    def __call__(self, happened: Event | News) -> None:
        """Write what is worth a line."""
        self._tally.take(happened)
        if (line := self._messages.take(happened, _WIDTH)) is not None:
            self._outlet.line(line)
        self.tick()

    def tick(self) -> None:
        """Write a progress line if one is due."""
        if not self._running:
            return
        tally, now = self._tally, self._clock()
        step = tally.total_ended * _STEPS // max(1, tally.todo)
        left = tally.total_ended < tally.todo
        if left and (step > self._step or now - self._last >= self._interval):
            self._step, self._last = step, now
            self._outlet.line(progress_line(tally))

    def close(self) -> None:
        """Write the last line."""
        if self._running:
            self._running = False
            self._outlet.line(end_line(self._tally))


def start_line(tally: Tally) -> str:
    """Return what a run begins with."""
    before = f"; {tally.done_before} done before" if tally.done_before else ""
    in_flight = f", {tally.in_flight} of them in flight" if tally.in_flight else ""
    return f"started: {counted(tally.todo, 'job')} to do{in_flight}{before}"


def progress_line(tally: Tally) -> str:
    """Return how the run stands."""
    parts = [f"{tally.total_ended} of {tally.todo}: {', '.join([*results(tally), *waiting(tally)])}"]
    if (rate := tally.rate) is not None:
        parts.append(rate_words(rate))
    if (left := tally.seconds_left) is not None:
        parts.append(f"about {rough_duration(left)} left")
    if (cost := tally.cost_usd) is not None:
        parts.append(f"committed {dollars(cost)}")
    return "; ".join(parts)


def end_line(tally: Tally) -> str:
    """Return what the run has come to."""
    return f"ended after {duration(tally.elapsed)}: {', '.join([*results(tally), *waiting(tally)])}"


def pick(
    mode: str,
    state: RunState,
    stream: TextIO | None,
    clock: Callable[[], float] = time.monotonic,
    *,
    quiet: bool = False,
    verbose: bool = False,
    environ: Mapping[str, str],
) -> Progress:
    """Return the listener for `mode`, one of `MODES`.

    auto is the bar on a terminal that can redraw a line, else lines. `quiet` silences everything but json. Nothing here
    has a colour, so there is nothing for NO_COLOR to take away.
    """
    if mode not in MODES:
        raise ValueError(f"progress {mode!r} is none of {', '.join(MODES)}")
    if mode == "json":
        return JsonLines(stream)
    if mode == "none" or quiet:
        return Silent(stream)
    if mode == "bar" or (mode == "auto" and _redraws(stream, environ)):
        from batchgen.report.bar import Bar  # tqdm is loaded where a bar is drawn

        return Bar(state, stream, clock, verbose=verbose)
    return Lines(state, stream, clock, verbose=verbose)


def _redraws(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    return Outlet(stream).isatty() and environ.get("TERM") not in (None, "", "dumb")
