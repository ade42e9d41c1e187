"""RunState: the fold of all events, and the only thing decisions rest on.

Each attempt stands where its latest durable fact puts it; a job is as well off as the best of its attempts, in the
order done, in flight, unknown, failed/lost/cancelled, new. A `done` is never undone. Money is counted per attempt: the
actual cost where the API has said it, else the estimate, and nothing where the attempt was certainly not taken.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, StrEnum

from batchgen import events
from batchgen.errors import ErrorInfo, Stage

ZERO = Decimal(0)

Tier = tuple[str, Decimal | None]
"""A model and an estimate: what should cost the same, and is counted together."""


class State(StrEnum):
    """Where a job stands."""

    NEW = "new"
    IN_FLIGHT = "in_flight"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    LOST = "lost"
    CANCELLED = "cancelled"


class Fact(Enum):
    """The latest durable fact of an attempt."""

    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    CANCELLED_BY_US = "cancelled_by_us"
    SUBMITTED = "submitted"
    FAILED = "failed"
    FAILED_AFTER_SUCCESS = "failed_after_success"
    LOST = "lost"
    CANCELLED = "cancelled"
    DONE = "done"


STATE_OF: Mapping[Fact, State] = {
    Fact.SUBMITTING: State.UNKNOWN,
    Fact.UNKNOWN: State.UNKNOWN,
    Fact.REFUSED: State.NEW,
    Fact.NOT_SENT: State.NEW,
    Fact.CANCELLED_BY_US: State.NEW,
    Fact.SUBMITTED: State.IN_FLIGHT,
    Fact.FAILED: State.FAILED,
    Fact.FAILED_AFTER_SUCCESS: State.FAILED,
    Fact.LOST: State.LOST,
    Fact.CANCELLED: State.CANCELLED,
    Fact.DONE: State.DONE,
}

_RANK: Mapping[State, int] = {
    State.DONE: 4,
    State.IN_FLIGHT: 3,
    State.UNKNOWN: 2,
    State.FAILED: 1,
    State.LOST: 1,
    State.CANCELLED: 1,
    State.NEW: 0,
}
_COSTS_NOTHING = frozenset({Fact.REFUSED, Fact.NOT_SENT, Fact.CANCELLED_BY_US})


@dataclass(slots=True)
class Attempt:
    """One POST of a job, and what became of it.

    `intent` is the durable `submitting`, let go of once the attempt is done; `files` holds path and size of each
    output; `since` is the time text of the latest fact.
    """

    number: int
    fact: Fact = Fact.SUBMITTING
    since: str = ""
    name: str = ""
    model: str = ""
    intent: events.Submitting | None = None
    request_id: str | None = None
    api: str | None = None
    submitted_at: str | None = None
    error: ErrorInfo | None = None
    cost_usd: Decimal | None = None
    estimate_usd: Decimal | None = None
    files: tuple[tuple[str, int], ...] = ()

    @property
    def collectable(self) -> bool:
        """Whether the server had succeeded and the outputs failed to arrive: collect, never POST."""
        return self.fact is Fact.FAILED_AFTER_SUCCESS and self.request_id is not None

    @property
    def tier(self) -> Tier:
        """What attempts have in common that should cost the same."""
        return self.model, self.estimate_usd

    @property
    def is_estimated(self) -> bool:
        """Whether this attempt may be paid for and the API has not said what it cost."""
        unpaid = self.fact in _COSTS_NOTHING or (self.fact is Fact.FAILED and self.request_id is None)
        return self.cost_usd is None and not unpaid

    def committed_usd(self) -> Decimal:
        """What this attempt has cost, or may have."""
        if self.cost_usd is not None:
            return self.cost_usd
        return (self.estimate_usd or ZERO) if self.is_estimated else ZERO


@dataclass(slots=True)
class JobState:
    """A job as the ledger knows it: its attempts, oldest first."""

    attempts: list[Attempt] = field(default_factory=list)

    @property
    def best(self) -> Attempt:
        """The attempt that decides the job's state; among equals the latest."""
        if len(self.attempts) == 1:
            return self.attempts[0]
        return max(self.attempts, key=lambda attempt: (_RANK[STATE_OF[attempt.fact]], attempt.number))

    @property
    def state(self) -> State:
        """The job's state: the best of its attempts'."""
        return STATE_OF[self.best.fact] if self.attempts else State.NEW

    @property
    def next_attempt(self) -> int:
        """The number of the next POST; an attempt that failed before one was made has not used its number up."""
        if not self.attempts:
            return 1
        last = self.attempts[-1]
        unsent = last.fact is Fact.FAILED and not last.name and last.request_id is None
        return last.number if unsent else last.number + 1

    def find(self, number: int) -> Attempt | None:
        """Return attempt `number`, or None where the ledger has not named it."""
        for known in reversed(self.attempts):
            if known.number == number:
                return known
        return None

    def begin(self, number: int) -> Attempt:
        """Return a new attempt `number`, which the ledger has not named before."""
        made = Attempt(number)
        self.attempts.append(made)
        self.attempts.sort(key=lambda attempt: attempt.number)
        return made


class Taken:
    """How many seconds the latest requests of each model and estimate were at the server, by the server's own times."""

    KEPT = 64

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, Decimal | None], deque[float]] = {}

    def note(self, event: events.Done) -> None:
        """Take a finished request in; times that contradict ours, or that the server does not give, say nothing."""
        moments = [event.timing.get(name) for name in ("created_at", "finished_at", "submitted")]
        created, finished, submitted = (events.seconds_of(text) if isinstance(text, str) else None for text in moments)
        done = events.seconds_of(event.time)
        if created is None or finished is None or submitted is None or done is None:
            return
        if 0 <= finished - created <= done - submitted + 1:
            key = (event.model, event.cost_estimate_usd)
            self.seconds.setdefault(key, deque(maxlen=self.KEPT)).append(finished - created)


class RunState:
    """Everything the ledger says, folded.

    `counts` begins with the last `run_started`'s and is carried on by every event after it; `dearest` is the highest
    actual cost seen per tier, `estimated` how many attempts count at their estimate, `spent_usd` what the others cost;
    `unlisted` are jobs that `counts` leaves out.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, JobState] = {}
        self.names: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.spent_usd = ZERO
        self.dearest: dict[Tier, Decimal] = {}
        self.estimated: Counter[Tier] = Counter()
        self.taken = Taken()
        self.last_started: events.RunStarted | None = None
        self.last_finished: events.RunFinished | None = None
        self.last_time = ""
        self.run_command_line = ""
        self.unlisted: frozenset[str] = frozenset()

    @property
    def committed_usd(self) -> Decimal:
        """What everything has cost, by estimate where the API has not said."""
        return self.spent_usd + sum((number * (usd or ZERO) for (_, usd), number in self.estimated.items()), ZERO)

    def state_of(self, job_id: str) -> State:
        """Return where the job stands; new where the ledger does not know it."""
        known = self.jobs.get(job_id)
        return known.state if known else State.NEW

    def attempts(self) -> Iterator[tuple[str, Attempt]]:
        """Yield every attempt with its job's id, jobs in the order the ledger first named them."""
        for job_id, known in self.jobs.items():
            for attempt in known.attempts:
                yield job_id, attempt

    def apply(self, event: events.Event) -> None:
        """Take one event in."""
        self.last_time = event.time
        if isinstance(event, events.JobEvent):
            self._apply_to_job(event)
        elif isinstance(event, events.RunStarted):
            self.last_started, self.last_finished = event, None
            if event.command == "run":
                self.run_command_line = event.command_line
            self.counts = Counter(event.counts)
            self.unlisted = frozenset(event.unlisted)
        elif isinstance(event, events.RunFinished):
            self.last_finished = event

    def _apply_to_job(self, event: events.JobEvent) -> None:
        known = self.jobs.get(event.job)
        if known is None:
            known = self.jobs[event.job] = JobState()
        before = known.state
        if (attempt := known.find(event.attempt)) is not None:
            self._count_money(attempt, -1)
        else:
            attempt = known.begin(event.attempt)
        self._advance(attempt, event)
        self._count_money(attempt, 1)
        after = known.state
        if after is not before and event.job not in self.unlisted:
            self.counts[before] -= 1
            self.counts[after] += 1

    def _count_money(self, attempt: Attempt, sign: int) -> None:
        if attempt.cost_usd is not None:
            self.spent_usd += sign * attempt.cost_usd
        elif attempt.is_estimated:
            self.estimated[attempt.tier] += sign

    def _advance(self, attempt: Attempt, event: events.JobEvent) -> None:
        attempt.since = event.time
        if attempt.fact is Fact.DONE and not isinstance(event, events.Done):
            return
        match event:
            case events.Submitting():
                _take_intent(attempt, event)
                self.names.add(event.name)
            case events.Refused():
                attempt.fact, attempt.error = Fact.REFUSED, event.error
            case events.Submitted() | events.Attached():
                attempt.fact, attempt.error = Fact.SUBMITTED, None
                attempt.request_id, attempt.api, attempt.submitted_at = event.request_id, event.api, event.time
            case events.Unknown():
                attempt.fact, attempt.error = Fact.UNKNOWN, event.error
            case events.Settled():
                attempt.fact, attempt.error = Fact.NOT_SENT if event.how == "not_sent" else Fact.LOST, None
            case _:
                self._end(attempt, event)

    def _end(self, attempt: Attempt, event: events.JobEvent) -> None:
        match event:
            case events.Done():
                attempt.fact, attempt.error, attempt.intent = Fact.DONE, None, None
                attempt.request_id, attempt.model = event.request_id, attempt.model or event.model
                attempt.files = tuple((file.path, file.bytes) for file in event.files)
                attempt.estimate_usd = attempt.estimate_usd or event.cost_estimate_usd
                self.taken.note(event)
            case events.Failed():
                collectable = event.error.stage in (Stage.OUTPUT, Stage.FILE)
                attempt.fact = Fact.FAILED_AFTER_SUCCESS if collectable else Fact.FAILED
                attempt.error = event.error
                attempt.request_id = event.request_id or attempt.request_id
            case events.Cancelled():
                attempt.fact, attempt.error = Fact.CANCELLED_BY_US if event.by == "us" else Fact.CANCELLED, None
            case events.Lost():
                attempt.fact, attempt.error = Fact.LOST, None
        if isinstance(event, events.Done | events.Failed | events.Cancelled) and event.cost_usd is not None:
            self._learn_cost(attempt, event.cost_usd)

    def _learn_cost(self, attempt: Attempt, cost_usd: Decimal) -> None:
        """Keep a cost that was told; a later reading that leaves it out takes nothing back."""
        attempt.cost_usd = cost_usd
        self.dearest[attempt.tier] = max(cost_usd, self.dearest.get(attempt.tier, ZERO))


def _take_intent(attempt: Attempt, event: events.Submitting) -> None:
    attempt.fact, attempt.error, attempt.intent = Fact.SUBMITTING, None, event
    attempt.name, attempt.model, attempt.estimate_usd = event.name, event.model, event.cost_estimate_usd


def fold(history: Iterable[events.Event]) -> RunState:
    """Return the RunState of a whole ledger."""
    state = RunState()
    for event in history:
        state.apply(event)
    return state
