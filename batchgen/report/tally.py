"""What this run has done so far, how fast, and how long the rest may take.

Only this run's own completions count: what was done before says nothing about the speed of now.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal

from batchgen import events
from batchgen.events import Event, News
from batchgen.state import RunState, State

WINDOW = 200
"""Speed is measured over so many latest completions, so that it follows a change within a long run."""

_ENDS = (events.Done, events.Failed, events.Unknown, events.Lost, events.Cancelled)


class Tally:
    """Figures of one run, counted from `start` on.

    `ended` counts jobs by the word of the event or the news that ended them; `clock` returns seconds that only grow.
    """

    def __init__(self, state: RunState, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock
        self._todo = 0
        self._began = 0.0
        self._unlisted: set[str] = set()
        self._ends: deque[float] = deque(maxlen=WINDOW)
        self.ended: Counter[str] = Counter()
        self.done_before = 0

    def start(self, todo: int | None = None) -> None:
        """Begin counting; the state must have taken in the run's `run_started`.

        `todo` is how many jobs this run works on. Without it these are the new ones and those in flight: jobs that
        are held (failed, unknown) would never let the count come to its end.
        """
        counts, started = self._state.counts, self._state.last_started
        unlisted = started.unlisted if started else ()
        self._unlisted = {job for job in unlisted if self._state.state_of(job) is State.IN_FLIGHT}
        self._todo = counts["new"] + counts["in_flight"] + len(self._unlisted) if todo is None else todo
        self._began = self._clock()
        self._ends.clear()
        self.ended.clear()
        self.done_before = counts["done"]

    def take(self, happened: Event | News) -> None:
        """Count what happened."""
        if isinstance(happened, _ENDS):
            self._end(happened.word)
            self._unlisted.discard(happened.job)
        elif isinstance(happened, News) and happened.kind == "missing":
            self._end(happened.kind)

    def _end(self, word: str) -> None:
        self.ended[word] += 1
        self._ends.append(self._clock())

    @property
    def total_ended(self) -> int:
        """How many jobs this run has brought to an end, well or not."""
        return self.ended.total()

    @property
    def todo(self) -> int:
        """How many jobs this run works on, ended ones included."""
        return max(self._todo, self.total_ended)

    @property
    def in_flight(self) -> int:
        """How many requests the server has now."""
        return max(0, self._state.counts["in_flight"]) + len(self._unlisted)

    @property
    def queued(self) -> int:
        """How many jobs still wait for their POST."""
        return max(0, self.todo - self.total_ended - self.in_flight)

    @property
    def elapsed(self) -> float:
        """Seconds since `start`."""
        return max(0.0, self._clock() - self._began)

    @property
    def rate(self) -> float | None:
        """Jobs ended per second, over the latest of them up to now; None until one has."""
        full = len(self._ends) == WINDOW
        counted = len(self._ends) - 1 if full else len(self._ends)
        span = self._clock() - (self._ends[0] if full else self._began)
        return counted / span if counted and span > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the present speed; None while that cannot be known."""
        rate = self.rate
        return (self.todo - self.total_ended) / rate if rate else None

    @property
    def cost_usd(self) -> Decimal | None:
        """What the whole ledger has cost or may have; None where no price is known."""
        return self._state.committed_usd or None
