"""Cancelling what still queues at the server, and saying truthfully what became of it.

Only queued requests can be cancelled; one that runs is paid for whatever we wish, and stays in flight. The answer's
outcome is a claim, the result read after it is the proof: only then is `cancelled` written.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from batchgen import errors, events
from batchgen.engine.context import Context
from batchgen.job import CancelOutcome, Phase
from batchgen.state import Attempt

PATIENCE_S = 5.0
"""How long one request's cancellation may take."""

AT_ONCE = 8


class Canceller:
    """Cancels requests in flight."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._recorder = context.recorder
        self._places = asyncio.Semaphore(AT_ONCE)

    async def cancel(self, attempts: Iterable[tuple[str, Attempt]]) -> Counter[str]:
        """Try to cancel each attempt once; return how many were `cancelled` and how many stay `in_flight`.

        Raises TokenError or DiskError.
        """
        outcomes = await asyncio.gather(*(self._cancel(job, attempt) for job, attempt in attempts))
        return Counter("cancelled" if done else "in_flight" for done in outcomes)

    async def _cancel(self, job: str, attempt: Attempt) -> bool:
        request_id = attempt.request_id or ""
        async with self._places:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    proven = await self._proven(request_id)
            except (TimeoutError, errors.Transient, errors.Gone):
                proven = False
        if proven:
            time = self._recorder.time()
            await self._recorder.record(
                events.Cancelled(time=time, job=job, attempt=attempt.number, request_id=request_id, by="us")
            )
        return proven

    async def _proven(self, request_id: str) -> bool:
        if await self._api.cancel(request_id) is CancelOutcome.NOT_CANCELLABLE:
            return False
        return (await self._api.result(request_id)).phase is Phase.CANCELLED
