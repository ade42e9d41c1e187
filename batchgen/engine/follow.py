"""From a request id to the server's last word: polling that survives anything but a clear end.

A request id is never given up. The status says that a request is over, only the result says how; a 404 has to last, and
has to be the exception, before it means anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from batchgen import errors, events
from batchgen.engine import polling
from batchgen.engine.context import Context
from batchgen.engine.limits import CoolDown, ReadPace
from batchgen.engine.polling import Course, Polling
from batchgen.engine.ports import Work
from batchgen.engine.stop import Cause, Why
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import Phase, Reading

GONE_S = 60.0
"""How long a 404 must last before a request counts as lost (read-after-write, a fault of the moment)."""

EMPTY_READS = 6
"""How often a success without outputs, or a failure in a word that the API does not document, is asked again: over
about half a minute."""

_QUEUE_WORDS = frozenset({"in_queue", "queued"})

ALL_GONE = 3
"""So many requests, and all of them 404, say something about the account or the address, not about the requests."""


class Ended(Enum):
    """How polling came to an end without outputs: the request is over (recorded), or left running at the server."""

    OVER = "over"
    LEFT = "left"


class Census:
    """Which requests the server has known and which not, over the whole run."""

    def __init__(self) -> None:
        self._any_known = False
        self._gone: set[str] = set()

    def known(self) -> None:
        """Note that the server knows some request."""
        self._any_known = True

    def gone(self, request_id: str) -> None:
        """Note that it does not know this one."""
        self._gone.add(request_id)

    def all_gone(self) -> bool:
        """Whether nothing may be concluded: every request asked so far is gone, and there are several."""
        return not self._any_known and len(self._gone) >= ALL_GONE


@dataclass(frozen=True, slots=True)
class _Again:
    """Nothing decided yet; ask again after `seconds`."""

    seconds: float


@dataclass(slots=True)
class _Watch:
    """What polling one request has seen so far; times on the loop's clock.

    `running`: it was seen out of the queue. `ended`: only the result is asked from then on. `balked`: the result was
    asked last, and held back.
    """

    course: Course
    running: bool = False
    ended: bool = False
    balked: bool = False
    failures: int = 0
    unready: int = 0
    gone_since: float | None = None
    gone_reads: int = 0
    found: bool = False

    def answered(self) -> None:
        """The server knows the request: whatever kept it from saying so is over."""
        self.failures, self.gone_since, self.gone_reads, self.balked = 0, None, 0, False


class Follower:
    """Polls requests until the server's outcome is known, for at most `wait` seconds each.

    The status alone tells the place in the queue, so it is read until a request has left it; from then on the result
    alone, which says as well that a request still runs. `standing` is told the places.
    """

    def __init__(
        self,
        context: Context,
        polls: Polling,
        reads: ReadPace,
        *,
        wait: float,
        standing: Callable[[str, int | None], None],
    ) -> None:
        self._api = context.api
        self._context = context
        self._recorder = context.recorder
        self._wait = wait
        self._census = Census()
        self._strange: set[str] = set()
        self._cool_down = CoolDown(context.chance)
        self._polls = polls
        self._reads = reads
        self._standing = standing
        self._status_first = False

    async def follow(self, work: Work, age: float = 0.0) -> Reading | Ended:
        """Poll a request of this `age` in seconds until it succeeded, and return its result.

        Otherwise there is nothing to collect: it failed, was cancelled or lost, or still runs after `wait` seconds and
        is left in flight. Raises TokenError, DiskError or UnavailableError.
        """
        began = self._context.clock()
        watch = _Watch(self._polls.accepted((work.job.model, work.estimate_usd), began, age))
        delay = 0.0 if age else self._polls.wait(watch.course, began)
        while self._context.clock() + delay - began <= self._wait:
            await asyncio.sleep(delay)
            answer = await self._look(work, watch)
            if isinstance(answer, Reading):
                return await self._conclude(work, answer)
            if answer is None:
                return Ended.OVER
            delay = answer.seconds
        self._give_up_for_now(work)
        return Ended.LEFT

    async def reread(self, work: Work) -> Reading | None:
        """Read the result once more, for fresh links; None where it has none to offer."""
        try:
            reading = await self.result(work)
        except (errors.Transient, errors.Gone):
            return None
        return reading if reading.phase is Phase.SUCCEEDED and _trouble(work, reading) is None else None

    async def result(self, work: Work) -> Reading:
        """Read the result once. Raises Transient, Gone, TokenError or UnavailableError."""
        return await self._ask(self._api.result, work)

    async def _look(self, work: Work, watch: _Watch) -> Reading | _Again | None:
        """Ask once. Returns a final result, or when to ask again, or None where there is nothing more to ask for."""
        ask = self._api.status if self._asks_status(watch) else self._api.result
        try:
            reading = await self._ask(ask, work)
        except errors.Transient as error:
            watch.balked = ask == self._api.result and _holds_back(error)
            return _Again(self._retry(work, watch, error))
        except errors.Gone:
            watch.balked = ask == self._api.result
            return await self._gone(work, watch)
        if watch.balked and reading.phase is Phase.PENDING:
            self._status_first = True  # Contrary to the documentation, this API tells no result before there is one.
        watch.answered()
        if work.lost and not watch.found:
            watch.found = True
            await self._found_again(work)
        self._note_word(reading)
        if reading.queue_position is not None:
            self._recorder.tell("queue", f"queue position {reading.queue_position}", work.job.id)
        self._standing(work.request_id, reading.queue_position)
        return self._weigh(reading, watch)

    def _asks_status(self, watch: _Watch) -> bool:
        """Which of the two to ask; by turns as long as neither knows the request."""
        if watch.ended or watch.balked:
            return not watch.ended
        wanted = self._status_first or not watch.running
        return wanted != (watch.gone_reads % 2 == 1)

    def _weigh(self, reading: Reading, watch: _Watch) -> Reading | _Again:
        now = self._context.clock()
        if not watch.ended:
            if reading.phase is Phase.PENDING:
                watch.running = not _queues(reading)
                self._polls.pending(watch.course, now, queued=not watch.running, place=reading.queue_position)
                return _Again(self._polls.wait(watch.course, now))
            watch.ended = True
            self._polls.ended(watch.course, now)
            if reading.phase is Phase.ENDED:
                return _Again(0.0)
        doubtful = _is_doubtful(reading) and watch.unready < EMPTY_READS
        if doubtful or reading.phase in (Phase.PENDING, Phase.ENDED):
            watch.unready += 1
            return _Again(polling.backoff(watch.unready, self._context.chance.random()))
        return reading

    async def _ask(self, ask: Callable[[str], Awaitable[Reading]], work: Work) -> Reading:
        await asyncio.sleep(self._cool_down.left(self._context.clock()))
        await asyncio.sleep(self._reads.take(self._context.clock()))
        try:
            reading = await ask(work.request_id)
        except errors.Transient as error:
            self._context.unanswered(error)
            raise
        except errors.Gone:
            self._context.silence.answered()
            if not (work.again or work.lost):  # These say nothing about the account: they were expected to be gone.
                self._census.gone(work.request_id)
            raise
        self._context.silence.answered()
        self._census.known()
        self._cool_down.accepted()
        return reading

    def _note_word(self, reading: Reading) -> None:
        """Say once of each word that nobody documents that the request counts as pending."""
        if reading.phase is Phase.PENDING and not reading.documented and reading.word not in self._strange:
            self._strange.add(reading.word)
            text = f'the server says "{reading.word}" of a request, a word not known here: it counts as not over yet'
            self._recorder.tell("warning", text)

    def _retry(self, work: Work, watch: _Watch, error: errors.Transient) -> float:
        watch.failures += 1
        self._recorder.tell("retry", error.info.message, work.job.id)
        now = self._context.clock()
        if error.info.http_status == 429 or error.retry_after is not None:
            if not self._cool_down.left(now):
                self._reads.refused(now)
            return self._cool_down.refused(now, error.retry_after)
        return polling.backoff(watch.failures, self._context.chance.random())

    async def _gone(self, work: Work, watch: _Watch) -> _Again | None:
        if work.again or work.lost:
            self._recorder.tell("missing", f"{work.name}: its files are gone, here and at the server", work.job.id)
            return None
        now = self._context.clock()
        watch.gone_since = now if watch.gone_since is None else watch.gone_since
        watch.gone_reads += 1
        lasted = now - watch.gone_since
        if lasted < GONE_S or watch.gone_reads < 2:
            again = polling.backoff(watch.gone_reads, self._context.chance.random())
            return _Again(min(again, GONE_S - lasted) if lasted < GONE_S else again)
        if self._census.all_gone():
            raise errors.UnavailableError(
                f"{self._api.origin} knows none of the requests asked for; is this the right account and address?"
            )
        time = self._recorder.time()
        await self._recorder.record(
            events.Lost(time=time, job=work.job.id, attempt=work.attempt, request_id=work.request_id)
        )
        return None

    async def _found_again(self, work: Work) -> None:
        """The server knows a lost request again: it is in flight, whatever becomes of it in this run."""
        await self._recorder.record(
            events.Submitted(
                time=self._recorder.time(),
                job=work.job.id,
                attempt=work.attempt,
                request_id=work.request_id,
                api=self._api.origin,
            )
        )

    def _give_up_for_now(self, work: Work) -> None:
        text = f"requests not known to be over after {self._wait:g} s are left to the server"
        self._context.stop.note(Cause(Why.WAIT, text))
        self._recorder.tell("left", f"request {work.request_id} is left for later", work.job.id)

    async def _conclude(self, work: Work, reading: Reading) -> Reading | Ended:
        """Record an end without outputs; hand a success on."""
        if reading.phase is Phase.SUCCEEDED:
            trouble = _trouble(work, reading)
            if trouble is None:
                return reading
            await self.fail(work, trouble, reading)
        elif reading.phase is Phase.CANCELLED:
            await self._cancelled(work, reading)
        else:
            fallback = ErrorInfo("run_failed", Stage.RUN, "the server says failed and gives no reason")
            await self.fail(work, reading.error or fallback, reading)
        return Ended.OVER

    async def fail(self, work: Work, error: ErrorInfo, reading: Reading) -> None:
        """Record that a request ended without outputs, or that those of a done attempt are gone for good."""
        if work.again:
            self._recorder.tell("missing", f"{work.name}: {error.message}", work.job.id)
            return
        await self._recorder.record(
            events.Failed(
                time=self._recorder.time(),
                job=work.job.id,
                attempt=work.attempt,
                error=error,
                request_id=work.request_id,
                cost_usd=reading.cost_usd,
            )
        )

    async def _cancelled(self, work: Work, reading: Reading) -> None:
        await self._recorder.record(
            events.Cancelled(
                time=self._recorder.time(),
                job=work.job.id,
                attempt=work.attempt,
                request_id=work.request_id,
                by="server",
                cost_usd=reading.cost_usd,
            )
        )


def _queues(reading: Reading) -> bool:
    return reading.queue_position is not None or reading.word in _QUEUE_WORDS


def _holds_back(error: errors.Transient) -> bool:
    """Whether an answer to a read is neither the server's trouble nor one of too many reads: it may come too soon."""
    status = error.info.http_status or 0
    return 400 <= status < 500 and status not in (408, 429)


def _is_doubtful(reading: Reading) -> bool:
    """Whether a result may be of the moment only."""
    if reading.phase is Phase.SUCCEEDED:
        return not reading.urls
    return reading.phase is Phase.FAILED and not reading.documented


def _trouble(work: Work, reading: Reading) -> ErrorInfo | None:
    """What keeps a success from being collected."""
    if reading.model is not None and work.job.model and reading.model != work.job.model:
        text = f"request {work.request_id} belongs to model {reading.model}, not {work.job.model}"
        return ErrorInfo("mismatch", Stage.OUTPUT, errors.printable(text))
    if not reading.urls:
        return ErrorInfo("no_output", Stage.OUTPUT, "the server says succeeded and names no output")
    return None
