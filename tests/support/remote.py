"""A server in memory with ground truth: what it accepted outlives every death of its client.

Where a request stands is a function of the server's clock. The weather says what the calls of one run meet, in order;
after the last word all is calm.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import CancelOutcome, Job, Phase, Reading

RETENTION_S = 7 * 86400.0
PRICE = Decimal("0.08")
STUCK_S = 1e7

SUBMITS = (
    *["calm"] * 8,
    "rate_limited",
    "pause_asked",
    "unreachable",
    *["answer_lost", "post_lost", "slow"] * 2,
    "rejected",
    "forbidden",
    "no_model",
    "no_balance",
    "no_token",
)
READS = (*["calm"] * 5, "server_error", "unreachable", "rate_limited", "not_found", "not_ready", "no_token")
FILES = ("calm", "calm", "link_expired", "reset", "no_picture", "short", "slow")
_TAKEN = frozenset({"calm", "answer_lost", "slow"})


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of an accepted request; times in seconds since it was accepted.

    `end` is success, failed, cancelled, empty (a success without outputs), or forgotten (never known again). The cost
    is told from `cost_after` on; None is never told. Where the server is `deaf`, cancelling is said to work and does
    not.
    """

    queue: float = 0.5
    service: float = 8.0
    end: str = "success"
    outputs: int = 1
    cost: Decimal | None = PRICE
    cost_after: float = 0.0
    deaf: bool = False

    @property
    def over(self) -> float:
        """When the request is over."""
        return self.queue + self.service


@dataclass(frozen=True, slots=True)
class Weather:
    """What the calls of one run meet, and what becomes of the requests accepted in it, each in order."""

    submits: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    fates: tuple[Fate, ...] = ()


@dataclass(slots=True)
class Request:
    """An accepted request. `answered` is False where the client was never told its id."""

    id: str
    job: Job
    attempt: int
    accepted_at: float
    fate: Fate
    answered: bool = False
    cancelled: bool = False

    def picture(self, number: int) -> bytes:
        """Return the bytes of output `number`, from 1."""
        return f"{self.id}/{number}/{self.job.prompt}".encode()


@dataclass
class Remote:
    """The server. `witness` is asked at the moment a POST leaves, and says which attempt it is."""

    clock: Callable[[], float]
    witness: Callable[[Job], int]
    origin: str = "sandbox"
    requests: dict[str, Request] = field(default_factory=dict)
    alive: bool = True
    on_wire: int = 0
    _submits: deque[str] = field(default_factory=deque)
    _reads: deque[str] = field(default_factory=deque)
    _files: deque[str] = field(default_factory=deque)
    _fates: deque[Fate] = field(default_factory=deque)

    def begin(self, weather: Weather) -> None:
        """Let a client come, in this weather."""
        self.alive, self.on_wire = True, 0
        self._submits, self._reads = deque(weather.submits), deque(weather.reads)
        self._files, self._fates = deque(weather.files), deque(weather.fates)

    def running(self) -> Iterable[Request]:
        """Yield the requests that hold a place at the server now."""
        now = self.clock()
        return (
            one
            for one in self.requests.values()
            if not one.cancelled and now < one.accepted_at + one.fate.over and not self.forgotten(one)
        )

    def forgotten(self, request: Request) -> bool:
        """Whether the server answers 404 for this request."""
        return request.fate.end == "forgotten" or self.clock() >= request.accepted_at + RETENTION_S

    async def submit(self, job: Job) -> str:
        """POST. The request is accepted in the middle of the call, so that a death falls on either side."""
        self._check()
        attempt, word = self.witness(job), _next(self._submits)
        self.on_wire += 1
        try:
            await asyncio.sleep(0.2)
            self._check()
            request = self._accept(job, attempt) if word in _TAKEN else None
            await asyncio.sleep(40.0 if word == "slow" else 0.2)
        finally:
            self.on_wire -= 1
        self._check()
        if request is None or word == "answer_lost":
            raise _SUBMIT_ERRORS[word]()
        request.answered = True
        return request.id

    async def status(self, request_id: str) -> Reading:
        """Ask the status."""
        request, ready = await self._read(request_id)
        age = self.clock() - request.accepted_at
        over = ready and (request.cancelled or age >= request.fate.over)
        return Reading(Phase.ENDED if over else Phase.PENDING)

    async def result(self, request_id: str) -> Reading:
        """Ask the result."""
        request, ready = await self._read(request_id)
        fate, age = request.fate, self.clock() - request.accepted_at
        if not ready or (not request.cancelled and age < fate.over):
            return Reading(Phase.PENDING)
        if request.cancelled:
            return Reading(Phase.CANCELLED, cost_usd=Decimal(0))
        cost = fate.cost if age >= fate.over + fate.cost_after else None
        if fate.end == "failed":
            return Reading(Phase.FAILED, error=_info("run_failed", Stage.RUN), cost_usd=cost)
        if fate.end == "cancelled":
            return Reading(Phase.CANCELLED, cost_usd=cost)
        outputs = 0 if fate.end == "empty" else fate.outputs
        return Reading(
            Phase.SUCCEEDED, urls=tuple(f"{request_id}/{number + 1}" for number in range(outputs)), cost_usd=cost
        )

    async def cancel(self, request_id: str) -> CancelOutcome:
        """Cancel what still queues."""
        request, _ = await self._read(request_id)
        if self.clock() >= request.accepted_at + request.fate.queue:
            return CancelOutcome.NOT_CANCELLABLE
        request.cancelled = not request.fate.deaf
        return CancelOutcome.CANCELLED

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an output."""
        self._check()
        request_id, _, number = url.partition("/")
        word = _next(self._files)
        await asyncio.sleep(60.0 if word == "slow" else 0.1)
        self._check()
        if word in _FILE_ERRORS and word != "reset":
            raise _FILE_ERRORS[word]()
        if self.forgotten(self.requests[request_id]):
            raise _FILE_ERRORS["link_expired"]()
        yield _pieces(self.requests[request_id].picture(int(number)), broken=word == "reset")

    async def _read(self, request_id: str) -> tuple[Request, bool]:
        self._check()
        word = _next(self._reads)
        await asyncio.sleep(0.1)
        self._check()
        if word in _READ_ERRORS:
            raise _READ_ERRORS[word]()
        request = self.requests[request_id]
        if word == "not_found" or self.forgotten(request):
            raise errors.Gone(_info("gone", Stage.RUN, 404))
        return request, word != "not_ready"

    def _accept(self, job: Job, attempt: int) -> Request:
        fate = self._fates.popleft() if self._fates else Fate()
        request = Request(f"r{len(self.requests) + 1}", job, attempt, self.clock(), fate)
        self.requests[request.id] = request
        return request

    def _check(self) -> None:
        if not self.alive:
            raise asyncio.CancelledError


def _next(words: deque[str]) -> str:
    return words.popleft() if words else "calm"


def _info(kind: str, stage: Stage = Stage.SUBMIT, status: int | None = None) -> ErrorInfo:
    return ErrorInfo(kind, stage, f"{kind} happened", http_status=status)


async def _pieces(content: bytes, *, broken: bool) -> AsyncIterator[bytes]:
    yield content[:4]
    await asyncio.sleep(0.05)
    if broken:
        raise errors.Transient(_info("reset", Stage.FILE))
    yield content[4:]


_SUBMIT_ERRORS: dict[str, Callable[[], errors.BatchgenError]] = {
    "rate_limited": lambda: errors.Refused(_info("rate_limited", status=429)),
    "pause_asked": lambda: errors.Refused(_info("rate_limited", status=429), retry_after=20.0),
    "unreachable": lambda: errors.Refused(_info("network"), reached=False),
    "answer_lost": lambda: errors.Ambiguous(_info("timeout")),
    "post_lost": lambda: errors.Ambiguous(_info("timeout")),
    "rejected": lambda: errors.Rejected(_info("invalid", status=422)),
    "forbidden": lambda: errors.Forbidden(_info("permission", status=403)),
    "no_model": lambda: errors.ModelRejected(_info("model", status=404)),
    "no_balance": lambda: errors.BalanceError("no balance"),
    "no_token": lambda: errors.TokenError("token revoked"),
}
_READ_ERRORS: dict[str, Callable[[], errors.BatchgenError]] = {
    "server_error": lambda: errors.Transient(_info("server", Stage.RUN, 502)),
    "unreachable": lambda: errors.Transient(_info("network", Stage.RUN), reached=False),
    "rate_limited": lambda: errors.Transient(_info("rate_limited", Stage.RUN, 429), retry_after=3.0),
    "no_token": lambda: errors.TokenError("token revoked"),
}
_FILE_ERRORS: dict[str, Callable[[], errors.BatchgenError]] = {
    "link_expired": lambda: errors.LinkExpired(_info("link_expired", Stage.FILE, 403)),
    "no_picture": lambda: errors.FileError(_info("bad_file", Stage.FILE)),
    "short": lambda: errors.FileError(_info("bad_file", Stage.FILE), again=True),
    "reset": lambda: errors.Transient(_info("reset", Stage.FILE)),
}
