"""Appending for many at once: events that wait together share one write and one fsync.

The first to come waits for nobody but those who come in the same turn of the event loop; whoever comes while the disk
is busy forms the next batch. So a caller goes on after an fsync that began after its append, and the order of the calls
is the order of the lines.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from batchgen.errors import DiskError
from batchgen.events import Event
from batchgen.ledger import lines
from batchgen.ledger.appender import Appender

Batch = list[tuple[bytes, asyncio.Future[None]]]


class Journal:
    """The ledger as the engine sees it. Used from one event loop at a time.

    `on_failure` is called once, at the first failure and before any caller goes on: from then on no POST may begin,
    though appends go on working while they can; it must not raise. `appends` counts the events taken in; `released` is
    whether file and lock have been let go of.
    """

    def __init__(self, appender: Appender, on_failure: Callable[[DiskError], None] | None = None) -> None:
        self.appends = 0
        self._appender = appender
        self._on_failure = on_failure
        self._waiting: Batch = []
        self._busy_for: asyncio.AbstractEventLoop | None = None
        self._idle = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self.released = False
        self._closed = False

    @property
    def failed(self) -> DiskError | None:
        """The first failure, or None: once it is there, no POST may begin."""
        return self._appender.failed

    @property
    def syncs(self) -> int:
        """How many fsyncs of the ledger there have been."""
        return self._appender.syncs

    async def append(self, event: Event) -> None:
        """Return once the event is durable. Raises DiskError where it cannot be made so.

        A caller that is cancelled only stops waiting: its line is written as the others are.
        """
        if self._closed:
            raise DiskError("the ledger is closed; run the same command again")
        line = lines.encode(event)
        if len(line) > lines.MAX_LINE:
            raise DiskError(f'a "{event.word}" event is longer than 64 MiB; make the prompt or the settings smaller')
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()
        self._waiting.append((line, durable))
        self.appends += 1
        # A loop that ended while a batch was on its way will never say that it is through.
        if self._busy_for is not loop:
            self._busy_for = loop
            self._idle.clear()
            # Not at once: who appends in the same turn of the loop, as all do whose files were saved together, comes
            # along, and nobody waits for it.
            loop.call_soon(self._send, loop)
        await durable

    async def close(self) -> None:
        """Take no more, and return once what is on its way is through; file and lock are held until `release`."""
        self._closed = True
        if self._busy_for is asyncio.get_running_loop():
            await self._idle.wait()

    def release(self) -> None:
        """Let go of the file, its lock and the room kept back, without an event loop; once is enough."""
        self._closed = True
        if self.released:
            return
        self.released = True
        self._thread.shutdown()
        batch, self._waiting = self._waiting, []
        if batch:
            self._settle(batch, self._commit(batch))
        self._appender.close()

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.released:
            return  # What was waiting has been committed without a loop.
        batch, self._waiting = self._waiting, []
        self._thread.submit(self._work, loop, batch)

    def _work(self, loop: asyncio.AbstractEventLoop, batch: Batch) -> None:
        problem = self._commit(batch)
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits.
            loop.call_soon_threadsafe(self._finish, loop, batch, problem)

    def _commit(self, batch: Batch) -> DiskError | None:
        try:
            self._appender.commit(b"".join([line for line, _ in batch]))
        except DiskError as problem:
            return problem
        except BaseException as problem:  # Whatever it is, nobody may be left waiting for ever.
            return self._appender.give_up(problem)
        return None

    def _finish(self, loop: asyncio.AbstractEventLoop, batch: Batch, problem: DiskError | None) -> None:
        if self._busy_for is loop and self._waiting:
            self._send(loop)
        elif self._busy_for is loop:
            self._busy_for = None
            self._idle.set()
        self._settle(batch, problem)

    def _settle(self, batch: Batch, problem: DiskError | None) -> None:
        for _, durable in batch:
            if durable.done():
                continue
            if problem is None:
                durable.set_result(None)
            else:
                durable.set_exception(DiskError(str(problem)))
        # Callers run after this callback, so none of them sends a POST before the engine has been told.
        if self._on_failure and (failed := self._appender.failed):
            tell, self._on_failure = self._on_failure, None
            tell(failed)
