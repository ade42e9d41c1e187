"""From a succeeded request to files on disk, and the `done` that says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from batchgen import errors, events
from batchgen.engine import polling
from batchgen.engine.context import Context
from batchgen.engine.follow import Follower
from batchgen.engine.ports import Store, Work
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import File, Json, Reading

PATIENCE_S = 300.0
"""How long the files of one request may take to arrive whole before that is a failure, to be collected again."""

LINK_TRIES = 6
"""How often a link that the file host does not serve is tried, each time freshly read, over about half a minute."""

LATE_COST_S = 5.0
"""How long the one look for a late cost may take."""


class Collector:
    """Fetches a request's outputs until they are whole, or it is clear that they will not be."""

    def __init__(self, context: Context, store: Store, follower: Follower, *, patience: float = PATIENCE_S) -> None:
        self._context = context
        self._recorder = context.recorder
        self._store = store
        self._follower = follower
        self._patience = patience

    async def collect(self, work: Work, reading: Reading) -> None:
        """Save every output and record `done`, or record why that cannot be. Raises TokenError or DiskError."""
        deadline = self._context.clock() + self._patience
        failures, trouble = 0, ""
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    files = await self._save(work, reading.urls)
            except TimeoutError:
                text = f"the files did not arrive whole within {self._patience:g} s{trouble}"
                return await self._follower.fail(work, ErrorInfo("too_slow", Stage.FILE, text), reading)
            except (errors.Transient, errors.FileError, errors.LinkExpired) as error:
                failures, trouble = failures + 1, f"; before that: {error.info.message}"
                delay = polling.backoff(failures, self._context.chance.random(), _wish(error))
                if _is_final(error, failures) or self._context.clock() + delay > deadline:
                    return await self._follower.fail(work, _in_file(error.info), reading)
                self._recorder.tell("retry", error.info.message, work.job.id)
                await asyncio.sleep(delay)
                if isinstance(error, errors.LinkExpired):
                    reading = await self._follower.reread(work) or reading
            else:
                return await self._done(work, await self._with_cost(work, reading), files)

    async def _save(self, work: Work, urls: Sequence[str]) -> tuple[File, ...]:
        openers = [partial(self._context.api.open, url) for url in urls]
        return await self._store.save(openers, job=work.job, attempt=work.attempt, name=work.name)

    async def _with_cost(self, work: Work, reading: Reading) -> Reading:
        """The cost may come later than the outputs; one more look, and no waiting for it."""
        if reading.cost_usd is not None:
            return reading
        try:
            async with asyncio.timeout(LATE_COST_S):
                later = await self._follower.result(work)
        except (TimeoutError, errors.BatchgenError):  # The files are whole: nothing may keep `done` from being written.
            return reading
        return later if later.cost_usd is not None else reading

    async def _done(self, work: Work, reading: Reading, files: tuple[File, ...]) -> None:
        job = work.job
        await self._recorder.record(
            events.Done(
                time=self._recorder.time(),
                job=job.id,
                attempt=work.attempt,
                request_id=work.request_id,
                model=job.model,
                prompt=job.prompt,
                seed=job.seed,
                settings=job.settings,
                tags=job.tags,
                files=files,
                cost_usd=reading.cost_usd,
                cost_estimate_usd=work.estimate_usd,
                timing=_timing(work, reading),
            )
        )


def _wish(error: errors.BatchgenError) -> float | None:
    return error.retry_after if isinstance(error, errors.Transient) else None


def _is_final(error: errors.BatchgenError, failures: int) -> bool:
    """Whether trying again cannot help. A link may be dead for a moment only: file hosts lag behind the API."""
    if isinstance(error, errors.LinkExpired):
        return failures >= LINK_TRIES
    return isinstance(error, errors.FileError) and not error.again


def _in_file(error: ErrorInfo) -> ErrorInfo:
    """A file's trouble is of stage `output` or `file`, whatever the layer below called it."""
    if error.stage in (Stage.OUTPUT, Stage.FILE):
        return error
    return ErrorInfo(error.kind, Stage.FILE, error.message, error.code, error.http_status)


def _timing(work: Work, reading: Reading) -> dict[str, Json]:
    """When the request was taken here and made there, in the server's own words for the latter."""
    times = {
        "submitted": events.stamp(work.submitted_at),
        "created_at": reading.created_at,
        "finished_at": reading.finished_at,
    }
    return {name: time for name, time in times.items() if time is not None}
