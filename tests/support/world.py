"""An API, a ledger and a store in memory, with ground truth: what was accepted, what was asked, what is durable."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from batchgen import errors, events
from batchgen.engine.ports import Opener, Step, Work
from batchgen.engine.scheduler import Engine, Limits
from batchgen.engine.stop import Cause
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import CancelOutcome, File, Job, Phase, Reading, make_job
from batchgen.state import RunState, fold

MODEL = "google/nano-banana-2/text-to-image"
PRICE = Decimal("0.08")


def job(number: int, model: str = MODEL) -> Job:
    """Return the job of prompt number `number`."""
    return make_job(number, model, {"prompt": f"prompt {number}", "seed": number})


def posts(count: int, first: int = 1) -> Iterator[Work]:
    """Yield work for `count` jobs, lazily."""
    for number in range(first, first + count):
        yield Work(Step.POST, job(number), 1, PRICE)


def info(kind: str, stage: Stage = Stage.SUBMIT, status: int | None = None) -> ErrorInfo:
    """Return some error."""
    return ErrorInfo(kind, stage, f"{kind} happened", http_status=status)


@dataclass(slots=True)
class Request:
    """A request that the server accepted."""

    job: Job
    accepted_at: float
    service: float


Scripted = errors.BatchgenError | Reading | float | None
"""What a call meets: an error, an answer, seconds before the ordinary answer, or (None) the ordinary answer at once."""


@dataclass
class MemoryApi:
    """A server with one service time; `script` overrides single calls, `always` every call of a kind.

    What stands there for `result` and is no lasting error is met by requests that are over, or once somebody has tried
    to cancel; before that the result says that a request still runs.
    """

    service: float = 10.0
    post_time: float = 0.05
    cost: Decimal | None = PRICE
    origin: str = "https://api.test"
    script: Mapping[str, deque[Any]] = field(default_factory=dict)
    always: dict[str, Scripted] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    posted: list[Job] = field(default_factory=list)
    queued: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    in_flight: int = 0
    peak: int = 0

    def accept(self, what: Job) -> str:
        """Take a job in, as the server does, and return its request id."""
        request_id = f"r{len(self.requests) + 1}"
        loop = asyncio.get_running_loop()
        self.requests[request_id] = Request(what, loop.time(), self.service)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        loop.call_later(self.service, self._leave)
        return request_id

    async def submit(self, what: Job) -> str:
        """POST; an Ambiguous of the script is accepted all the same."""
        self.posted.append(what)
        await asyncio.sleep(self.post_time)
        try:
            await self._meet("submit")
        except errors.Ambiguous:
            self.accept(what)
            raise
        return self.accept(what)

    async def status(self, request_id: str) -> Reading:
        """Ask the status."""
        answer = await self._meet("status")
        return answer or Reading(Phase.ENDED if self._over(request_id) else Phase.PENDING)

    async def result(self, request_id: str) -> Reading:
        """Ask the result."""
        lasting = isinstance(self.always.get("result"), errors.BatchgenError)
        if not (lasting or self._over(request_id) or self.calls["cancel"]):
            self.calls["result"] += 1
            return Reading(Phase.PENDING)
        answer = await self._meet("result")
        if answer:
            return answer
        if request_id in self.cancelled:
            return Reading(Phase.CANCELLED)
        if not self._over(request_id):
            return Reading(Phase.PENDING)
        return Reading(Phase.SUCCEEDED, urls=(f"https://files.test/{request_id}.png",), cost_usd=self.cost)

    async def cancel(self, request_id: str) -> CancelOutcome:
        """Cancel what `queued` names."""
        await self._meet("cancel")
        if request_id not in self.queued:
            return CancelOutcome.NOT_CANCELLABLE
        self.cancelled.add(request_id)
        return CancelOutcome.CANCELLED

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an output."""
        await self._meet("file")
        yield _pieces(url.encode())

    def _over(self, request_id: str) -> bool:
        request = self.requests[request_id]
        return asyncio.get_running_loop().time() >= request.accepted_at + request.service

    def _leave(self) -> None:
        self.in_flight -= 1

    async def _meet(self, kind: str) -> Reading | None:
        self.calls[kind] += 1
        scripted = self.script.get(kind)
        met = scripted.popleft() if scripted else self.always.get(kind)
        if isinstance(met, errors.BatchgenError):
            raise met
        if isinstance(met, Reading):
            return met
        if met is not None:
            await asyncio.sleep(met)
        return None


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


@dataclass
class MemoryLedger:
    """Durable after `delay` seconds; `fail_on` is the word of an event that can no longer be written."""

    delay: float = 0.01
    fail_on: str = ""
    durable: list[events.Event] = field(default_factory=list)

    async def append(self, event: events.Event) -> None:
        """Make an event durable."""
        await asyncio.sleep(self.delay)
        if event.word == self.fail_on:
            raise errors.DiskError("no space left on device")
        self.durable.append(event)

    def words(self, job_id: str | None = None) -> list[str]:
        """Return the words of the durable events, of one job or of all."""
        return [e.word for e in self.durable if isinstance(e, events.JobEvent) and job_id in (None, e.job)]

    def state(self) -> RunState:
        """Fold what is durable."""
        return fold(self.durable)


@dataclass
class MemoryStore:
    """Keeps outputs by their path."""

    files: dict[str, bytes] = field(default_factory=dict)

    async def save(self, openers: Sequence[Opener], *, job: Job, attempt: int, name: str) -> tuple[File, ...]:
        """Save every output under `name`."""
        saved = []
        for number, opener in enumerate(openers, 1):
            async with opener() as stream:
                content = b"".join([piece async for piece in stream])
            path = f"images/{name}_{number}.png"
            self.files[path] = content
            saved.append(File(path, len(content), hashlib.sha256(content).hexdigest(), "png"))
        return tuple(saved)


@dataclass
class World:
    """One run's surroundings."""

    api: MemoryApi = field(default_factory=MemoryApi)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    store: MemoryStore = field(default_factory=MemoryStore)
    heard: list[events.Event | events.News] = field(default_factory=list)

    def engine(self, limits: Limits | None = None) -> Engine:
        """Return an engine on what the ledger holds."""
        loop = asyncio.get_running_loop()
        return Engine(
            self.api,
            self.store,
            self.ledger,
            self.ledger.state(),
            lambda what, attempt: f"{what.index:05}" + (f"-{attempt}" if attempt > 1 else ""),
            limits=limits or Limits(concurrency=4, submits_per_second=100.0),
            listeners=[self.heard.append],
            now=loop.time,
        )

    async def run(self, work: Iterator[Work | None], limits: Limits | None = None) -> tuple[Cause, ...]:
        """Run the engine over `work`."""
        return await self.engine(limits).run(work)
