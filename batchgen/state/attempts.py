"""Where a job stands: its attempts, what each has come to, and the table of all of them.

Each attempt stands where its latest durable fact puts it; a job is as well off as the best of its attempts, in the
order done, in flight, unknown, failed/lost/cancelled, new. Money is counted per attempt: the actual cost where the API
has said it, else the estimate, and nothing where the attempt was certainly not taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, StrEnum
from itertools import chain, starmap

from batchgen import events
from batchgen.errors import ErrorInfo
from batchgen.state.compact import Packed

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

    @property
    def is_plain(self) -> bool:
        """Whether this is a first attempt that is done, as an ordinary run leaves it."""
        told = (self.name, self.request_id, self.api, self.submitted_at)
        return self.fact is Fact.DONE and self.number == 1 and all(told) and self.intent is None and self.error is None

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
    def is_plain(self) -> bool:
        """Whether there is one attempt, which is plain."""
        return len(self.attempts) == 1 and self.attempts[0].is_plain

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


class Jobs(Packed[JobState]):
    """The jobs of a ledger by id, in the order it first named them; those that are packed come last.

    A job whose first attempt is done needs no more than a row of texts, and most jobs of a large ledger are such.
    Whoever acts on packed jobs takes their files for whole: loosen those that are not.
    Of packed jobs `files` counts the outputs, `unconfirmed` those without an actual cost by their estimate's text;
    `models` made them, and `apis` are where their requests went.
    """

    def __init__(self) -> None:
        super().__init__(row_of, lambda row: JobState([_attempt_of(row)]))
        self.files = 0
        self.unconfirmed: Counter[str] = Counter()
        self.apis: set[str] = set()
        self.models: set[str] = set()

    def packed_names(self) -> Iterator[str]:
        """Yield the names of packed jobs."""
        return (name for (names,) in self.packed.columns(_NAME) for name in names)

    def packed_files(self) -> Iterator[tuple[str, tuple[tuple[str, int], ...]]]:
        """Yield the packed jobs with path and size of their files."""
        files = (zip(*columns, strict=True) for columns in self.packed.columns(_PATHS, _SIZES))
        return zip(self.packed, starmap(_files_of, chain.from_iterable(files)), strict=True)

    def count_damaged(self, is_there: Callable[[str, int], bool]) -> int:
        """Return how many packed jobs have a file, path and size, that is not there."""
        damaged = 0
        for paths, sizes in self.packed.columns(_PATHS, _SIZES):
            for path, size in zip(paths, sizes, strict=True):
                if not size.isdigit():
                    damaged += not all(is_there(*file) for file in _files_of(path, size))
                elif not is_there(path, int(size)):
                    damaged += 1
        return damaged

    def _count(self, columns: Sequence[Sequence[str]], times: int) -> None:
        sizes, costs = columns[_SIZES], columns[_COST]
        self.apis.update(columns[_API])
        self.models.update(columns[_MODEL])
        self.files += times * (",".join(sizes).count(",") + 1 - sizes.count(""))
        if "" in costs:
            without = (estimate for estimate, cost in zip(columns[_ESTIMATE], costs, strict=True) if not cost)
            for estimate, count in Counter(without).items():
                self.unconfirmed[estimate] += times * count


_NAME, _MODEL, _API, _COST, _ESTIMATE, _PATHS, _SIZES = 1, 2, 4, 6, 7, 8, 9
_BETWEEN_PATHS = "\x1d"


def row_of(known: JobState) -> tuple[str, ...] | None:
    """Return a job whose first attempt is done as texts, empty ones for what is not known; None for any other job.

    Time, name, model, request id, api, time of `submitted`, actual cost, estimate, paths and sizes of the files.
    """
    if not known.is_plain:
        return None
    (attempt,) = known.attempts
    paths = _BETWEEN_PATHS.join(path for path, _ in attempt.files)
    if paths.count(_BETWEEN_PATHS) != max(0, len(attempt.files) - 1):
        return None
    return (
        attempt.since,
        attempt.name,
        attempt.model,
        attempt.request_id or "",
        attempt.api or "",
        attempt.submitted_at or "",
        "" if attempt.cost_usd is None else str(attempt.cost_usd),
        "" if attempt.estimate_usd is None else str(attempt.estimate_usd),
        paths,
        ",".join(str(size) for _, size in attempt.files),
    )


def money_of(columns: Sequence[Sequence[str]]) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Return the columns of model, actual cost and estimate."""
    return columns[_MODEL], columns[_COST], columns[_ESTIMATE]


def _attempt_of(row: Sequence[str]) -> Attempt:
    since, name, model, request_id, api, submitted_at, cost, estimate, paths, sizes = row
    return Attempt(
        1,
        Fact.DONE,
        since,
        name,
        model,
        request_id=request_id,
        api=api,
        submitted_at=submitted_at,
        cost_usd=Decimal(cost) if cost else None,
        estimate_usd=Decimal(estimate) if estimate else None,
        files=_files_of(paths, sizes),
    )


def _files_of(paths: str, sizes: str) -> tuple[tuple[str, int], ...]:
    return tuple(zip(paths.split(_BETWEEN_PATHS), map(int, sizes.split(",")), strict=True)) if sizes else ()
