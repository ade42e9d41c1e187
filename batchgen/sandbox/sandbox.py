"""One sandbox at work: the book in memory, the journal on disk, and the clock, kept in step for the handlers.

Log order is the order of changes: a record is applied and queued in one step, and a caller answers when it is durable.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from aiohttp import web

from batchgen.sandbox import effects, models
from batchgen.sandbox.book import Book, View
from batchgen.sandbox.config import SandboxConfig
from batchgen.sandbox.faults import Fault, FaultDesk
from batchgen.sandbox.journal import LOG_NAME, Journal, replay
from batchgen.sandbox.profiles import read_rules
from batchgen.sandbox.records import Faulted, Opened, Record, encode
from batchgen.sandbox.wire import ApiError


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What every handler needs. `origin` is the server's own, such as http://127.0.0.1:8123."""

    config: SandboxConfig
    origin: str
    book: Book
    journal: Journal
    models: dict[str, models.Model]
    faults: FaultDesk

    def now(self) -> float:
        """Seconds since the epoch, never before the last record."""
        return max(time.time(), self.book.last_at)

    async def commit(self, record: Record) -> None:
        """Apply a record and return when it is durable."""
        self.book.apply(record)
        await self.journal.append(encode(record))

    def note(self, record: Record) -> None:
        """Apply a record that no answer has to wait for."""
        self.book.apply(record)
        self.journal.append(encode(record))

    def view(self, request_id: str) -> View:
        """A request as it stands now. Raises ApiError (404001) if it is unknown or past its retention."""
        now = self.now()
        view = self.book.view(request_id, now)
        if view is None or (view.finished is not None and now > view.finished + self.config.retention):
            raise ApiError(404, 404001, "no such request; it may have expired")
        return view

    def balance(self) -> Decimal:
        """What is left of the wallet, with everything accepted paid for."""
        return self.config.balance - self.book.committed

    def authorise(self, request: web.Request) -> None:
        """Raise ApiError (400004) unless the request carries a token this sandbox takes."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        wanted = self.config.token
        if scheme.lower() != "bearer" or not token.strip() or (wanted is not None and token != wanted):
            raise ApiError(401, 400004, "missing, wrong or revoked token")

    async def serve(
        self,
        request: web.Request,
        endpoint: str,
        prompt: str,
        work: Callable[[Fault | None], Awaitable[web.Response]],
    ) -> web.StreamResponse:
        """Answer one call: with `work` alone, or with a fault played before or after it."""
        call, fault = self.faults.draw(endpoint, prompt)
        if fault is None:
            return await work(None)
        self.note(Faulted(self.now(), endpoint, fault.do, call))
        answer = await work(fault) if fault.accept else None
        return await effects.play(fault, request, answer)


async def open_sandbox(config: SandboxConfig, origin: str) -> Sandbox:
    """Read the log back, cut its torn end and go on. The caller holds the folder's lock."""
    rules = read_rules(config.faults)
    book, size = load_book(config.directory)
    sandbox = Sandbox(
        config=config,
        origin=origin,
        book=book,
        journal=Journal(config.directory, size),
        models=models.load_models(),
        faults=FaultDesk(rules, config.seed, book.last_fault),
    )
    await sandbox.commit(Opened(sandbox.now(), config.slots))
    return sandbox


def load_book(directory: Path) -> tuple[Book, int]:
    """The fold of the log in `directory` and the size of its whole lines in bytes; empty if there is none."""
    book, size = Book(), 0
    if (directory / LOG_NAME).exists():
        for record, offset in replay(directory):
            book.apply(record)
            size = offset
    return book, size
