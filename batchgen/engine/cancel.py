"""Cancelling what still queues at the server, and saying truthfully what became of it.

Only queued requests can be cancelled; one that runs is paid for whatever we wish, and stays in flight. The answer's
outcome is a claim, the result read after it is the proof: only then is `cancelled` written. Where no usable answer
comes, nothing is known, and nothing is claimed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batchgen import errors, events
from batchgen.engine.context import Context
from batchgen.job import CancelOutcome, Phase, Reading
from batchgen.state import Attempt, Fact

PATIENCE_S = 5.0
"""How long one request's cancellation may take."""

AT_ONCE = 8


@dataclass(slots=True)
class Cancellation:
    """What has become so far of the attempts, with their jobs' ids, that are to be cancelled.

    `in_flight` counts those that are known to go on, or to be over otherwise; `answered` tells whether the server said
    anything at all about any of them.
    """

    asked: Sequence[tuple[str, Attempt]]
    in_flight: int = 0
    answered: bool = False

    @property
    def cancelled(self) -> int:
        """How many are cancelled for certain: the ledger says so."""
        return sum(attempt.fact is Fact.CANCELLED_BY_US for _, attempt in self.asked)

    @property
    def unconfirmed(self) -> int:
        """How many there is no usable answer about, or no line in the ledger."""
        return len(self.asked) - self.cancelled - self.in_flight

    @property
    def counts(self) -> dict[str, int]:
        """The three counts, by the words that programs are told."""
        return {"cancelled": self.cancelled, "in_flight": self.in_flight, "unconfirmed": self.unconfirmed}

    def __str__(self) -> str:
        text = f"{self.cancelled} cancelled, {self.in_flight} could not be and go on at the server or are over"
        return f"{text}, {self.unconfirmed} unconfirmed" if self.unconfirmed else text


class Canceller:
    """Cancels requests in flight."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._recorder = context.recorder

    async def cancel(self, cancellation: Cancellation) -> None:
        """Try to cancel each attempt once, `AT_ONCE` at a time; the first error ends all.

        Raises a group of RunErrors: TokenError or DiskError.
        """
        attempts = iter(cancellation.asked)
        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(self._work(attempts, cancellation))

    async def _work(self, attempts: Iterator[tuple[str, Attempt]], cancellation: Cancellation) -> None:
        for job, attempt in attempts:
            request_id = attempt.request_id or ""
            reading = await self._ask(request_id, cancellation)
            if reading is None or reading.phase is not Phase.CANCELLED:
                continue
            await self._recorder.record(
                events.Cancelled(
                    time=self._recorder.time(),
                    job=job,
                    attempt=attempt.number,
                    request_id=request_id,
                    by="us",
                    cost_usd=reading.cost_usd,
                )
            )

    async def _ask(self, request_id: str, cancellation: Cancellation) -> Reading | None:
        """Ask to cancel and return the result read after it, or None where there is none to be had or to be read."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                outcome = await self._api.cancel(request_id)
                cancellation.answered = True
                able = outcome is not CancelOutcome.NOT_CANCELLABLE
                reading = await self._api.result(request_id) if able else None
        except errors.Gone:
            cancellation.answered = True
            return None
        except (TimeoutError, errors.Transient):
            return None
        cancellation.in_flight += _goes_on(outcome, reading)
        return reading


def _goes_on(outcome: CancelOutcome, reading: Reading | None) -> bool:
    """Whether a request is known to go on, or to be over otherwise; a mere wish may still be granted."""
    if reading is None:
        return outcome is CancelOutcome.NOT_CANCELLABLE
    if reading.phase is Phase.PENDING:
        return outcome is not CancelOutcome.REQUESTED
    return reading.phase in (Phase.SUCCEEDED, Phase.FAILED)
