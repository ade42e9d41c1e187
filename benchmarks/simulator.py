"""A discrete-event simulation of one batch: places, POSTs, reads and a server, all in arithmetic.

No clock is read and nothing is drawn here: the same jobs and rules give the same figures everywhere. Rules of polling
and of concurrency are given as objects, the engine's own or others. Times are seconds since the start; the lag of a
request is from its end to the moment at which the read that notices it reaches the server.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from batchgen.engine.limits import ReadPace
from batchgen.engine.polling import Course, Kind

Laws = Mapping[str, tuple[float, float]]
"""How long each kind of request runs, as a lognormal: mean in seconds, and sigma of the logarithm."""


@dataclass(frozen=True, slots=True)
class SimJob:
    """A job to simulate: what kind it is and how many seconds it runs."""

    kind: str
    service: float


def draw(seed: int, count: int, laws: Laws) -> list[SimJob]:
    """Draw jobs, each of a kind by chance."""
    chance = random.Random(seed)  # noqa: S311 - simulated times are no secrets
    names = sorted(laws)
    drawn = []
    for _ in range(count):
        kind = chance.choice(names)
        mean, sigma = laws[kind]
        drawn.append(SimJob(kind, mean * math.exp(chance.gauss(0, sigma) - sigma * sigma / 2)))
    return drawn


@dataclass(slots=True)
class Server:
    """What takes requests: `slots` run at once and the rest queue; beyond `cap` in flight or `rate` a second, 429.

    The rate is a bucket that holds `burst`. `noise` is the share of POSTs refused by `chance`, whatever else holds. A
    request's number is its place in `starts` and `ends`.
    """

    slots: int | None = None
    cap: int | None = None
    rate: float | None = None
    burst: float = 5.0
    noise: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - simulated, no secret
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    _free: list[float] = field(default_factory=list)
    _unfinished: list[float] = field(default_factory=list)
    _tokens: float = math.inf
    _filled: float = 0.0

    def accept(self, service: float, now: float) -> int | None:
        """Take a request and return its number, or None for a 429."""
        while self._unfinished and self._unfinished[0] <= now:
            heapq.heappop(self._unfinished)
        if self.noise and self.chance.random() < self.noise:
            return None
        if (self.cap is not None and len(self._unfinished) >= self.cap) or not self._token(now):
            return None
        start = now
        if self.slots is not None and len(self._free) >= self.slots:
            start = max(now, heapq.heappop(self._free))
        heapq.heappush(self._free, start + service)
        heapq.heappush(self._unfinished, start + service)
        self.starts.append(start)
        self.ends.append(start + service)
        return len(self.ends) - 1

    def place(self, number: int, now: float) -> int | None:
        """Return a request's place in the queue, 1 for the next, None where it does not queue."""
        return number - bisect_right(self.starts, now) + 1 if self.starts[number] > now else None

    def busy(self, until: float) -> float:
        """Return the seconds that requests have run until then, all together."""
        return sum(min(end, until) - start for start, end in zip(self.starts, self.ends, strict=True) if start < until)

    def _token(self, now: float) -> bool:
        if self.rate is None:
            return True
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Rule(Protocol):
    """When to read: the engine's `Polling`, or a rival."""

    def accepted(self, kind: Kind, now: float, age: float = 0.0) -> Course: ...
    def wait(self, course: Course, now: float) -> float: ...
    def pending(self, course: Course, now: float, *, queued: bool = False, place: int | None = None) -> None: ...
    def ended(self, course: Course, now: float) -> None: ...


class Gate(Protocol):
    """When to submit: the engine's `Capacity`, or a rival."""

    def wait(self, now: float) -> float: ...
    def posting(self, now: float) -> None: ...
    def accepted(self, request: Hashable, now: float) -> None: ...
    def refused(self, now: float, retry_after: float | None = None) -> float: ...
    def standing(self, request: Hashable, place: int | None) -> None: ...
    def ended(self, request: Hashable) -> None: ...


@dataclass(slots=True)
class Simulation:
    """One batch of jobs from its first POST to the notice of its last end, at `now`.

    `status_first`: an end is noticed by one read and known by another. `reads_per_second`: the pace of all reads.
    """

    jobs: Sequence[SimJob]
    rule: Rule
    gate: Gate
    server: Server = field(default_factory=Server)
    round_trip: float = 0.0
    status_first: bool = False
    reads_per_second: float = math.inf
    now: float = 0.0
    refusals: int = 0
    lags: list[float] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    last_accepted: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    _waiting: deque[SimJob] = field(default_factory=deque)
    _wake_at: float = math.inf
    _pace: ReadPace | None = None

    def run(self) -> Simulation:
        """Play everything."""
        self._waiting.extend(self.jobs)
        if math.isfinite(self.reads_per_second):
            self._pace = ReadPace(self.reads_per_second)
        self._submit()
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        return self

    def _at(self, seconds: float, happen: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, happen))

    def _submit(self) -> None:
        while self._waiting:
            wait = self.gate.wait(self.now)
            if wait > 0:
                if self.now + wait < self._wake_at:
                    self._wake_at = self.now + wait
                    self._at(wait, self._woken)
                return
            self.gate.posting(self.now)
            job = self._waiting.popleft()
            self._at(self.round_trip / 2, lambda job=job: self._arrive(job))  # type: ignore[misc]

    def _woken(self) -> None:
        if self.now >= self._wake_at:
            self._wake_at = math.inf
        self._submit()

    def _arrive(self, job: SimJob) -> None:
        number = self.server.accept(job.service, self.now)
        self._at(self.round_trip / 2, lambda: self._answer(job, number))

    def _answer(self, job: SimJob, number: int | None) -> None:
        if number is None:
            self.refusals += 1
            self.gate.refused(self.now)
            self._waiting.appendleft(job)
        else:
            self.gate.accepted(number, self.now)
            self.last_accepted = self.now
            course = self.rule.accepted(job.kind, self.now)
            self._next_read(course, number, 1)
        self._submit()

    def _next_read(self, course: Course, number: int, reads: int) -> None:
        self._at(self.rule.wait(course, self.now), lambda: self._read(course, number, reads))

    def _read(self, course: Course, number: int, reads: int) -> None:
        wait = self._pace.take(self.now) if self._pace else 0.0
        self._at(wait + self.round_trip / 2, lambda: self._look(course, number, reads))

    def _look(self, course: Course, number: int, reads: int) -> None:
        late, place = self.now - self.server.ends[number], self.server.place(number, self.now)
        self._at(self.round_trip / 2, lambda: self._seen(course, number, reads, late, place))

    def _seen(self, course: Course, number: int, reads: int, late: float, place: int | None) -> None:
        if late < 0:
            self.rule.pending(course, self.now, queued=place is not None, place=place)
            self.gate.standing(number, place)
            self._submit()
            self._next_read(course, number, reads + 1)
            return
        self.rule.ended(course, self.now)
        self.lags.append(late)
        self.reads.append(reads + self.status_first)
        self._at(self.round_trip if self.status_first else 0.0, lambda: self._freed(number))

    def _freed(self, number: int) -> None:
        self.gate.ended(number)
        self._submit()
