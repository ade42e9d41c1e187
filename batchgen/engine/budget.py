"""Money is reserved before a POST and settled by the events that follow, so that a limit holds under concurrency."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal

from batchgen import events
from batchgen.engine.ports import Work
from batchgen.state import ZERO, RunState, Tier

_OPEN = (events.Submitting, events.Submitted, events.Attached)


class Budget:
    """What may still be spent on the run directory's whole ledger.

    Every attempt whose cost the API has not told counts with the dearer of its high estimate and the dearest actual
    cost of its tier, in flight or long over; so does a POST from its permission on. `limit_usd` None means no limit.
    When a cost is dearer than all before it, everything in flight counts with it at once: what the limit may be
    exceeded by is what those requests cost over their reserve.
    """

    def __init__(self, limit_usd: Decimal | None, state: RunState) -> None:
        self.limit_usd = limit_usd
        self._state = state
        self._told: dict[Tier, Decimal] = {}
        self._reserved: dict[tuple[str, int], Tier] = {}
        self._awaited: set[tuple[str, int]] = set()
        self._changed = asyncio.Event()

    async def reserve(self, work: Work, ended: asyncio.Event) -> bool:
        """Hold the money of one POST; wait while open attempts may still turn out cheaper than held.

        Returns False where it does not fit with nothing left to wait for, or POSTs have `ended`.
        """
        while not ended.is_set():
            if self._fits(work):
                self._reserved[work.key] = _tier(work)
                self.hold(work)
                return True
            if not self._awaited:
                return False
            await self._change(ended)
        return False

    def hold(self, work: Work) -> None:
        """Expect an open attempt to settle in this run."""
        self._awaited.add(work.key)

    def leave(self, work: Work) -> None:
        """Count an attempt that is left to the server as before, but wait for it no longer: it ends in another run."""
        self._settle(work.key)

    def learn(self, work: Work, cost_usd: Decimal | None) -> None:
        """Take note of a cost as soon as it is told; its event comes when the files are there."""
        if cost_usd is not None:
            self._told[_tier(work)] = max(cost_usd, self._told.get(_tier(work), ZERO))

    def release(self, work: Work) -> None:
        """Let go of what was reserved for a POST that is not made."""
        self._reserved.pop(work.key, None)
        self._settle(work.key)

    def __call__(self, happened: events.Event | events.News) -> None:
        """Listen: from its `submitting` on, the RunState counts an attempt."""
        if isinstance(happened, events.JobEvent):
            key = happened.job, happened.attempt
            self._reserved.pop(key, None)
            if not isinstance(happened, _OPEN):
                self._settle(key)

    def committed_usd(self) -> Decimal:
        """Return what all attempts have cost or may cost, those that are only permitted among them."""
        counted = Counter(self._reserved.values())
        counted.update(self._state.estimated)
        return self._state.spent_usd + sum((number * self._price(tier) for tier, number in counted.items()), ZERO)

    def excess(self) -> str:
        """Return by how much the limit is exceeded, in a sentence; empty where it is not."""
        spent = self._state.committed_usd
        if self.limit_usd is None or spent <= self.limit_usd:
            return ""
        over = spent - self.limit_usd
        return f"this run directory has cost {spent} USD, {over} more than max_cost_usd: prices were higher than known"

    def _fits(self, work: Work) -> bool:
        return self.limit_usd is None or self.committed_usd() + self._price(_tier(work)) <= self.limit_usd

    def _price(self, tier: Tier) -> Decimal:
        return max(tier[1] or ZERO, self._state.dearest.get(tier, ZERO), self._told.get(tier, ZERO))

    def _settle(self, key: tuple[str, int]) -> None:
        if key in self._awaited:
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


def _tier(work: Work) -> Tier:
    return work.job.model, work.estimate_usd
