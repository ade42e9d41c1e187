"""The funnel: every change goes into the ledger first, then into the RunState, then to whoever listens."""

from __future__ import annotations

from collections.abc import Sequence

from batchgen import errors, events
from batchgen.engine.ports import Ledger, Listener, Now
from batchgen.engine.shelter import Shelter
from batchgen.state import RunState


class Recorder:
    """Makes events durable, then known. `now` gives their time."""

    def __init__(
        self, ledger: Ledger, state: RunState, listeners: Sequence[Listener], shelter: Shelter, now: Now
    ) -> None:
        self._ledger = ledger
        self._state = state
        self._listeners = listeners
        self._shelter = shelter
        self._now = now

    def time(self) -> str:
        """Return the present as events carry it."""
        return events.stamp(self._now())

    async def record(self, event: events.Event) -> None:
        """Return once the event is durable and everybody knows; it gets there even if the caller is cancelled.

        Raises DiskError. A request id that cannot be written is told to the listeners: it stands nowhere else.
        """
        await self._shelter.run(self._record(event))

    def tell(self, kind: str, text: str, job: str | None = None) -> None:
        """Pass on transient news, which is never written."""
        self._notify(events.News(kind, text, job))

    async def _record(self, event: events.Event) -> None:
        try:
            await self._ledger.append(event)
        except errors.DiskError:
            if isinstance(event, events.Submitted):
                text = f"job {event.job} is paid for as request {event.request_id}, which could not be written down"
                self.tell("unwritten", text, event.job)
            raise
        self._state.apply(event)
        self._notify(event)

    def _notify(self, happened: events.Event | events.News) -> None:
        for listener in self._listeners:
            listener(happened)
