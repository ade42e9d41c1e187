"""The Plan: a manifest's jobs held against RunState and price, before anything is sent.

`decide` is design's table of what a run does about a job; `survey` counts what all of them come to; `to_collect` and
`to_post` are the two halves of the stream that the engine is given. A packed job is done and its files are whole.
Nothing here has effects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from batchgen.catalog.price import Cost
from batchgen.job import Job
from batchgen.state import STATE_OF, ZERO, Attempt, Fact, JobState, RunState, State

Price = Callable[[Job], Cost | None]
"""What a job should cost, None where no price is known."""

Whole = Callable[[Attempt], bool]
"""Whether every file of a done attempt is there, in its size."""

BREATH = 256
"""So many jobs without anything to do, and the stream lets others have a turn."""

COUNTED = ("jobs", *State, "removed", "duplicates", "missing")


class Action(Enum):
    """What happens to a job now."""

    NOTHING = "nothing"
    POST = "post"
    COLLECT = "collect"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the person allowed beyond the ordinary.

    `retry` holds the kinds of error to retry, besides `lost`, `cancelled` and `missing`; `retry_failed` stands for all
    but `missing`. `fetch` collects and never submits.
    """

    retry_failed: bool = False
    retry: frozenset[str] = frozenset()
    resubmit_unknown: bool = False
    fetch: bool = False

    def retries(self, attempt: Attempt) -> bool:
        """Whether this failed, lost or cancelled attempt is to be tried again."""
        if self.retry_failed:
            return True
        kind = attempt.error.kind if attempt.fact in (Fact.FAILED, Fact.FAILED_AFTER_SUCCESS) and attempt.error else ""
        return (kind or attempt.fact.value) in self.retry


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides about each job: the person's policy, the price, and whether a done job's files are there."""

    policy: Policy
    price: Price
    whole: Whole


def decide(known: JobState | None, policy: Policy, whole: Whole) -> Action:
    """Return what to do about a job of the manifest that stands where `known` says.

    `COLLECT` means asking for requests that were paid for; it never leads to a POST. Over an attempt that the server
    succeeded with, and whose outputs have yet to arrive, nothing is ever sent.
    """
    state = known.state if known else State.NEW
    if known is None or state is State.NEW:
        return Action.NOTHING if policy.fetch else Action.POST
    if state is State.DONE and whole(known.best):
        return Action.NOTHING
    if any(_asked_for(attempt, policy) for attempt in known.attempts):
        return Action.COLLECT
    if any(attempt.collectable for attempt in known.attempts):
        return Action.HOLD
    if state is State.DONE:
        return Action.POST if _makes_again(known, policy) else Action.COLLECT
    if policy.fetch:
        return Action.HOLD
    if state is State.UNKNOWN:
        return Action.POST if policy.resubmit_unknown and _may_resend(known, policy) else Action.HOLD
    return Action.POST if policy.retries(known.best) else Action.HOLD


def _asked_for(attempt: Attempt, policy: Policy) -> bool:
    """Whether the server is asked for this attempt's outputs."""
    if attempt.fact is Fact.LOST:
        return policy.fetch and attempt.request_id is not None
    return attempt.fact is Fact.SUBMITTED or (attempt.collectable and (policy.fetch or policy.retries(attempt)))


def _may_resend(known: JobState, policy: Policy) -> bool:
    """Whether the unknown submission is the job's latest word: a resend that failed is not simply sent once more."""
    last = known.attempts[-1]
    return STATE_OF[last.fact] in (State.UNKNOWN, State.NEW) or policy.retries(last)


def _makes_again(known: JobState, policy: Policy) -> bool:
    """Whether a deleted picture is paid for once more: not while a submission that would make it is undecided."""
    undecided = any(STATE_OF[attempt.fact] is State.UNKNOWN for attempt in known.attempts)
    return "missing" in policy.retry and not policy.fetch and (policy.resubmit_unknown or not undecided)


@dataclass(frozen=True, slots=True)
class Post:
    """A job to POST, as attempt number `attempt`."""

    job: Job
    attempt: int
    cost: Cost | None


@dataclass(slots=True)
class Survey:
    """What a run would come to.

    `counts` are over the selected jobs: all `jobs`, and each state; beside them `duplicates` of the manifest, `removed`
    and `missing` of the ledger. `low` and `high` are USD over the jobs to POST, `unpriced` the models among them
    without a price, `loose` how many of them may cost more than `high`. `unlisted` are ledger jobs outside the counts
    that are not done.
    """

    counts: Counter[str] = field(default_factory=Counter)
    posts: int = 0
    low: Decimal = ZERO
    high: Decimal = ZERO
    unpriced: set[str] = field(default_factory=set)
    loose: int = 0
    first: list[Post] = field(default_factory=list)
    unlisted: tuple[str, ...] = ()

    @property
    def cost(self) -> Cost | None:
        """The estimate over all jobs to POST; None where one of them has no price."""
        return None if self.unpriced else Cost(self.low, self.high)

    def add_post(self, post: Post, show: int) -> None:
        """Count a job that would be sent, and keep the first `show` of them."""
        if len(self.first) < show:
            self.first.append(post)
        self.add_posts(1, post.job.model, post.cost)

    def add_posts(self, count: int, model: str, cost: Cost | None) -> None:
        """Count jobs that would be sent, each for `cost`."""
        self.posts += count
        if cost is None:
            self.unpriced.add(model)
        else:
            self.loose += count * (not cost.firm)
            self.low += count * cost.low
            self.high += count * cost.high


def survey(
    jobs: Iterable[Job],
    state: RunState,
    *,
    price: Price,
    policy: Policy,
    whole: Whole,
    selected: Callable[[Job], bool] = lambda job: True,
    show: int = 3,
) -> Survey:
    """Hold every job of the whole manifest against the ledger and return what a run over the selected ones would do."""
    found = Survey(Counter(dict.fromkeys(COUNTED, 0)))
    loose, packed = state.jobs.loose, state.jobs.packed
    open_jobs = {job_id for job_id, known in loose.items() if known.state is not State.DONE}
    matched = 0
    for job in jobs:
        known = loose.get(job.id)
        is_packed = known is None and job.id in packed
        matched += is_packed or known is not None
        if not selected(job):
            continue
        found.counts["jobs"] += 1
        if is_packed:
            found.counts[State.DONE] += 1
            continue
        open_jobs.discard(job.id)
        found.counts[known.state if known else State.NEW] += 1
        _survey_one(found, job, known, (price, policy, whole), show)
    found.counts["removed"] = len(state.jobs) - matched
    # Over the whole ledger, as what is missing is fetched from there, selected or not.
    found.counts["missing"] = sum(known.state is State.DONE and not whole(known.best) for known in loose.values())
    found.unlisted = tuple(sorted(open_jobs))
    return found


def survey_new(shares: Iterable[tuple[Job, int]], first: Iterable[Job], *, price: Price) -> Survey:
    """Return what a run over a whole manifest would do where the ledger has no job yet, without going through its jobs.

    `shares` are one Job for many of the same price, and how many; `first` are the jobs to show.
    """
    found = Survey(Counter(dict.fromkeys(COUNTED, 0)), first=[Post(job, 1, price(job)) for job in first])
    for job, count in shares:
        found.add_posts(count, job.model, price(job))
    found.counts["jobs"] = found.counts[State.NEW] = found.posts
    return found


def _survey_one(found: Survey, job: Job, known: JobState | None, rules: tuple[Price, Policy, Whole], show: int) -> None:
    price, policy, whole = rules
    if decide(known, policy, whole) is Action.POST:
        found.add_post(Post(job, known.next_attempt if known else 1, price(job)), show)


def to_collect(state: RunState, policy: Policy, whole: Whole) -> Iterator[tuple[str, Attempt]]:
    """Yield every attempt of the ledger that is to be asked for, whether the manifest still has its job or not.

    The oldest come first: the server deletes results after some days.
    """
    found = _to_collect(state, policy, whole)
    yield from sorted(found, key=lambda one: one[1].submitted_at or one[1].since)


def _to_collect(state: RunState, policy: Policy, whole: Whole) -> Iterator[tuple[str, Attempt]]:
    for job_id, attempt in state.loose_attempts():
        if attempt.fact is Fact.SUBMITTED:
            yield job_id, attempt
    for job_id, known in state.jobs.loose.items():
        if decide(known, policy, whole) is Action.COLLECT:
            for attempt in known.attempts:
                again = attempt is known.best and attempt.fact is Fact.DONE
                if attempt.fact is not Fact.SUBMITTED and (again or _asked_for(attempt, policy)):
                    yield job_id, attempt


def to_post(
    jobs: Iterable[Job], state: RunState, *, price: Price, policy: Policy, whole: Whole, settled: frozenset[str]
) -> Iterator[Post | None]:
    """Yield the jobs to POST in the manifest's order, lazily, and None now and then where there are none for long.

    `settled` are jobs that were already decided when the run began (those being collected): what becomes of them in
    this run is for the next one to act on.
    """
    idle = 0
    loose, packed = state.jobs.loose, state.jobs.packed
    for job in jobs:
        known = loose.get(job.id)
        passed = job.id in settled or (known is None and job.id in packed)
        if not passed and decide(known, policy, whole) is Action.POST:
            idle = 0
            yield Post(job, known.next_attempt if known else 1, price(job))
        elif (idle := idle + 1) % BREATH == 0:
            yield None
