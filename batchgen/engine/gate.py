"""The one door through which POSTs leave: who waits there, for what, and what wakes them."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterator

from batchgen import errors
from batchgen.engine.capacity import Capacity
from batchgen.engine.context import Context
from batchgen.engine.limits import CoolDown

_TICK_S = 1e-6
"""Waits shorter than this are over: clocks and sums of floats are no finer."""


class Passage:
    """One POST on the wire. What came of it is told once; where nothing is told, it says nothing of the server."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.told = False

    def accepted(self, request_id: str) -> None:
        """The server took it."""
        self.told = True
        self._gate.accepted(request_id)

    def refused(self, error: errors.Refused) -> float:
        """It was certainly not taken. Returns how long nobody submits now, in seconds."""
        self.told = True
        return self._gate.refused(error)


class Gate:
    """Permission to POST: a place at the server, the pace, and the pauses. One waits, the others stand behind it."""

    def __init__(self, context: Context, capacity: Capacity) -> None:
        self._clock = context.clock
        self._stop = context.stop
        self._capacity = capacity
        self._cool_down = CoolDown(context.chance)
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()
        self._looks_again_at = -math.inf
        self._stop.also_set(self._changed)

    async def enter(self) -> bool:
        """Wait for permission and take it; False where there will be none. What was taken is used by `passage`."""
        async with self._line:
            while not (self._stop.posts_ended.is_set() or self._capacity.blocked):
                self._changed.clear()
                now = self._clock()
                wait = self._wait(now)
                if wait < _TICK_S:
                    self._capacity.posting(now)
                    return True
                self._looks_again_at = now + wait
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait if math.isfinite(wait) else None):
                        await self._changed.wait()
        return False

    def _wait(self, now: float) -> float:
        return max(self._cool_down.left(now), self._capacity.wait(now))

    def _tell(self) -> None:
        """Wake who waits, where it may go earlier than it thinks: most of what happens makes no difference to it."""
        now = self._clock()
        if self._capacity.blocked or now + self._wait(now) < self._looks_again_at - _TICK_S:
            self._changed.set()

    @contextlib.contextmanager
    def passage(self) -> Iterator[Passage]:
        """Use the permission of `enter`."""
        passage = Passage(self)
        try:
            yield passage
        finally:
            if not passage.told:
                self.give_back()

    def give_back(self) -> None:
        """Give a permission back that was not used, or whose POST told nothing."""
        self._capacity.unanswered()
        self._tell()

    def accepted(self, request_id: str) -> None:
        """Note that the server took a POST."""
        self._cool_down.accepted()
        self._capacity.accepted(request_id, self._clock())
        self._tell()

    def refused(self, error: errors.Refused) -> float:
        """Note that a POST was certainly not taken: by a server that had enough, or because nobody was there."""
        if error.info.http_status == 429:
            pause = self._capacity.refused(self._clock(), error.retry_after)
        else:
            self._capacity.unanswered()
            pause = self.trouble(error.retry_after)
        self._tell()
        return pause

    def trouble(self, retry_after: float | None = None) -> float:
        """Slow everybody down after a POST without a clear answer. Returns how long nobody submits now, in seconds."""
        return self._cool_down.refused(self._clock(), retry_after)

    def found(self) -> None:
        """Note a request of an earlier run."""
        self._capacity.found()

    def standing(self, request_id: str, place: int | None) -> None:
        """Note where a request was seen in the server's queue; None where it is not there."""
        self._capacity.standing(request_id, place)
        self._tell()

    def ended(self, request_id: str) -> None:
        """Note that a request has left its place at the server."""
        self._capacity.ended(request_id)
        self._tell()

    def left(self) -> None:
        """Note that a request keeps its place for as long as this run lasts."""
        self._capacity.left()
        self._tell()
