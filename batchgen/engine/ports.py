"""What the engine needs of the world, as Protocols, and the unit of work it is given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol

from batchgen.events import Event, News
from batchgen.job import CancelOutcome, File, Job, Reading

ByteStream = AsyncIterator[bytes]
Opener = Callable[[], AbstractAsyncContextManager[ByteStream]]
"""Opens an output's bytes; may be called again after a failure."""


class Step(Enum):
    """What a piece of work begins with."""

    POST = "post"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt to see through: a POST to make, or a request of the ledger to poll and collect.

    `estimate_usd` is the high estimate, None where no price is known. `name` is the file stem reserved for the attempt,
    `submitted_at` is in Unix seconds; both, and `request_id`, are there from `POLL` on. `again` marks outputs that had
    been complete before: if they are gone now, nothing changes in the ledger; `lost` a request that the server did not
    know any more when it was last asked.
    """

    step: Step
    job: Job
    attempt: int
    estimate_usd: Decimal | None = None
    name: str = ""
    request_id: str = ""
    submitted_at: float = 0.0
    again: bool = False
    lost: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """The attempt in the ledger: job id and number."""
        return self.job.id, self.attempt


class Api(Protocol):
    """The asynchronous Model API. Foreign errors are already ours."""

    @property
    def origin(self) -> str:
        """What the ledger names as `api`: the origin, or `sandbox`."""

    async def submit(self, job: Job) -> str:
        """POST the job once and return its request id.

        Raises Refused, Ambiguous, Rejected, ModelRejected, InputError, Forbidden, TokenError or BalanceError.
        """

    async def status(self, request_id: str) -> Reading:
        """Ask how a request stands. Raises Transient, Gone or TokenError."""

    async def result(self, request_id: str) -> Reading:
        """Ask for a request's outcome, its outputs and cost. Raises Transient, Gone or TokenError."""

    async def cancel(self, request_id: str) -> CancelOutcome:
        """Ask to cancel a queued request. Raises Transient, Gone or TokenError."""

    def open(self, url: str) -> AbstractAsyncContextManager[ByteStream]:
        """Open an output's bytes. Raises Transient, LinkExpired or FileError, on entry or while reading."""


class Store(Protocol):
    """The writer of outputs."""

    async def save(self, openers: Sequence[Opener], *, job: Job, attempt: int, name: str) -> tuple[File, ...]:
        """Make every output durable under `name` and return them in order, once all are.

        Raises DiskError, FileError, LinkExpired or Transient; nothing partial stands under a final name then.
        """


class Ledger(Protocol):
    """The append-only log."""

    async def append(self, event: Event) -> None:
        """Return once the event is durable, in the order of the calls. Raises DiskError."""


class Listener(Protocol):
    """Somebody who is told what happened, after it is durable."""

    def __call__(self, happened: Event | News, /) -> None:
        """Take notice. Must not raise and must not block."""


Now = Callable[[], float]
"""Unix seconds; may step. Durations are measured on the event loop's own clock."""

Namer = Callable[[Job, int], str]
"""Reserves the file stem of a job's attempt, unique in the ledger."""
