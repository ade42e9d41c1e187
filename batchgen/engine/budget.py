"""Money is reserved before a POST and settled by the events that follow, so that a limit holds under concurrency."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from batchgen import events
from batchgen.engine.ports import Work
from batchgen.state import ZERO, RunState

_OPEN = (events.Submitting, events.Submitted, events.Attached)


class Budget:
    """What may still be spent on the run directory's whole ledger.

    An attempt that is open holds the dearer of its high estimate and the dearest actual cost seen for the same model
    and estimate; the RunState counts everything else. `limit_usd` None means no limit.
    """

    def __init__(self, limit_usd: Decimal | None, state: RunState) -> None:
        self.limit_usd = limit_usd
        self._state = state
        self._held: dict[tuple[str, int], Decimal] = {}
        self._awaited: set[tuple[str, int]] = set()
        self._changed = asyncio.Event()

    async def reserve(self, work: Work, ended: asyncio.Event) -> bool:
        """Hold the money of one POST; wait while open attempts may still turn out cheaper than held.

        Returns False where it does not fit with nothing left to wait for, or POSTs have `ended`.
        """
        while not ended.is_set():
            if self._fits(work):
                self.hold(work)
                return True
            if not self._awaited:
                return False
            await self._change(ended)
        return False

    def hold(self, work: Work) -> None:
        """Count an open attempt at its full price."""
        if self.limit_usd is not None:
            self._held[work.key] = self._price(work)
            self._awaited.add(work.key)

    def leave(self, work: Work) -> None:
        """Count an attempt that is left to the server as before, but wait for it no longer: it ends in another run."""
        self._awaited.discard(work.key)
        self._changed.set()

    def release(self, work: Work) -> None:
        """Let go of what was reserved for a POST that is not made."""
        self._let_go(work.key)

    def __call__(self, happened: events.Event | events.News) -> None:
        """Listen: an attempt that ended counts with what it really cost."""
        if isinstance(happened, events.JobEvent) and not isinstance(happened, _OPEN):
            self._let_go((happened.job, happened.attempt))

    def _fits(self, work: Work) -> bool:
        if self.limit_usd is None:
            return True
        return self._committed() + self._price(work) <= self.limit_usd

    def _committed(self) -> Decimal:
        return self._state.committed_usd + sum((self._excess(key) for key in self._held), ZERO)

    def _excess(self, key: tuple[str, int]) -> Decimal:
        """What is held for an attempt over what the RunState already counts for it, which may be the actual cost."""
        job_id, number = key
        known = self._state.jobs.get(job_id)
        counted = known.find(number) if known else None
        return max(ZERO, self._held[key] - (counted.committed_usd() if counted else ZERO))

    def _price(self, work: Work) -> Decimal:
        dearest = self._state.dearest.get((work.job.model, work.estimate_usd), ZERO)
        return max(work.estimate_usd or ZERO, dearest)

    def _let_go(self, key: tuple[str, int]) -> None:
        if self._held.pop(key, None) is not None:
            self._awaited.discard(key)
            self._changed.set()

    async def _change(self, ended: asyncio.Event) -> None:
        self._changed.clear()
        waits = {asyncio.ensure_future(self._changed.wait()), asyncio.ensure_future(ended.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
