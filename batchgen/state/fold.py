"""RunState: the fold of all events, and the only thing decisions rest on. A `done` is never undone."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from batchgen import events
from batchgen.errors import Stage
from batchgen.state.attempts import ZERO, Attempt, Fact, Jobs, JobState, State, Tier, money_of

PACK = 512
"""So many done jobs are packed at once."""


class Taken:
    """How many seconds the latest requests of each model and estimate were at the server, by the server's own times."""

    KEPT = 64

    def __init__(self) -> None:
        self.seconds: dict[Tier, deque[float]] = {}

    def note(self, tier: Tier, seconds: Iterable[float]) -> None:
        """Take in how long finished requests took, in the order they were done."""
        self.seconds.setdefault(tier, deque(maxlen=self.KEPT)).extend(seconds)


def seconds_taken(done: str, timing: Mapping[str, object]) -> float | None:
    """Return how long a request took; None where its times contradict ours, or the server does not give them."""
    texts = [timing.get(name) for name in ("created_at", "finished_at", "submitted")]
    if not all(isinstance(text, str) for text in texts):
        return None
    created, finished, submitted, ended = (events.seconds_of(str(text)) for text in (*texts, done))
    if created is None or finished is None or submitted is None or ended is None:
        return None
    return finished - created if 0 <= finished - created <= ended - submitted + 1 else None


class RunState:
    """Everything the ledger says, folded.

    `counts` begins with the last `run_started`'s and is carried on by every event after it; `dearest` is the highest
    actual cost seen per tier, `estimated` how many attempts count at their estimate, `spent_usd` what the others cost;
    `unlisted` are jobs that `counts` leaves out, and `loose_names` what jobs that are not packed were ever called.
    """

    def __init__(self) -> None:
        self.jobs = Jobs()
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
        self.loose_names: set[str] = set()
        self._ripe: list[str] = []

    @property
    def committed_usd(self) -> Decimal:
        """What everything has cost, by estimate where the API has not said."""
        return self.spent_usd + sum((number * (usd or ZERO) for (_, usd), number in self.estimated.items()), ZERO)

    def state_of(self, job_id: str) -> State:
        """Return where the job stands; new where the ledger does not know it."""
        known = self.jobs.get(job_id)
        return known.state if known else State.NEW

    def names(self) -> Iterator[str]:
        """Yield every name that the ledger has given to an attempt; some may come twice."""
        yield from self.loose_names
        yield from (attempt.name for _, attempt in self.loose_attempts() if attempt.name)
        yield from self.jobs.packed_names()

    def apis(self) -> frozenset[str]:
        """Return where the requests of done and other jobs went."""
        loose = (one.api for known in self.jobs.loose.values() for one in known.attempts if one.api is not None)
        return frozenset((*self.jobs.apis, *loose))

    def models_done(self) -> frozenset[str]:
        """Return the models that have ever made something."""
        loose = (one.model for _, one in self.loose_attempts() if one.fact is Fact.DONE)
        return frozenset((*self.jobs.models, *loose))

    def loose_attempts(self) -> Iterator[tuple[str, Attempt]]:
        """Yield the attempts of jobs that are not packed: everything that is not simply done."""
        for job_id, known in self.jobs.loose.items():
            for attempt in known.attempts:
                yield job_id, attempt

    def attempts(self) -> Iterator[tuple[str, Attempt]]:
        """Yield every attempt with its job's id, jobs in the order of `jobs`."""
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

    def take_done(self, job_ids: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
        """Take in jobs that are new here and done, as columns of `row_of`; return False where that cannot be.

        It comes to the same as `apply` with their `submitting`, `submitted` and `done`, all after the last
        `run_started`, but for `last_time` and `taken`.
        """
        if not self.jobs.put(job_ids, columns):
            return False
        for (model, cost, estimate), count in Counter(zip(*money_of(columns), strict=True)).items():
            tier = model, Decimal(estimate) if estimate else None
            if cost:
                self.spent_usd += count * Decimal(cost)
                self.dearest[tier] = max(Decimal(cost), self.dearest.get(tier, ZERO))
            else:
                self.estimated[tier] += count
        listed = len(job_ids) - (sum(job in self.unlisted for job in job_ids) if self.unlisted else 0)
        self.counts[State.NEW] -= listed
        self.counts[State.DONE] += listed
        return True

    def pack(self) -> None:
        """Pack every job that can be; `apply` does so now and then."""
        packed = self.jobs.pack(self._ripe)
        self.loose_names.difference_update(known.attempts[0].name for known in packed)
        self._ripe.clear()

    def _apply_to_job(self, event: events.JobEvent) -> None:
        known = self.jobs.loosen(event.job)
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
        if after is State.DONE and known.is_plain:
            self._ripen(event.job)

    def _ripen(self, job_id: str) -> None:
        self._ripe.append(job_id)
        if len(self._ripe) >= PACK:
            self.pack()

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
                self.loose_names.add(event.name)
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
                if (seconds := seconds_taken(event.time, event.timing)) is not None:
                    self.taken.note((event.model, event.cost_estimate_usd), [seconds])
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
