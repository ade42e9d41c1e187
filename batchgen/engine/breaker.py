"""When going on makes no sense: the point from which a model, or the whole run, is sent nothing more.

One failure says nothing about the next job; many in a row, with nothing to set against them, do. The breaker counts,
never waits and has no clock. POSTs are told to it by who makes them; how requests end it hears as a listener. What it
keeps from being sent was never tried, so it stays new, and the run ends as one that could not do its work (69): exit
code 1 is for runs that sent everything. Only the jobs of a model that the server does not know fail unsent.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator

from batchgen import events
from batchgen.engine.stop import Cause, Why
from batchgen.errors import ErrorInfo, printable

IN_A_ROW = 10
"""So many rejections, doubts or failed requests in a row of a model that has brought nothing else end it."""

PROVEN_IN_A_ROW = 30
"""So many failed requests in a row end a model that has made a picture, in this run or an earlier one."""

REFUSED_S = 600.0
"""How long every POST may be refused while nothing of this run is at the server."""

LONGEST_MESSAGE = 60

EVERYTHING = ""
"""Stands for all models."""

Ruling = Cause | ErrorInfo
"""Why a job is not sent: the cause of the run's end, or what the jobs of an unknown model fail with."""


class Breaker:
    """Counts what comes of each model's submissions and says whether to go on, and why not.

    `proven` are the models that have made something in earlier runs.
    """

    def __init__(self, proven: Iterable[str] = ()) -> None:
        self.accepted = False
        self._proven = set(proven)
        self._taken = set(self._proven)
        self._rejected: Counter[str] = Counter()
        self._doubts: Counter[str] = Counter()
        self._fruitless: Counter[str] = Counter()
        self._open: dict[tuple[str, int], str] = {}
        self._watched = 0
        self._refused_since: float | None = None
        self._rulings: dict[str, Ruling] = {}

    def ruling(self, model: str) -> Ruling | None:
        """Return why no further job of the model is sent; None where one may be."""
        return self._rulings.get(EVERYTHING) or self._rulings.get(model)

    def taken(self, model: str) -> None:
        """Note that the server took a POST."""
        self.accepted = True
        self._taken.add(model)
        self._doubts[model] = self._doubts[EVERYTHING] = 0
        self._refused_since = None

    def rejected(self, model: str, error: ErrorInfo) -> None:
        """Note a clear no to one job, which counts as long as the model has never taken any."""
        self._rejected[model] += 1
        if model not in self._taken and self._rejected[model] >= IN_A_ROW:
            self._end(model, f"{model} rejected each of its first {IN_A_ROW} jobs", error.message)

    def unknown_model(self, model: str, error: ErrorInfo) -> None:
        """Note that the server does not know the model."""
        self._rulings.setdefault(model, error)

    def doubted(self, model: str, error: ErrorInfo) -> None:
        """Note a POST without a clear answer: money in doubt."""
        self._doubts[model] += 1
        self._doubts[EVERYTHING] += 1
        for scope, name in ((EVERYTHING, "the API"), (model, model)):
            if self._doubts[scope] >= IN_A_ROW:
                what = f"{name} left {self._doubts[scope]} submissions in a row without a clear answer"
                return self._end(scope, what, error.message)
        return None

    def refused(self, now: float, error: ErrorInfo) -> None:
        """Note, at `now` seconds on any clock that only grows, a POST that was certainly not taken.

        While requests are watched this is the server being full, and ends when one of them does.
        """
        if self._watched:
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = now
        elif (lasted := now - self._refused_since) >= REFUSED_S:
            self._end(EVERYTHING, f"the API has refused every submission for {lasted / 60:.0f} minutes", error.message)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count a request as being at the server."""
        self._watched += 1
        try:
            yield
        finally:
            self._watched -= 1

    def __call__(self, happened: events.Event | events.News) -> None:
        """Listen to how the requests of this run end."""
        match happened:
            case events.Submitting():
                self._open[happened.job, happened.attempt] = happened.model
            case events.Done():
                self._close(happened)
                self._proven.add(happened.model)
                self._fruitless[happened.model] = 0
            case events.Failed() | events.Lost() | events.Cancelled(by="server"):
                model = self._close(happened)
                if model is not None and happened.request_id is not None:
                    self._came_to_nothing(model, _words(happened))
            case events.Refused() | events.Unknown() | events.Cancelled():
                self._close(happened)

    def _close(self, event: events.JobEvent) -> str | None:
        return self._open.pop((event.job, event.attempt), None)

    def _came_to_nothing(self, model: str, message: str) -> None:
        """Count a request that was taken and made nothing; every one of them may be paid for."""
        self._fruitless[model] += 1
        if self._fruitless[model] >= (PROVEN_IN_A_ROW if model in self._proven else IN_A_ROW):
            self._end(model, f"{self._fruitless[model]} requests of {model} in a row came to nothing", message)

    def _end(self, scope: str, what: str, message: str) -> None:
        why = Why.FAILING if scope else Why.UNAVAILABLE
        self._rulings.setdefault(scope, Cause(why, f"{what}; the last: {printable(message, LONGEST_MESSAGE)}"))


def _words(event: events.Failed | events.Lost | events.Cancelled) -> str:
    return event.error.message if isinstance(event, events.Failed) else event.word
