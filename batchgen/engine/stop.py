"""How a run comes to its end before its work does.

Two steps, each final: `end_posts` (no new POST; everything in flight goes on) and `leave` (stop waiting; what is in
flight stays with the server). POSTs on the wire are always awaited: to their own timeout, or, once `hurry` is asked
for, a few seconds.
"""

from __future__ import annotations

import asyncio

from batchgen.engine.cause import Cause, Why, cause_of

__all__ = ["Cause", "Stop", "Why", "cause_of"]

_SPARING = frozenset({Why.MAX_COST, Why.MAX_JOBS, Why.WAIT, Why.FAILING})
"""Causes that leave alone what already has its permission."""


class Stop:
    """The one place that knows whether the run still goes on, and why not.

    `cancel_queued` asks that what still queues at the server is cancelled before the run ends.
    """

    def __init__(self) -> None:
        self.causes: list[Cause] = []
        self.posts_ended = asyncio.Event()
        self.leaving = asyncio.Event()
        self.hurry = asyncio.Event()
        self.cancel_queued = False
        self._also: list[asyncio.Event] = []

    @property
    def barred(self) -> bool:
        """Whether a POST that had its permission already must not be sent either."""
        return self.leaving.is_set() or any(cause.why not in _SPARING for cause in self.causes)

    def also_set(self, event: asyncio.Event) -> None:
        """Set this event, too, when POSTs end: its waiters have more than one reason to wake."""
        self._also.append(event)

    def note(self, cause: Cause) -> None:
        """Keep a cause that stops nothing by itself; each kind is kept once."""
        if all(known.why is not cause.why for known in self.causes):
            self.causes.append(cause)

    def end_posts(self, cause: Cause) -> None:
        """Send no new POST from here on."""
        self.note(cause)
        self._end_posts()

    def leave(self, cause: Cause | None = None) -> None:
        """Also stop waiting for what is in flight."""
        if cause is not None:
            self.note(cause)
        self._end_posts()
        self.leaving.set()

    def _end_posts(self) -> None:
        self.posts_ended.set()
        for event in self._also:
            event.set()
