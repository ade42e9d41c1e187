"""From plan to work: the stream that the engine pulls, and the names of what it makes."""

from __future__ import annotations

import datetime
import functools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchgen import errors, events, plan
from batchgen.cli import presence
from batchgen.engine.ports import Namer, Step, Work
from batchgen.job import Job
from batchgen.ledger import replay
from batchgen.plan import Policy, Price, Whole
from batchgen.state import Attempt, Fact, RunState
from batchgen.store.check import Standing
from batchgen.store.names import Names, render


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides about each job: the person's policy, the price, and whether a done job's files are there."""

    policy: Policy
    price: Price
    whole: Whole


def collection(log: Path, state: RunState, rules: Rules, origin: str) -> list[Work]:
    """Return the work on everything in the ledger that was paid for and has not arrived.

    A request is asked only at the API it was sent to: raises UsageError where that is not `origin`. Deleted pictures
    made elsewhere are simply not fetched again.
    """
    lost = presence.missing(state, rules.whole)
    done = jobs_of(replay.read(log), lost)
    found = []
    for job_id, attempt in plan.to_collect(state, rules.policy, rules.whole):
        if attempt.api in (None, origin):
            found.append(_poll(job_id, attempt, done))
        elif attempt.fact is not Fact.DONE:
            raise errors.UsageError(
                f"request {attempt.request_id} was sent to {attempt.api}, and this run would ask {origin}; "
                "run with the same address (RUNCOMFY_MODEL_API_BASE, --sandbox)"
            )
    return found


def work(collecting: Sequence[Work], jobs: Iterable[Job], state: RunState, rules: Rules) -> Iterator[Work | None]:
    """Yield what is to be collected, then, lazily, what is to be POSTed.

    What becomes of the jobs being collected is for the next run to act on.
    """
    yield from collecting
    settled = frozenset(one.job.id for one in collecting)
    posts = plan.to_post(jobs, state, price=rules.price, policy=rules.policy, whole=rules.whole, settled=settled)
    for post in posts:
        yield None if post is None else Work(Step.POST, post.job, post.attempt, post.cost.high if post.cost else None)


def jobs_of(history: Iterable[events.Event], wanted: frozenset[str]) -> dict[str, Job]:
    """Return the Jobs of `wanted` ids from the ledger's own `submitting` lines."""
    if not wanted:
        return {}
    return {
        event.job: event.as_job() for event in history if isinstance(event, events.Submitting) and event.job in wanted
    }


def _poll(job_id: str, attempt: Attempt, done: Mapping[str, Job]) -> Work:
    job = attempt.intent.as_job() if attempt.intent else done.get(job_id) or Job(job_id, 0, attempt.model, {})
    return Work(
        Step.POLL,
        job,
        attempt.number,
        attempt.estimate_usd,
        name=attempt.name or job_id,
        request_id=attempt.request_id or "",
        submitted_at=events.seconds_of(attempt.submitted_at or attempt.since) or 0.0,
        again=attempt.fact is Fact.DONE,
        lost=attempt.fact is Fact.LOST,
    )


def namer(template: str, state: RunState, run_dir: Path) -> Namer:
    """Return what reserves names: a job's first by the template, later attempts' by the first one's name."""
    # Only when the first is asked for: a night that finds everything done reserves none.
    names = functools.cache(lambda: Names(state.names(), Standing(run_dir)))

    def reserve(job: Job, attempt: int) -> str:
        known = state.jobs.get(job.id)
        first = known.attempts[0].name if known and known.attempts else ""
        return names().reserve(first or render(template, fields(job)), job.id, attempt)

    return reserve


def no_names(job: Job, attempt: int) -> str:
    """Name nothing: for what never POSTs."""
    raise AssertionError(f"job {job.id} was to be sent by a command that never sends")


def fields(job: Job) -> dict[str, object]:
    """Return what a name template may use of a job. What the job itself says goes before its tags and settings."""
    today = datetime.datetime.fromtimestamp(time.time()).astimezone().date().isoformat()
    return {
        **job.tags,
        **job.settings,
        "index": job.index,
        "slug": job.prompt,
        "job": job.id,
        "seed": "" if job.seed is None else job.seed,
        "model": job.model,
        "date": today,
    }
