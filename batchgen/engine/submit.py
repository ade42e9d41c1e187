"""POSTs: the permission to make one, the making, and what each outcome means for the ledger.

A POST is money. It is made once per durable `submitting`, never inside the reach of a cancellation, and followed by
another attempt only where the server certainly did not take it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import assert_never

from batchgen import errors, events
from batchgen.engine.breaker import Breaker
from batchgen.engine.budget import Budget
from batchgen.engine.context import Context
from batchgen.engine.gate import Gate, Passage
from batchgen.engine.ports import Namer, Step, Work
from batchgen.engine.stop import Cause, Why, cause_of
from batchgen.errors import ErrorInfo, Stage


class Submitter:
    """Takes work as far as a request id."""

    def __init__(
        self,
        context: Context,
        namer: Namer,
        *,
        budget: Budget,
        breaker: Breaker,
        gate: Gate,
        max_jobs: int | None = None,
    ) -> None:
        self._api = context.api
        self._context = context
        self._recorder = context.recorder
        self._stop = context.stop
        self._namer = namer
        self._budget = budget
        self._breaker = breaker
        self._gate = gate
        self._max_jobs = max_jobs
        self._posts = 0
        self._told: set[Cause] = set()

    async def submit(self, work: Work) -> Work | None:
        """POST until the server has taken the job, and return the work to poll.

        Returns None where the job ended here, or where no (further) POST may be made. Raises TokenError, DiskError or
        UnavailableError.
        """
        while await self._permitted(work):
            outcome = await self._context.shelter.run(self._post(work))
            if outcome is None or outcome.step is Step.POLL:
                return outcome
            work = outcome
        return None

    async def _permitted(self, work: Work) -> bool:
        """Wait for this POST's turn; False where there will be none."""
        if await self._ruled_out(work):
            return False
        if not await self._budget.reserve(work, self._stop.posts_ended):
            if not self._stop.posts_ended.is_set():
                limit = f"the next job would exceed max_cost_usd ({self._budget.limit_usd} USD)"
                self._stop.end_posts(Cause(Why.MAX_COST, limit))
            return False
        if not await self._gate.enter():
            self._budget.release(work)
            return False
        if await self._ruled_out(work) or self._jobs_exhausted():
            self._gate.give_back()
            self._budget.release(work)
            return False
        self._posts += 1
        return True

    def _jobs_exhausted(self) -> bool:
        if self._max_jobs is None or self._posts < self._max_jobs:
            return False
        self._stop.end_posts(Cause(Why.MAX_JOBS, f"max_jobs ({self._max_jobs}) submissions were made"))
        return True

    async def _ruled_out(self, work: Work) -> bool:
        """Whether the breaker lets this job not be sent; it stays new, or fails where its model does not exist."""
        match self._breaker.ruling(work.job.model):
            case None:
                return False
            case ErrorInfo() as error:
                await self._failed(work, error)
            case Cause(why=Why.FAILING) as cause:
                self._stop.note(cause)
                if cause not in self._told:
                    self._told.add(cause)
                    self._recorder.tell("warning", f"{cause.message}; no more of its jobs are sent")
                await asyncio.sleep(0)  # The stream may hold many more of them, and others need the loop.
            case Cause() as cause:
                self._stop.end_posts(cause)
        return True

    async def _post(self, work: Work) -> Work | None:
        """Make one POST and record what came of it; sheltered from cancellation.

        Returns the work to poll, the next attempt's work where the server certainly did not take it, or None.
        """
        with self._gate.passage() as passage:
            return await self._pass(dataclasses.replace(work, name=self._namer(work.job, work.attempt)), passage)

    async def _pass(self, work: Work, passage: Passage) -> Work | None:
        await self._recorder.record(self._intent(work))
        if self._stop.barred:
            await self._refused(work, ErrorInfo("stopped", Stage.SUBMIT, "the run stopped before this POST was sent"))
            return None
        try:
            request_id = await self._api.submit(work.job)
        except errors.AttemptError as error:
            return await self._not_taken(work, error, passage)
        except errors.JobError as error:
            await self._rejected(work, error)
            return None
        except (errors.TokenError, errors.BalanceError) as error:
            await self._account_trouble(work, error)
            return None
        except asyncio.CancelledError:
            await self._unknown(work, ErrorInfo("left", Stage.SUBMIT, "left before the server answered this POST"))
            raise
        passage.accepted(request_id)
        return await self._taken(work, request_id)

    async def _taken(self, work: Work, request_id: str) -> Work:
        self._context.silence.answered()
        self._breaker.taken(work.job.model)
        time = self._recorder.time()
        submitted = events.Submitted(
            time=time, job=work.job.id, attempt=work.attempt, request_id=request_id, api=self._api.origin
        )
        await self._recorder.record(submitted)
        since = events.seconds_of(time) or 0.0
        return dataclasses.replace(work, step=Step.POLL, request_id=request_id, submitted_at=since)

    async def _not_taken(self, work: Work, error: errors.AttemptError, passage: Passage) -> Work | None:
        if not isinstance(error, errors.Refused):
            self._gate.trouble(error.retry_after)
            self._breaker.doubted(work.job.model, error.info)
            await self._unknown(work, error.info)
            return None
        delay = passage.refused(error)
        self._breaker.refused(self._context.clock(), error.info)
        await self._refused(work, error.info, delay)
        self._context.unanswered(error)
        return dataclasses.replace(work, attempt=work.attempt + 1)

    async def _rejected(self, work: Work, error: errors.JobError) -> None:
        if isinstance(error, errors.InputError):
            return await self._failed(work, error.info)
        self._context.silence.answered()
        if isinstance(error, errors.Forbidden) and not self._breaker.accepted:
            await self._refused(work, error.info)
            raise errors.TokenError(f"the API refuses access: {error.info.message}")
        if isinstance(error, errors.ModelRejected):
            self._breaker.unknown_model(work.job.model, error.info)
        else:
            self._breaker.rejected(work.job.model, error.info)
        return await self._failed(work, error.info)

    async def _account_trouble(self, work: Work, error: errors.TokenError | errors.BalanceError) -> None:
        self._context.silence.answered()
        match error:
            case errors.TokenError():
                await self._refused(work, ErrorInfo("token", Stage.SUBMIT, str(error)))
                raise error
            case errors.BalanceError():
                if cause := cause_of(error):
                    self._stop.end_posts(cause)
                await self._refused(work, ErrorInfo("balance", Stage.SUBMIT, str(error)))
            case _:
                assert_never(error)

    def _intent(self, work: Work) -> events.Submitting:
        job = work.job
        return events.Submitting(
            time=self._recorder.time(),
            job=job.id,
            attempt=work.attempt,
            index=job.index,
            name=work.name,
            model=job.model,
            prompt=job.prompt,
            seed=job.seed,
            settings=job.settings,
            tags=job.tags,
            repeat=job.repeat,
            cost_estimate_usd=work.estimate_usd,
        )

    async def _refused(self, work: Work, error: ErrorInfo, delay: float | None = None) -> None:
        time, rounded = self._recorder.time(), None if delay is None else round(delay, 3)
        await self._recorder.record(
            events.Refused(time=time, job=work.job.id, attempt=work.attempt, error=error, delay=rounded)
        )

    async def _unknown(self, work: Work, error: ErrorInfo) -> None:
        time = self._recorder.time()
        await self._recorder.record(events.Unknown(time=time, job=work.job.id, attempt=work.attempt, error=error))

    async def _failed(self, work: Work, error: ErrorInfo) -> None:
        time = self._recorder.time()
        await self._recorder.record(events.Failed(time=time, job=work.job.id, attempt=work.attempt, error=error))
