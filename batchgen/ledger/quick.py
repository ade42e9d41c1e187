"""The fold of a ledger without its events: most jobs have three lines, and all that is kept of them is a row.

A job's first `submitting` and `submitted` are held back until its `done` makes a row of the three, many rows at once.
Every other event goes the ordinary way, after the lines of its job that were held back. Fields that a row does not
need are not looked at; where one that it needs is not as its event promises, the ordinary fold has to say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any

from batchgen import events
from batchgen.ledger import lines
from batchgen.ledger.lines import Record
from batchgen.state import RunState, Taken, seconds_taken
from batchgen.state.attempts import money_of

_JOB, _TIME, _ATTEMPT = itemgetter("job"), itemgetter("time"), itemgetter("attempt")
_NAME, _MODEL, _API, _REQUEST = itemgetter("name"), itemgetter("model"), itemgetter("api"), itemgetter("request_id")
_FILES, _PATH, _BYTES = itemgetter("files"), itemgetter("path"), itemgetter("bytes")
_FIRST = itemgetter(0)
_PACK = 2048
"""So many rows are made at once."""

_WIDEST = 1e15
"""From here on a number may not stand in its record as it does in its line."""

ToEvent = Callable[[Record], events.Event | None]


class OddError(Exception):
    """Something here needs the ordinary fold."""


class Quick:
    """Takes the records of good lines in; `to_event` makes an event of one, and raises LedgerError."""

    def __init__(self, to_event: ToEvent) -> None:
        self._to_event = to_event
        self._state = RunState()
        self._named: dict[str, None] = {}
        self._begun: dict[str, Record] = {}
        self._taken: dict[str, Record] = {}
        self._made: tuple[list[Record], list[Record], list[Record]] = ([], [], [])
        self._last: Record = {}
        self._texts = _Texts()

    def take(self, records: Sequence[Record]) -> None:
        """Take records in, in their order. Raises OddError, and LedgerError as `to_event` does."""
        named: dict[Any, None] = self._named
        begun: dict[Any, Record] = self._begun
        taken: dict[Any, Record] = self._taken
        made = self._made
        try:
            for record in records:
                word, job = record["event"], record.get("job")
                if word == "done":
                    if job in taken:
                        made[0].append(begun.pop(job))
                        made[1].append(taken.pop(job))
                        made[2].append(record)
                        continue
                elif word == "submitted":
                    if job in begun and job not in taken:
                        taken[job] = record
                        continue
                elif word == "submitting" and job not in named and job is not None:
                    named[job] = None
                    begun[job] = record
                    continue
                self._apply(record)
        except TypeError as problem:  # A job that is no text.
            raise OddError from problem
        self._last = next((record for record in reversed(records) if record["event"] in events.EVENTS), self._last)
        if len(made[0]) >= _PACK:
            self._pack()

    def state(self) -> RunState:
        """Return what all of it comes to. Raises as `take` does."""
        self._pack()
        self._release(list(self._begun))
        state = self._state
        if self._last:
            state.last_time = _text([self._last.get("time")])[0]
        loose = state.jobs.loose
        state.jobs.loose = {job: loose[job] for job in self._named if job in loose}
        return state

    def _apply(self, record: Record) -> None:
        """Take an event in the ordinary way. A run's own ones count all jobs anew, so nothing stays behind them."""
        event = self._event(record)
        if isinstance(event, events.JobEvent):
            if isinstance(event, events.Done) or (event.job in self._named and event.job not in self._begun):
                self._pack()  # The job may be among the rows; and who finished last is told from who did before.
            self._release([event.job])
            self._named[event.job] = None
        elif event is not None:
            self._pack()
            self._release(list(self._begun))
        if event is not None:
            self._state.apply(event)

    def _event(self, record: Record) -> events.Event | None:
        if not lines.is_exact(record):
            raise OddError
        return self._to_event(record)

    def _release(self, jobs: Sequence[str]) -> None:
        """Take in, in the ordinary way, what was held back for jobs."""
        for job in jobs:
            for held in (self._begun.pop(job, None), self._taken.pop(job, None)):
                if held is not None and (event := self._event(held)) is not None:
                    self._state.apply(event)

    def _pack(self) -> None:
        begun, taken, done = self._made
        if not begun:
            return
        try:
            ids, columns = self._columns(begun, taken, done)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
            raise OddError from problem
        if not self._state.take_done(ids, columns):
            raise OddError
        self._note_times(columns, done)
        for some in self._made:
            some.clear()

    def _note_times(self, columns: Sequence[Sequence[str]], done: Sequence[Record]) -> None:
        """Look at the latest requests of each model and estimate, from the end, until there are as many as are kept."""
        if not set(map(type, _values(done, "timing"))) <= {dict, type(None)}:
            raise OddError
        models, _, estimates = money_of(columns)
        latest: dict[tuple[str, str], list[float]] = {tier: [] for tier in zip(models, estimates, strict=True)}
        wanted = len(latest)
        for model, estimate, record in zip(reversed(models), reversed(estimates), reversed(done), strict=True):
            found = latest[model, estimate]
            if len(found) < Taken.KEPT:
                timing: Any = record.get("timing") or {}
                if (seconds := seconds_taken(str(record["time"]), timing)) is not None:
                    found.append(seconds)
                    wanted -= len(found) == Taken.KEPT
            if not wanted:
                break
        for (model, estimate), found in latest.items():
            if found:
                self._state.taken.note((model, Decimal(estimate) if estimate else None), reversed(found))

    def _columns(
        self, begun: Sequence[Record], taken: Sequence[Record], done: Sequence[Record]
    ) -> tuple[list[str], list[list[str]]]:
        """Return ids and columns of rows. Raises OddError, and whatever a value of another type makes Python raise."""
        for some in (begun, taken, done):
            attempts = list(map(_ATTEMPT, some))
            if attempts.count(1) != len(attempts) or set(map(type, attempts)) != {int}:
                raise OddError
        _text(map(_TIME, begun))
        _text(map(_REQUEST, taken))
        models, estimates = list(map(_MODEL, begun)), _values(begun, "cost_estimate_usd")
        if models != list(map(_MODEL, done)) or estimates != _values(done, "cost_estimate_usd"):
            raise OddError
        paths, sizes = self._files(list(map(_FILES, done)))
        return list(map(_JOB, begun)), [
            _text(map(_TIME, done)),
            _text(map(_NAME, begun)),
            _text(models),
            _text(map(_REQUEST, done)),
            _text(map(_API, taken)),
            _text(map(_TIME, taken)),
            self._texts.of_money(_values(done, "cost_usd")),
            self._texts.of_money(estimates),
            paths,
            sizes,
        ]

    def _files(self, files: Sequence[Any]) -> tuple[list[str], list[str]]:
        """Return the texts of paths and sizes; a job with several files, or none, goes the ordinary way."""
        if set(map(type, files)) != {list} or set(map(len, files)) != {1}:
            raise OddError
        only = list(map(_FIRST, files))
        sizes = list(map(_BYTES, only))
        if set(map(type, sizes)) != {int}:
            raise OddError
        paths = _text(map(_PATH, only))
        return paths, list(map(str, sizes))


class _Texts(dict[float, str]):
    """The texts of amounts, each made once: a ledger has few."""

    def __missing__(self, amount: float) -> str:
        if abs(amount) > _WIDEST:
            raise OddError
        self[amount] = text = str(amount)
        return text

    def of_money(self, amounts: list[Any]) -> list[str]:
        kinds = set(map(type, amounts))
        if kinds <= {float}:
            return list(map(self.__getitem__, amounts))
        if not kinds <= {float, int, type(None)}:
            raise OddError
        return ["" if amount is None else str(amount) for amount in amounts]


def _values(records: Sequence[Record], key: str) -> list[Any]:
    return [record.get(key) for record in records]


def _text(values: Any) -> list[str]:
    """Return texts none of which is empty. Raises OddError."""
    texts = list(values)
    if set(map(type, texts)) != {str} or not all(texts):
        raise OddError
    return texts
