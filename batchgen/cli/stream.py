"""From plan to work: the stream that the engine pulls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from batchgen import errors, events, plan
from batchgen.cli import presence
from batchgen.engine.ports import Step, Work
from batchgen.job import Job
from batchgen.ledger import replay
from batchgen.plan import Rules
from batchgen.state import Attempt, Fact, RunState


def collection(log: Path, state: RunState, rules: Rules, origin: str) -> list[Work]:
    """Return the work on everything in the ledger that was paid for and has not arrived.

    A request is asked only at the API it was sent to: raises UsageError where that is not `origin`. Deleted pictures
    made elsewhere are simply not fetched again.
    """
    lost = presence.missing(state, rules.whole)
    done = jobs_of(replay.read(log, events.Submitting), lost)
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
