"""The engine: a bounded set of workers pulls one stream of work and sees every attempt through.

A worker is a place at the server: it holds one attempt from before its POST to the end of its request, so `concurrency`
workers are the semaphore, kept exactly and kept full. Finished requests go to `downloads` collectors over a bounded
queue. No task waits per job; what is in flight from earlier runs comes first in the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from batchgen import errors
from batchgen.engine.breaker import Breaker
from batchgen.engine.budget import Budget
from batchgen.engine.cancel import Cancellation, Canceller
from batchgen.engine.capacity import MOST, Capacity
from batchgen.engine.collect import PATIENCE_S, Collector
from batchgen.engine.context import Context
from batchgen.engine.follow import Ended, Follower
from batchgen.engine.gate import Gate
from batchgen.engine.limits import LEAST_READS_PER_SECOND, READS_PER_POST, ReadPace, Silence
from batchgen.engine.polling import Polling
from batchgen.engine.ports import Api, Ledger, Listener, Namer, Now, Step, Store, Work
from batchgen.engine.record import Recorder
from batchgen.engine.shelter import Shelter
from batchgen.engine.stop import Cause, Stop, cause_of
from batchgen.engine.submit import Submitter
from batchgen.job import Reading
from batchgen.state import Fact, RunState

HURRY_S = 5.0
"""How long POSTs on the wire are awaited once the person in front of the run is in a hurry."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows. `submits_per_second` paces POSTs; `wait` is in seconds per request; None means no limit.

    `concurrency` None means what the server turns out to take.
    """

    concurrency: int | None = 8
    downloads: int = 8
    submits_per_second: float = 4.0
    max_cost_usd: Decimal | None = None
    max_jobs: int | None = None
    wait: float = 1800.0


class Engine:
    """One run over a stream of work. `stop` may be used from outside to end it early."""

    def __init__(
        self,
        api: Api,
        store: Store,
        ledger: Ledger,
        state: RunState,
        namer: Namer,
        *,
        limits: Limits,
        listeners: Sequence[Listener] = (),
        now: Now = time.time,
    ) -> None:
        self.stop = Stop()
        self._limits = limits
        self._now = now
        self._budget = Budget(limits.max_cost_usd, state)
        self._breaker = Breaker(state.models_done())
        self._shelter = Shelter()
        self._recorder = Recorder(ledger, state, (self._budget, self._breaker, *listeners), self._shelter, now)
        self._state = state
        context = Context(api, self._recorder, self.stop, self._shelter, Silence(), random.Random())  # noqa: S311
        self._gate = Gate(context, Capacity(limits.concurrency, limits.submits_per_second, context.chance))
        self._submitter = Submitter(
            context, namer, budget=self._budget, breaker=self._breaker, gate=self._gate, max_jobs=limits.max_jobs
        )
        reads = ReadPace(max(LEAST_READS_PER_SECOND, READS_PER_POST * limits.submits_per_second))
        self._follower = Follower(
            context, Polling(state.taken.seconds.items()), reads, wait=limits.wait, standing=self._gate.standing
        )
        self._collector = Collector(context, store, self._follower, patience=PATIENCE_S)
        self._canceller = Canceller(context)
        self._finished: asyncio.Queue[tuple[Work, Reading] | None] = asyncio.Queue(2 * limits.downloads)

    @property
    def recorder(self) -> Recorder:
        """The funnel through which the run's own events go."""
        return self._recorder

    async def run(self, source: Iterator[Work | None]) -> tuple[Cause, ...]:
        """See all work of `source` through, or as much as the run's end allows; return why it ended early, if it did.

        `source` yields what is to be polled before what is to be posted, and None where it worked for a while without
        finding anything. Raises what is neither an outcome of a job nor a reason to stop: a defect.
        """
        body = asyncio.ensure_future(self._see_through(source))
        leaving = asyncio.ensure_future(self.stop.leaving.wait())
        try:
            await asyncio.wait({body, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.stop.posts_ended.set()
            body.cancel()
            leaving.cancel()
        await asyncio.gather(body, leaving, return_exceptions=True)
        orphaned = await self._shelter.drained(self.stop.hurry, HURRY_S)
        self._explain([*orphaned, *_errors_of(body)])
        if excess := self._budget.excess():
            self._recorder.tell("warning", excess)
        if self.stop.cancel_queued and not self.stop.hurry.is_set():
            await self.cancel_queued()
        return tuple(self.stop.causes)

    async def _see_through(self, source: Iterator[Work | None]) -> None:
        async with asyncio.TaskGroup() as collectors:
            for _ in range(self._limits.downloads):
                collectors.create_task(self._collect())
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._limits.concurrency or MOST):
                    workers.create_task(self._work(source))
            for _ in range(self._limits.downloads):
                await self._finished.put(None)

    async def _work(self, source: Iterator[Work | None]) -> None:
        """Hold one place at the server, over and over."""
        with self._ending():
            for work in source:
                if work is None:
                    await asyncio.sleep(0)
                    continue
                if work.step is Step.POST and self.stop.posts_ended.is_set():
                    return
                if await self._see(work) is Ended.LEFT:
                    return  # The request still has its place at the server: this run has one less.

    async def _see(self, work: Work) -> Ended | None:
        """See one attempt through to the end of its request at the server."""
        age = max(0.001, self._now() - work.submitted_at)
        if work.step is Step.POST:
            taken = await self._submitter.submit(work)
            if taken is None:
                return None
            work, age = taken, 0.0
        else:
            self._gate.found()
            if not work.again:
                self._budget.hold(work)
        with self._breaker.watching():
            reading = await self._follower.follow(work, age)
        if reading is Ended.LEFT:
            self._gate.left()
        else:
            self._gate.ended(work.request_id)
        if isinstance(reading, Ended):
            self._budget.leave(work)
            return reading
        self._budget.learn(work, reading.cost_usd)
        await self._finished.put((work, reading))
        return None

    async def _collect(self) -> None:
        with self._ending():
            while (finished := await self._finished.get()) is not None:
                await self._collector.collect(*finished)

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Let everybody know at once of an error that ends the run, so that no further POST is sent."""
        try:
            yield
        except errors.RunError as error:
            if (cause := cause_of(error)) is not None:
                self.stop.leave(cause)
            raise

    async def cancel_queued(self) -> Cancellation:
        """Cancel what still queues at the server, and return what became of it; a hurry ends this at once.

        A refused token or a failing disk becomes a cause of the run's end. Nothing is written after the return.
        """
        cancellation = Cancellation([pair for pair in self._state.loose_attempts() if pair[1].fact is Fact.SUBMITTED])
        body = asyncio.ensure_future(self._canceller.cancel(cancellation))
        hurry = asyncio.ensure_future(self.stop.hurry.wait())
        try:
            await asyncio.wait({body, hurry}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            body.cancel()
            hurry.cancel()
        await asyncio.gather(body, hurry, return_exceptions=True)
        orphaned = await self._shelter.drained(self.stop.hurry, HURRY_S)
        self._explain([*orphaned, *_errors_of(body)])
        self._recorder.tell("cancel", str(cancellation))
        return cancellation

    def _explain(self, failures: Sequence[BaseException]) -> None:
        """Turn what ended the run into causes; raise what is none."""
        for error in failures:
            cause = cause_of(error) if isinstance(error, errors.RunError) else None
            if cause is None:
                raise error
            self.stop.note(cause)


def _errors_of(task: asyncio.Future[None]) -> list[BaseException]:
    """Return what a task ended with, groups taken apart, cancellation left out."""
    if task.cancelled() or (error := task.exception()) is None:
        return []
    flat: list[BaseException] = []
    pending: list[BaseException] = [error]
    while pending:
        one = pending.pop()
        if isinstance(one, BaseExceptionGroup):
            pending.extend(one.exceptions)
        else:
            flat.append(one)
    return flat
