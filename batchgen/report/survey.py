"""One look over everything the ledger says, for the reports that are made from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen import events
from batchgen.errors import ErrorInfo, Stage
from batchgen.state import STATE_OF, ZERO, Attempt, Fact, JobState, RunState, State

COUNTS = (
    "jobs",
    "new",
    "in_flight",
    "done",
    "failed",
    "unknown",
    "lost",
    "cancelled",
    "removed",
    "duplicates",
    "missing",
)
"""The counts every report has, in this order."""


@dataclass(slots=True)
class Cause:
    """Jobs that ended badly in the same way, and one of them as an example.

    `collectable` counts those the server had succeeded with: trying again costs nothing. `spent_usd` is what their last
    attempts have cost, or may have.
    """

    kind: str
    stage: Stage
    job: str
    name: str
    prompt: str
    message: str
    jobs: int = 0
    collectable: int = 0
    spent_usd: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Doubt:
    """A submission that may have been accepted; `since` is the time text of its POST."""

    job: str
    attempt: int
    since: str
    prompt: str
    name: str
    possible_cost_usd: Decimal | None


@dataclass(slots=True)
class Survey:
    """What a look over the ledger finds.

    `files` counts outputs of done jobs; `causes` are those of failed jobs and `ended_badly` also those of lost and
    cancelled ones, the most frequent first; `in_flight_since` is the Unix time
    of the oldest request still at the server; `estimated_usd` is the part of the committed cost the API has not
    confirmed, and `unpriced` counts requests of unknown cost.
    """

    files: int = 0
    failed: int = 0
    causes: list[Cause] = field(default_factory=list)
    ended_badly: list[Cause] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    in_flight_since: float | None = None
    estimated_usd: Decimal = ZERO
    unpriced: int = 0

    def oldest_in_flight_s(self, now: float) -> float | None:
        """Return the age in seconds of the oldest request still at the server, None where there is none."""
        return None if self.in_flight_since is None else round(max(0.0, now - self.in_flight_since), 3)


def counts_of(state: RunState) -> dict[str, int]:
    """Return the counts by `COUNTS`, absent ones as 0."""
    return {name: state.counts[name] for name in COUNTS}


def survey(state: RunState) -> Survey:
    """Return what one pass over all jobs of the ledger finds."""
    found = Survey()
    causes: dict[tuple[State, str, Stage], Cause] = {}
    for job, known in state.jobs.loose.items():
        _add_cost(found, known.attempts)
        if known.attempts:
            _add_job(found, causes, job, known)
    _add_packed(found, state)
    found.ended_badly = sorted(causes.values(), key=lambda cause: -cause.jobs)
    failed = {id(cause) for (state_word, _, _), cause in causes.items() if state_word is State.FAILED}
    found.causes = [cause for cause in found.ended_badly if id(cause) in failed]
    return found


def _add_cost(found: Survey, attempts: Iterable[Attempt]) -> None:
    for attempt in attempts:
        if attempt.cost_usd is not None:
            continue
        found.estimated_usd += attempt.committed_usd()
        never_taken = STATE_OF[attempt.fact] is State.NEW or (
            attempt.fact is Fact.FAILED and attempt.request_id is None
        )
        if attempt.estimate_usd is None and not never_taken:
            found.unpriced += 1


def _add_packed(found: Survey, state: RunState) -> None:
    found.files += state.jobs.files
    for estimate, count in state.jobs.unconfirmed.items():
        found.estimated_usd += count * Decimal(estimate or 0)
        found.unpriced += 0 if estimate else count


def _add_job(found: Survey, causes: dict[tuple[State, str, Stage], Cause], job: str, known: JobState) -> None:
    best = known.best
    match STATE_OF[best.fact]:
        case State.DONE:
            found.files += len(best.files)
        case State.FAILED:
            found.failed += 1
            _add_cause(causes, State.FAILED, job, best)
        case State.LOST | State.CANCELLED as ended:
            _add_cause(causes, ended, job, best)
        case State.UNKNOWN:
            unknown = (one for one in known.attempts if STATE_OF[one.fact] is State.UNKNOWN)
            found.doubts.extend(_doubt(job, attempt) for attempt in unknown)
        case State.IN_FLIGHT:
            since = events.seconds_of(best.submitted_at or "")
            if since is not None:
                found.in_flight_since = since if found.in_flight_since is None else min(since, found.in_flight_since)


_WITHOUT_ERROR: Mapping[State, str] = {
    State.LOST: "the server no longer knows the request",
    State.CANCELLED: "the server cancelled the request",
}


def _add_cause(causes: dict[tuple[State, str, Stage], Cause], ended: State, job: str, attempt: Attempt) -> None:
    error = attempt.error or ErrorInfo(ended.value, Stage.RUN, _WITHOUT_ERROR.get(ended, "no reason is known"))
    cause = causes.get((ended, error.kind, error.stage))
    if cause is None:
        cause = Cause(error.kind, error.stage, job, attempt.name, _prompt(attempt), error.message)
        causes[ended, error.kind, error.stage] = cause
    if not cause.name:
        cause.job, cause.name, cause.prompt = job, attempt.name, _prompt(attempt)
    cause.jobs += 1
    cause.collectable += attempt.collectable
    cause.spent_usd += attempt.committed_usd()


def _doubt(job: str, attempt: Attempt) -> Doubt:
    since = attempt.intent.time if attempt.intent else attempt.since
    return Doubt(job, attempt.number, since, _prompt(attempt), attempt.name, attempt.estimate_usd)


def _prompt(attempt: Attempt) -> str:
    return attempt.intent.prompt if attempt.intent else ""
