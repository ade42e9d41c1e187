"""The progress bar of a terminal: tqdm draws it, the words beside it are ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

from tqdm import tqdm

from batchgen.events import Event, News
from batchgen.report.messages import Messages
from batchgen.report.money import dollars
from batchgen.report.outlet import PLAIN_COLUMNS, Outlet
from batchgen.report.tally import Tally
from batchgen.report.text import columns, rough_duration
from batchgen.report.words import rate_words, results, waiting
from batchgen.state import RunState

REDRAW = 0.2
"""Seconds between two redraws, at least."""

_BAR_COLUMNS = 6
_EDGE_COLUMNS = 6
"""The percentage and the spaces around the bar."""


class Bar:
    """Shows this run's jobs as a bar with done, failed, in flight, queued, speed, time left and cost.

    Messages stand above the bar. Parts that a narrow terminal has no room for are left out, the least telling first.
    `width` returns the terminal's columns now; by default the stream is asked.
    """

    def __init__(
        self,
        state: RunState,
        stream: TextIO | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        verbose: bool = False,
        redraw: float = REDRAW,
        width: Callable[[], int] | None = None,
    ) -> None:
        self._outlet = Outlet(stream)
        self._width = width or self._outlet.columns
        self._tally = Tally(state, clock)
        self._messages = Messages(state, verbose=verbose)
        self._redraw = redraw
        self._meter: _Meter | None = None

    def start(self, todo: int | None = None) -> None:
        """Draw the empty bar, if there is anything to do."""
        self._tally.start(todo)
        if self._meter is None and self._tally.todo:
            self._meter = _Meter(self._tally, self._outlet, self._width, self._redraw)

    def __call__(self, happened: Event | News) -> None:
        """Count it, tell it if it is worth a line, and redraw now and then."""
        if not self._outlet.is_open:
            return
        self._tally.take(happened)
        if (line := self._messages.take(happened, max(PLAIN_COLUMNS, self._width()) - 1)) is not None:
            self._say(line)
        self.tick()

    def _say(self, line: str) -> None:
        if self._meter is None:
            self._outlet.line(line)
        else:
            self._meter.write(line, file=self._outlet)

    def tick(self) -> None:
        """Redraw if the last time is long enough ago."""
        if self._meter is not None:
            self._meter.show()

    def close(self) -> None:
        """Take the bar away; the closing summary says what it said."""
        if self._meter is not None:
            self._meter.close()
            self._meter = None


class _Meter(tqdm):  # type: ignore[type-arg]  # generic in its stubs only
    """tqdm with the Tally's words; no monitor thread, and no lock shared with other processes."""

    monitor_interval = 0

    def __init__(self, tally: Tally, outlet: Outlet, width: Callable[[], int], redraw: float) -> None:
        self._tally = tally
        self._width = width
        super().__init__(
            total=tally.todo,
            file=outlet,
            leave=False,
            position=0,
            nrows=20,
            mininterval=redraw,
            miniters=0,
            bar_format="{percent:3}% {bar} {facts}",
        )

    def show(self) -> None:
        """Take over the Tally's figures and redraw if it is time to."""
        self.n, self.total = self._tally.total_ended, self._tally.todo
        self.update(0)

    @property
    def format_dict(self) -> MutableMapping[str, Any]:
        """tqdm's figures with ours, for a line one column shorter than the terminal's, which never wraps."""
        figures = super().format_dict
        room = max(1, self._width() - 1)
        percent = 100 * self._tally.total_ended // max(1, self._tally.todo)
        figures.update(ncols=room, percent=percent, facts=facts(self._tally, room - _BAR_COLUMNS - _EDGE_COLUMNS))
        return figures


_Meter.set_lock(threading.RLock())


def facts(tally: Tally, room: int) -> str:
    """Return the words beside the bar in at most `room` columns, leaving out what tells least."""
    _, *others = results(tally)
    in_flight_and_queued = waiting(tally)
    parts = [f"{tally.ended['done']}/{tally.todo} done", *others, *in_flight_and_queued]
    expendable = []
    if (rate := tally.rate) is not None:
        parts.append(rate_words(rate))
        expendable.append(parts[-1])
    expendable += reversed(in_flight_and_queued)
    if (left := tally.seconds_left) is not None:
        parts.append(f"{rough_duration(left)} left")
    if (cost := tally.cost_usd) is not None:
        parts.append(dollars(cost))
        expendable.append(parts[-1])
    for part in expendable:
        if columns(", ".join(parts)) <= room:
            break
        parts.remove(part)
    return ", ".join(parts)
