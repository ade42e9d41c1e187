"""When to ask again: learned per kind of request, and told by its place in the queue. Pure arithmetic, no waiting.

A request's age counts from when it began to run: from its acceptance, or from when it left the server's queue. All
that is ever known of an end is that it lies between two reads. Times are seconds on any clock that only grows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from batchgen.engine.hazard import LONGEST_S, Hazard

BACKOFF_FIRST_S = 0.5
BACKOFF_LONGEST_S = 30.0

MOST_KINDS = 256
"""So many kinds are remembered; the one that was first seen longest ago makes room for another."""

QUEUE_SHARE = 0.8
"""The share of the time that a place in the queue should take after which it is asked about again."""

_QUEUE_MEMORY = 0.95
"""What one more end leaves of the weight of those before it, where the queue's pace is concerned."""

Kind = Hashable
"""What requests that take about as long have in common, such as model and price."""


def backoff(failures: int, chance: float, retry_after: float | None = None) -> float:
    """Return how long to wait after the `failures`-th failure in a row (from 1), in seconds.

    Doubles from `BACKOFF_FIRST_S` to `BACKOFF_LONGEST_S`; `chance` in [0, 1) spreads it over the upper half ("equal
    jitter"), so that clients which failed together do not come back together. A server's `retry_after` is a floor.
    """
    ceiling = min(BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 16), BACKOFF_LONGEST_S)
    return max(ceiling * (0.5 + 0.5 * chance), retry_after or 0.0)


@dataclass(slots=True)
class Course:
    """What is known of one request's time at the server.

    It began to run at `began`, as far as that is known, and still ran (or queued) at `seen`. `queued` says whether the
    last read found it in the queue, `place` where (1 is next). `followed` is False as long as nobody has asked since
    it was accepted, as for a request of an earlier run: how it ended says nothing about when.
    """

    kind: Kind
    began: float
    seen: float
    followed: bool = True
    queued: bool = False
    place: int | None = None


class Polling:
    """What one run knows of how long its requests take.

    `taken` are seconds that requests of each kind took in earlier runs, oldest first.
    """

    def __init__(self, taken: Iterable[tuple[Kind, Iterable[float]]] = ()) -> None:
        self._hazards: dict[Kind, Hazard] = {}
        self._ends = 0.0
        self._seconds = 0.0
        self._last_end: float | None = None
        for kind, times in taken:
            for seconds in times:
                self._hazard(kind).ended(0.0, 2 * seconds)

    def accepted(self, kind: Kind, now: float, age: float = 0.0) -> Course:
        """Return the course of a request that the server took `age` seconds ago."""
        return Course(kind, now - age, now - age, followed=age == 0.0)

    def wait(self, course: Course, now: float) -> float:
        """Return how long to wait from now until the next read of this request.

        One in the queue cannot end before those in front of it have, and then has its whole run before it.
        """
        hazard = self._hazard(course.kind)
        if not course.queued:
            return hazard.wait(max(0.0, now - course.began))
        return min(QUEUE_SHARE * self._until_its_turn(course) + hazard.wait(0.0), LONGEST_S)

    def pending(self, course: Course, now: float, *, queued: bool = False, place: int | None = None) -> None:
        """Note that a read found a request unfinished, and where it stood in the queue."""
        if queued:
            course.queued, course.place, course.began = True, place, now
        else:
            if course.queued:
                course.began = min(course.seen + self._until_its_turn(course), now)
                course.queued, course.place, course.seen = False, None, course.began
            self._hazard(course.kind).ran(course.seen - course.began, now - course.began)
        course.seen, course.followed = now, True

    def ended(self, course: Course, now: float) -> None:
        """Note that a read found a request at its end."""
        if course.queued:
            course.began = course.seen = min(course.seen + self._until_its_turn(course), now)
        if course.followed:
            self._hazard(course.kind).ended(course.seen - course.began, now - course.began)
        self._note_pace(now)

    def _until_its_turn(self, course: Course) -> float:
        """Return the seconds from `course.seen` until it should have left the queue; 0 where nothing tells."""
        if course.place is None or self._ends < 1:
            return 0.0
        return course.place * self._seconds / self._ends

    def _note_pace(self, now: float) -> None:
        """The ends of our own requests are the least that the queue moves by."""
        if self._last_end is not None:
            self._ends = _QUEUE_MEMORY * self._ends + 1
            self._seconds = _QUEUE_MEMORY * self._seconds + (now - self._last_end)
        self._last_end = now

    def _hazard(self, kind: Kind) -> Hazard:
        known = self._hazards.get(kind)
        if known is None:
            if len(self._hazards) >= MOST_KINDS:
                del self._hazards[next(iter(self._hazards))]
            known = self._hazards[kind] = Hazard()
        return known
