"""A ledger's history told step by step and folded as it goes, for tests of what reads it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from decimal import Decimal

from batchgen import events
from batchgen.errors import ErrorInfo, Stage
from batchgen.events import Event, News
from batchgen.job import File
from batchgen.state import RunState

MODEL = "google/nano-banana-2/text-to-image"
BEGAN = 1_763_780_400.0
"""2025-11-22 03:00:00 UTC, when every story begins."""


def is_safe(text: str) -> bool:
    """Whether no character of the text can move a cursor, change a direction or end a line."""
    return all(unicodedata.category(one)[0] != "C" and unicodedata.category(one) not in ("Zl", "Zp") for one in text)


class Story:
    """Makes events one second apart, applies them to `state`, then tells `listeners`."""

    def __init__(self) -> None:
        self.state = RunState()
        self.listeners: list[Callable[[Event | News], None]] = []
        self.now = BEGAN

    def tell(self, happened: Event | News) -> None:
        """Apply an event, or only pass news on."""
        if isinstance(happened, Event):
            self.state.apply(happened)
        for listener in self.listeners:
            listener(happened)

    def time(self) -> str:
        """Return the present and let a second pass."""
        self.now += 1
        return events.stamp(self.now - 1)

    def start(self, *, name: str = "autumn", unlisted: tuple[str, ...] = (), **counts: int) -> None:
        """Begin a run with these counts; `jobs` is their sum unless it is given."""
        states = ("new", "in_flight", "done", "failed", "unknown", "lost", "cancelled")
        counts.setdefault("jobs", sum(counts.get(state, 0) for state in states))
        self.tell(
            events.RunStarted(
                time=self.time(),
                version="1.0",
                name=name,
                manifest="0" * 64,
                api="https://api.test",
                counts=counts,
                host="host",
                pid=1,
                boot_id="boot",
                unlisted=unlisted,
            )
        )

    def submitting(self, number: int, prompt: str = "", price: str | None = "0.08", attempt: int = 1) -> str:
        """Begin a POST of job `number`; return the job's id."""
        job = f"{number:032x}"
        self.tell(
            events.Submitting(
                time=self.time(),
                job=job,
                attempt=attempt,
                index=number,
                name=f"{number:05}_fox",
                model=MODEL,
                prompt=prompt or f"a fox, number {number}",
                settings={},
                tags={},
                repeat=1,
                seed=number,
                cost_estimate_usd=None if price is None else Decimal(price),
            )
        )
        return job

    def submitted(self, number: int, prompt: str = "", price: str | None = "0.08", attempt: int = 1) -> str:
        """Bring job `number` to the server; return the job's id."""
        job = self.submitting(number, prompt, price, attempt)
        self.tell(
            events.Submitted(
                time=self.time(), job=job, attempt=attempt, request_id=f"r{number}", api="https://api.test"
            )
        )
        return job

    def done(self, number: int, cost: str | None = "0.08", price: str | None = "0.08") -> None:
        """Bring job `number` to its end, from the POST on if it is not at the server yet."""
        job = f"{number:032x}"
        if job not in self.state.jobs:
            self.submitted(number, price=price)
        self.tell(
            events.Done(
                time=self.time(),
                job=job,
                attempt=1,
                request_id=f"r{number}",
                model=MODEL,
                prompt=f"a fox, number {number}",
                settings={},
                tags={},
                files=(File(f"images/{number:05}_fox.png", 1, "0" * 64, "png"),),
                seed=number,
                cost_usd=None if cost is None else Decimal(cost),
            )
        )

    def failed(
        self, number: int, kind: str = "content_policy", message: str = "refused by moderation", prompt: str = ""
    ) -> None:
        """Let job `number` fail at the server."""
        job = self.submitted(number, prompt)
        error = ErrorInfo(kind, Stage.RUN, message)
        self.tell(events.Failed(time=self.time(), job=job, attempt=1, error=error, request_id=f"r{number}"))

    def unknown(self, number: int, prompt: str = "", price: str | None = "0.08", message: str = "no answer") -> None:
        """Let nobody know whether the POST of job `number` was taken."""
        job = self.submitting(number, prompt, price)
        error = ErrorInfo("timeout", Stage.SUBMIT, message)
        self.tell(events.Unknown(time=self.time(), job=job, attempt=1, error=error))

    def refused(self, number: int, delay: float | None = None, message: str = "too many requests") -> None:
        """Let the server turn the POST of job `number` away."""
        job = self.submitting(number)
        error = ErrorInfo("rate_limit", Stage.SUBMIT, message, http_status=429)
        self.tell(events.Refused(time=self.time(), job=job, attempt=1, error=error, delay=delay))

    def lost(self, number: int) -> None:
        """Let the server forget the request of job `number`."""
        job = self.submitted(number)
        self.tell(events.Lost(time=self.time(), job=job, attempt=1, request_id=f"r{number}"))

    def cancelled(self, number: int, by: str = "server") -> None:
        """Let job `number` be cancelled before it ran."""
        job = self.submitted(number)
        self.tell(events.Cancelled(time=self.time(), job=job, attempt=1, request_id=f"r{number}", by=by))

    def finish(self, exit_code: int = 0, reason: str = "finished") -> None:
        """End the run."""
        self.tell(
            events.RunFinished(
                time=self.time(),
                counts=dict(self.state.counts),
                exit_code=exit_code,
                reason=reason,
                cost_usd=self.state.committed_usd,
            )
        )
