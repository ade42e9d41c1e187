"""The fold of a ledger without its events: most jobs have three lines, and all that is kept of them is a row.

Of a job's first `submitting`, `submitted` and `done` only what a row needs is read, and they are held back until the
three are there; many rows are made at once. Every other line goes the ordinary way, after the lines of its job that
were held back. Fields that a row does not need are only seen to be JSON; where one that it needs is not as its event
promises, the ordinary way has to say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from io import BytesIO
from typing import Annotated, Any, Literal

import msgspec

from batchgen import events
from batchgen.ledger import lines
from batchgen.ledger.lines import Record
from batchgen.state import RunState, Taken, seconds_taken
from batchgen.state.attempts import money_of

_PACK = 2048
"""So many rows are made at once."""

_Amount = float | int | None
Text = Annotated[str, msgspec.Meta(min_length=1)]
ToEvent = Callable[[Record], events.Event | None]


class _Line(msgspec.Struct, gc=False, tag_field="event"):
    """What a row needs of a line."""

    v: Literal[1]
    time: Text
    job: str
    attempt: Literal[1]


class _Submitting(_Line, gc=False, tag="submitting"):
    name: Text
    model: Text
    cost_estimate_usd: _Amount = None


class _Submitted(_Line, gc=False, tag="submitted"):
    request_id: Text
    api: Text


class _File(msgspec.Struct, gc=False):
    path: Text
    bytes: int


class _Timing(msgspec.Struct, gc=False):
    """Is read again where it is needed."""


class _Done(_Line, gc=False, tag="done"):
    request_id: Text
    model: str
    files: tuple[_File]
    cost_usd: _Amount = None
    cost_estimate_usd: _Amount = None
    timing: _Timing | None = None


_Begun = tuple[_Submitting, bytes]
_Taken = tuple[_Begun, _Submitted, bytes]
_Row = tuple[bytes, str, str, str, str, str, str, str, _Amount, _Amount, str, int]


class OddError(Exception):
    """Something here needs the ordinary fold."""


class Quick:
    """Takes the lines of a ledger in; `to_event` makes an event of a record, and raises LedgerError."""

    def __init__(self, to_event: ToEvent) -> None:
        self._to_event = to_event
        self._decode = msgspec.json.Decoder(_Submitting | _Submitted | _Done).decode
        self._state = RunState()
        self._named: dict[int, None] = {}
        self._begun: dict[str, _Begun] = {}
        self._taken: dict[str, _Taken] = {}
        self._made: list[_Row] = []
        self._last: _Line | events.Event | None = None
        self._texts = _Texts()

    def take(self, text: bytes) -> tuple[int, int]:
        """Take in lines, each with its newline, up to one that is not good; return how many bytes and lines that were.

        Raises OddError, and LedgerError as `to_event` does.
        """
        try:
            text.decode()  # The decoder looks at the encoding of those texts alone that it keeps.
        except UnicodeDecodeError:
            return 0, 0
        some = BytesIO(text).readlines()
        for line in self._odd(some):
            try:
                record = lines.decode(line)
            except ValueError:
                good = some.index(line)  # One like it before this would have been no better.
                return sum(map(len, some[:good])), good
            self.apply(record)
        if len(self._made) >= _PACK:
            self._pack()
        return len(text), len(some)

    def _odd(self, some: Iterable[bytes]) -> Iterator[bytes]:
        """Take in the lines that rows are made of, and yield the others, in their order."""
        decode, named, begun, taken, made = self._decode, self._named, self._begun, self._taken, self._made
        for line in some:
            try:
                record: Any = decode(line)
            except (msgspec.DecodeError, ValueError, RecursionError):
                yield line
                continue
            job, kind = record.job, type(record)
            if kind is _Submitting and (mark := hash(job)) not in named:
                named[mark] = None
                begun[job] = record, line
            elif kind is _Submitted and job in begun:
                taken[job] = begun.pop(job), record, line
            elif kind is _Done and job in taken:
                made.append(_row(taken.pop(job), record, line))
            else:
                yield line
                continue
            self._last = record

    def state(self) -> RunState:
        """Return what was taken in. Raises as `take` does."""
        self._pack()
        self._release(list(self._begun))
        self._release(list(self._taken))
        state = self._state
        if self._last is not None:
            state.last_time = self._last.time
        loose = state.jobs.loose
        marks = set(map(hash, loose))
        places = {mark: place for place, mark in enumerate(self._named) if mark in marks}
        state.jobs.loose = {job: loose[job] for job in sorted(loose, key=lambda job: places[hash(job)])}
        return state

    def apply(self, record: Record) -> None:
        """Take an event in the ordinary way. A run's own ones count all jobs anew, so nothing stays behind them."""
        event = self._to_event(record)
        if isinstance(event, events.JobEvent):
            held = event.job in self._begun or event.job in self._taken
            if isinstance(event, events.Done) or (hash(event.job) in self._named and not held):
                self._pack()  # The job may be among the rows; and who finished last is told from who did before.
            self._release([event.job])
            self._named[hash(event.job)] = None
        elif event is not None:
            self._pack()
            self._release(list(self._begun))
            self._release(list(self._taken))
        if event is not None:
            self._last = event
            self._state.apply(event)

    def _release(self, jobs: Sequence[str]) -> None:
        """Take in, in the ordinary way, what was held back for jobs."""
        for job in jobs:
            if (both := self._taken.pop(job, None)) is not None:
                (_, begun), _, taken = both
                self._apply_all(begun, taken)
            elif (held := self._begun.pop(job, None)) is not None:
                self._apply_all(held[1])

    def _apply_all(self, *held: bytes) -> None:
        for line in held:
            if (event := self._to_event(_record(line))) is not None:
                self._state.apply(event)

    def _pack(self) -> None:
        if not self._made:
            return
        told, jobs, since, *others, costs, estimates, paths, sizes = zip(*self._made, strict=True)
        money = map(self._texts.of_money, (costs, estimates))
        columns = [since, *others, *money, paths, list(map(str, sizes))]
        if not self._state.take_done(jobs, columns):
            raise OddError
        self._note_times(columns, since, told)
        self._made.clear()

    def _note_times(self, columns: Sequence[Sequence[str]], done: Sequence[str], told: Sequence[bytes]) -> None:
        """Look at the latest requests of each model and estimate, from the end, until there are as many as are kept."""
        models, _, estimates = money_of(columns)
        latest: dict[tuple[str, str], list[float]] = {tier: [] for tier in set(zip(models, estimates, strict=True))}
        wanted = len(latest)
        for model, estimate, time, line in zip(*map(reversed, (models, estimates, done, told)), strict=True):
            found = latest[model, estimate]
            if len(found) < Taken.KEPT:
                timing: Any = _record(line).get("timing") or {}
                if (seconds := seconds_taken(time, timing)) is not None:
                    found.append(seconds)
                    wanted -= len(found) == Taken.KEPT
            if not wanted:
                break
        for (model, estimate), found in latest.items():
            if found:
                self._state.taken.note((model, Decimal(estimate) if estimate else None), reversed(found))


class _Texts(dict[float, str]):
    """The texts of amounts, each made once: a ledger has few."""

    def __missing__(self, amount: float) -> str:
        self[amount] = text = str(amount)
        return text

    def of_money(self, amounts: Sequence[float | None]) -> list[str]:
        if set(map(type, amounts)) == {float}:
            return list(map(self.__getitem__, amounts))  # type: ignore[arg-type]
        return ["" if amount is None else str(amount) for amount in amounts]


def _row(taken: _Taken, done: _Done, line: bytes) -> _Row:
    """Return what a row is made of, after the line of the `done`. Raises OddError."""
    (begun, _), submitted, _ = taken
    if begun.model != done.model or begun.cost_estimate_usd != done.cost_estimate_usd:
        raise OddError
    (file,) = done.files
    return (
        line,
        done.job,
        done.time,
        begun.name,
        begun.model,
        done.request_id,
        submitted.api,
        submitted.time,
        done.cost_usd,
        begun.cost_estimate_usd,
        file.path,
        file.bytes,
    )


def _record(line: bytes) -> Record:
    """Return the record of a line of which no more was read than a row needs. Raises OddError."""
    try:
        return lines.decode(line)
    except ValueError as problem:
        raise OddError from problem
