"""Saving outputs so that a final name never stands for anything but a whole, checked, durable file.

Bytes are gathered in memory, and go into a hidden part where there are too many of them; when all outputs of a request
have arrived they are checked, synced, renamed, and the folder is synced, in this order; a sidecar goes with them. All
work on files happens on threads of the store's own, in as few hops as can be; requests that end together share them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from aiofiles import threadpool

from batchgen import errors
from batchgen.job import File, Job
from batchgen.store.disk import Disk
from batchgen.store.folders import Folders
from batchgen.store.group import GroupCommit
from batchgen.store.parts import IMAGES, Part, part_name
from batchgen.store.saving import Arrival, Limits, Place, Saving, allowed, discard, disk_trouble

__all__ = ["Limits", "Sidecar", "Store"]

_GATHERED = 4 * 1024 * 1024
"""How much of one output is gathered before a thread is asked to write: many small hops cost several times the
writing."""

_GATHERED_BY_ALL = 8 * 1024 * 1024
"""Where all outputs together hold more than this, each is written from `_SOONER` on."""

_SOONER = 128 * 1024

_THREADS = 4
"""Each may hold a decoded picture, some 50 MB at 4K."""

Opener = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
Sidecar = Callable[[Job, str], bytes | None]
"""Says what the JSON file beside a job's outputs of this name holds; None where there is to be none."""

Result = TypeVar("Result")


class Store:
    """The writer of one run directory. Close it, or use it as a context manager, when nothing is being saved."""

    def __init__(
        self, run_dir: Path, *, disk: Disk, limits: Limits | None = None, sidecar: Sidecar = lambda job, name: None
    ) -> None:
        self._disk = disk
        self._place = Place(disk, Folders(run_dir, disk), run_dir / IMAGES, limits or Limits())
        self._sidecar = sidecar
        self._gathered = 0
        # Decoding takes tens of milliseconds: on the loop's own threads it would hold up name lookups.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self._group: GroupCommit[tuple[File, ...]] = GroupCommit(self._threads, self._sync_folder)

    def close(self) -> None:
        """End the store's threads once they have finished what they are doing."""
        self._threads.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def save(self, openers: Sequence[Opener], *, job: Job, attempt: int, name: str) -> tuple[File, ...]:
        """Make every output durable under `name`, a stem that may hold folders, and return them in order.

        A sidecar becomes `name` with `.json`, durable with them; it is no output and not among the files.
        Raises DiskError, FileError, or what an opener raises; then, and when cancelled, no part is left behind, and
        whatever stands under a final name is whole.
        """
        names = _components(name)
        beside, *parts = [
            Part(self._place.images / part_name(job.id, attempt, number), self._make_images, self._disk)
            for number in range(len(openers) + 1)
        ]
        arrivals = [Arrival(part) for part in parts]
        saving = Saving(self._place, arrivals, names, beside, self._sidecar(job, name))
        try:
            for opener, arrival in zip(openers, arrivals, strict=True):
                await self._receive(opener, arrival)
                if arrival is not arrivals[-1]:
                    await self._write_out(arrival)
            return await _settled(self._group.commit(saving))
        except BaseException:
            await self._hop(lambda: discard([*parts, beside], self._disk))
            raise
        finally:
            self._gathered -= sum(arrival.gathered for arrival in arrivals)

    def _make_images(self) -> None:
        self._place.folders.ensure(IMAGES)

    def _sync_folder(self, folder: Path) -> None:
        with disk_trouble(folder):
            self._disk.sync_folder(folder)

    async def _receive(self, opener: Opener, arrival: Arrival) -> None:
        """Take an output in. Its last bytes, all of them where they are few, stay in memory."""
        async with opener() as stream:
            async for piece in stream:
                arrival.take(piece)
                self._gathered += len(piece)
                if arrival.gathered >= (_GATHERED if self._gathered <= _GATHERED_BY_ALL else _SOONER):
                    await self._write_out(arrival)

    async def _write_out(self, arrival: Arrival) -> None:
        self._gathered -= arrival.gathered
        arrival.gathered = 0
        piece = arrival.give()
        allowed(arrival.part, piece, self._place.limits)
        with disk_trouble(arrival.part.path):
            await _settled(threadpool.wrap(arrival.part, executor=self._threads).write(piece))

    async def _hop(self, work: Callable[[], Result]) -> Result:
        return await _settled(asyncio.get_running_loop().run_in_executor(self._threads, work))


async def _settled(work: Awaitable[Result]) -> Result:
    """Await work on a thread; when cancelled, let it come to its end first.

    A thread cannot be stopped: what it still does to a file must not happen after that file was cleaned up.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


def _components(name: str) -> list[str]:
    """Split a stem at its slashes. Raises DiskError for one that would lead out of the folder."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise errors.DiskError(errors.printable(f'"{name}" in the ledger is not a name for a file in {IMAGES}/'))
    return parts
