"""`batchgen attach` and `batchgen settle`: a person decides submissions whose outcome nobody knows."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from pathlib import Path

from batchgen import errors, events
from batchgen.cli import console, place
from batchgen.cli.connect import api_origin
from batchgen.ledger.journal import Journal
from batchgen.ledger.rundir import RunDirectory
from batchgen.state import STATE_OF, Attempt, RunState, State

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def attach(run: Path, job: str, request_id: str) -> None:
    """Tie a request that a person found at the server to the unknown submission it came from.

    The next `run` or `fetch` collects it. Raises UsageError where there is no such submission, or the request is known.
    """
    if not _REQUEST_ID.fullmatch(request_id):
        raise errors.UsageError(f'"{request_id}" is not a request id: letters, digits, "-" and "_", 128 at most')
    with RunDirectory(place.find_run(run)).open_for_writing(create=False) as (journal, state):
        for known, attempt in state.attempts():
            if attempt.request_id == request_id:
                raise errors.UsageError(f"request {request_id} already belongs to job {known}")
        job_id, attempts = unknown_attempts(state, job)
        last = attempts[-1]
        attached = events.Attached(
            time=_now(),
            job=job_id,
            attempt=last.number,
            request_id=request_id,
            # Where the submission went, whatever address this shell happens to name.
            api=state.last_started.api if state.last_started else api_origin(),
        )
        asyncio.run(_append(journal, [attached]))
    console.show([f"job {job_id:.12} attempt {last.number}: request {request_id}; run or fetch collects it"])


def settle(run: Path, jobs: Sequence[str], how: str) -> None:
    """Decide every unknown submission of `jobs`: `not_sent` (the job is new again) or `lost`.

    Raises UsageError, before anything is written, where one of the jobs has none.
    """
    with RunDirectory(place.find_run(run)).open_for_writing(create=False) as (journal, state):
        found = [unknown_attempts(state, job) for job in jobs]
        settled = [
            events.Settled(time=_now(), job=job_id, attempt=attempt.number, how=how)
            for job_id, attempts in found
            for attempt in attempts
        ]
        asyncio.run(_append(journal, settled))
    outcome = "new again" if how == "not_sent" else "lost; run --retry-failed makes it again"
    console.show([f"job {event.job:.12} attempt {event.attempt}: {outcome}" for event in settled])


def unknown_attempts(state: RunState, job: str) -> tuple[str, list[Attempt]]:
    """Return the job that an id, or the beginning of one, names, with its unknown attempts, oldest first.

    Raises UsageError where it names none or several, or one without unknown attempts.
    """
    matches = [job_id for job_id in state.jobs if job and job_id.startswith(job)]
    if len(matches) != 1:
        what = "no job" if not matches else f"{len(matches)} jobs"
        raise errors.UsageError(f'"{job}" names {what} of this ledger; status lists the unknown ones')
    attempts = [one for one in state.jobs[matches[0]].attempts if STATE_OF[one.fact] is State.UNKNOWN]
    if not attempts:
        stands = state.state_of(matches[0]).value.replace("_", " ")
        raise errors.UsageError(f"job {matches[0]:.12} has no unknown submission: it is {stands}")
    return matches[0], attempts


async def _append(journal: Journal, decided: Sequence[events.Event]) -> None:
    await asyncio.gather(*(journal.append(event) for event in decided))
    await journal.close()


def _now() -> str:
    return events.stamp(time.time())
