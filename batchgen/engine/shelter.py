"""Work that must finish whatever happens to whoever asked for it: a POST on the wire, a line on its way to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")


class Shelter:
    """Runs coroutines out of the reach of their caller's cancellation."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._orphaned: list[BaseException] = []

    async def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Return what `work` returns. A cancelled caller leaves; `work` goes on and is awaited by `drained`."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                task.add_done_callback(self._keep_error)
            raise

    async def drained(self, hurry: asyncio.Event, patience: float) -> list[BaseException]:
        """Wait until nothing is left and return the errors that nobody else has seen.

        Once `hurry` is set, what is left after `patience` seconds is cancelled.
        """
        hurried = asyncio.ensure_future(hurry.wait())
        try:
            while self._tasks and not hurry.is_set():
                await asyncio.wait({*self._tasks, hurried}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurried.cancel()
        while self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=patience)
            for task in late:
                task.cancel()
        return self._orphaned

    def _keep_error(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._orphaned.append(error)
