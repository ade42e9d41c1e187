"""Group commit of files: whoever waits together is synced together.

Each piece of work is prepared on a thread of its own, several at a time. Then the first thread that finds nobody
committing takes all that are ready: their bytes are synced, their names given, every folder they touched is synced
once, and the event loop is woken once. What becomes ready meanwhile is the next batch; nobody waits for company.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Work(Protocol[Result_co]):
    """Files on their way to their names. The methods are called once each, in this order, from any thread."""

    def prepare(self) -> None:
        """Do all that concerns these files alone and needs no sync. May raise anything: then nothing follows."""

    def sync(self) -> None:
        """Make the bytes durable."""

    def place(self) -> Collection[Path]:
        """Give the files their names, and return the folders they were and are in."""

    def result(self) -> Result_co:
        """Return what was saved; called once every folder is durable too."""


@dataclass(slots=True)
class _Item(Generic[Result]):
    """One piece of work, who waits for it, and what kept it from being done."""

    work: Work[Result]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Result]
    problem: BaseException | None = None
    folders: Collection[Path] = ()

    def attempt(self, step: Callable[[], None]) -> None:
        """Take a step. Whatever goes wrong is told to who waits: nobody may be left waiting for ever."""
        if self.problem is None:
            try:
                step()
            except BaseException as problem:
                self.problem = problem

    def place(self) -> None:
        """Take the step that gives names."""
        self.folders = self.work.place()

    def settle(self) -> None:
        """Tell who waits, on the event loop."""
        if self.done.done():
            return
        if self.problem is None:
            self.done.set_result(self.work.result())
        else:
            self.done.set_exception(self.problem)


class GroupCommit(Generic[Result]):
    """Commits pieces of work on `threads`; `sync_folder` makes the names in a folder durable."""

    def __init__(self, threads: Executor, sync_folder: Callable[[Path], None]) -> None:
        self._threads = threads
        self._sync_folder = sync_folder
        self._ready: deque[_Item[Result]] = deque()
        self._committing = threading.Lock()

    def commit(self, work: Work[Result]) -> asyncio.Future[Result]:
        """Return what will hold the work's result once it is durable, or what went wrong."""
        loop = asyncio.get_running_loop()
        item = _Item(work, loop, loop.create_future())
        self._threads.submit(self._run, item)
        return item.done

    def _run(self, item: _Item[Result]) -> None:
        item.attempt(item.work.prepare)
        if item.problem is not None:
            _tell([item])
            return
        self._ready.append(item)
        # Who cannot have the lock may go: its holder looks again after letting go of it.
        while self._ready and self._committing.acquire(blocking=False):
            try:
                self._commit_all()
            finally:
                self._committing.release()

    def _commit_all(self) -> None:
        batch: list[_Item[Result]] = []
        while self._ready:
            batch.append(self._ready.popleft())
        for item in batch:
            item.attempt(item.work.sync)
        for item in batch:
            item.attempt(item.place)
        for folder in dict.fromkeys(folder for item in batch for folder in item.folders):
            self._sync(folder, batch)
        _tell(batch)

    def _sync(self, folder: Path, batch: Sequence[_Item[Result]]) -> None:
        try:
            self._sync_folder(folder)
        except BaseException as problem:
            for item in batch:
                if folder in item.folders:
                    item.problem = item.problem or problem


def _tell(batch: Sequence[_Item[Result]]) -> None:
    """Settle all items, in one turn of the event loop that waits for them."""
    for loop in {item.loop for item in batch}:
        mine = [item for item in batch if item.loop is loop]
        with suppress(RuntimeError):  # The loop is closed: nobody waits.
            loop.call_soon_threadsafe(_settle, mine)


def _settle(batch: Sequence[_Item[Result]]) -> None:
    for item in batch:
        item.settle()
