"""The rule of the queue: which request runs when. Pure: every time is an argument, in seconds since the epoch.

Requests take slots in the order they were accepted; each starts at its acceptance or when the first slot frees,
whichever is later, and runs for its own service time. What has started never changes; cancelling a queued request or
changing the number of slots plans the still queued ones anew.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist


class Phase(StrEnum):
    """What `/status` calls the states of a request."""

    IN_QUEUE = "in_queue"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Turn:
    """When one request runs. `start` is a plan until it has come, and void once `cancelled`."""

    accepted: float
    service: float
    start: float
    cancelled: float | None = None

    @property
    def finish(self) -> float:
        """When the run is over."""
        return self.start + self.service

    def phase(self, now: float) -> Phase:
        """The state at `now`."""
        if self.cancelled is not None:
            return Phase.CANCELLED
        if self.start > now:
            return Phase.IN_QUEUE
        return Phase.IN_PROGRESS if self.finish > now else Phase.COMPLETED


def service_time(request_id: str, mean: float, spread: float) -> float:
    """Seconds the request runs: `mean` times a lognormal factor of mean 1 and sigma `spread`, drawn from the id."""
    digest = hashlib.sha256(request_id.encode()).digest()
    uniform = (int.from_bytes(digest[:6], "big") + 0.5) / 2**48
    return mean * math.exp(spread * NormalDist().inv_cdf(uniform) - spread * spread / 2)


class Schedule:
    """The turns of all requests, by number from 0 in order of acceptance. Times given must never go back."""

    def __init__(self, slots: int = 1) -> None:
        self._slots = slots
        self._free = [0.0] * slots  # a heap: when each slot is next free
        self._turns: list[Turn] = []
        self._live: list[int] = []  # the numbers not cancelled, ascending
        self._starts: list[float] = []  # beside _live; ascending, because places are taken in order
        self._oldest = 0  # every place in _live before this one is known to be finished

    def accept(self, at: float, service: float) -> int:
        """Queue a request and return its number."""
        number = len(self._turns)
        start = self._take(at, service)
        self._turns.append(Turn(at, service, start))
        self._live.append(number)
        self._starts.append(start)
        return number

    def cancel(self, number: int, at: float) -> bool:
        """Cancel a request if it is still queued at `at`; False, and no change, if it is not."""
        turn = self._turns[number]
        if turn.phase(at) is not Phase.IN_QUEUE:
            return False
        place = bisect_left(self._live, number)
        del self._live[place], self._starts[place]
        self._turns[number] = replace(turn, cancelled=at)
        self._replan(at)
        return True

    def resize(self, slots: int, at: float) -> None:
        """Serve `slots` requests at once from `at` on; what runs by then runs on."""
        self._slots = slots
        self._replan(at)

    def turn(self, number: int) -> Turn:
        """The turn of one request."""
        return self._turns[number]

    def position(self, number: int, now: float) -> int | None:
        """1 for the request that starts next, 2 for the one after it; None when it is not queued."""
        if self._turns[number].phase(now) is not Phase.IN_QUEUE:
            return None
        return bisect_left(self._live, number) - bisect_right(self._starts, now) + 1

    def _take(self, accepted: float, service: float) -> float:
        start = max(accepted, self._free[0])
        heapq.heapreplace(self._free, start + service)
        return start

    def _replan(self, at: float) -> None:
        first_queued = bisect_right(self._starts, at)
        while self._oldest < first_queued and self._turns[self._live[self._oldest]].finish <= at:
            self._oldest += 1
        finishes = (self._turns[number].finish for number in self._live[self._oldest : first_queued])
        busy = sorted(finish for finish in finishes if finish > at)[-self._slots :]
        self._free = [at] * (self._slots - len(busy)) + busy  # sorted, so a heap
        for place in range(first_queued, len(self._live)):
            turn = self._turns[self._live[place]]
            start = self._take(turn.accepted, turn.service)
            self._turns[self._live[place]] = replace(turn, start=start)
            self._starts[place] = start
