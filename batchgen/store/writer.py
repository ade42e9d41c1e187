"""Saving outputs so that a final name never stands for anything but a whole, checked, durable file.

Bytes stream into hidden parts; when all outputs of a request have arrived they are checked, synced, renamed, and the
folder is synced, in this order; a sidecar goes with them. All work on files happens on threads of the store's own, in
as few hops as can be.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from aiofiles import threadpool

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import File, Job
from batchgen.store import formats, pictures
from batchgen.store.disk import Disk, disk_error
from batchgen.store.folders import Folders
from batchgen.store.formats import Format, Medium
from batchgen.store.parts import IMAGES, Part, part_name

MAX_IMAGE_BYTES = 128 * 1024**2
MAX_BYTES = 2 * 1024**3
"""The largest video or sound."""

_PIECE = 1024 * 1024
"""How much is collected before a thread is asked to write: many small hops cost several times the writing."""

_THREADS = 4
"""Each may hold a decoded picture, some 50 MB at 4K."""

Opener = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
Sidecar = Callable[[Job, str], bytes | None]
"""Says what the JSON file beside a job's outputs of this name holds; None where there is to be none."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an output may be: bytes of a picture, bytes of anything else, pixels of a picture."""

    image_bytes: int = MAX_IMAGE_BYTES
    bytes: int = MAX_BYTES
    pixels: int = pictures.MAX_PIXELS


class Store:
    """The writer of one run directory. Close it, or use it as a context manager, when nothing is being saved."""

    def __init__(
        self, run_dir: Path, *, disk: Disk, limits: Limits | None = None, sidecar: Sidecar = lambda job, name: None
    ) -> None:
        self._disk = disk
        self._folders = Folders(run_dir, self._disk)
        self._images = run_dir / IMAGES
        self._limits = limits or Limits()
        self._sidecar = sidecar
        # Decoding takes tens of milliseconds: on the loop's own threads it would hold up name lookups.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")

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
        *folders, stem = _components(name)
        parts = [
            Part(self._images / part_name(job.id, attempt, number), self._make_images, self._disk)
            for number in range(1, len(openers) + 1)
        ]
        text = self._sidecar(job, name)
        beside = Part(self._images / part_name(job.id, attempt, 0), self._make_images, self._disk)
        try:
            for opener, part in zip(openers, parts, strict=True):
                await self._receive(opener, part)
            return await self._hop(lambda: self._commit(parts, folders, stem, beside, text))
        except BaseException:
            await self._hop(lambda: self._discard([*parts, beside]))
            raise

    def _make_images(self) -> None:
        self._folders.ensure(IMAGES)

    async def _receive(self, opener: Opener, part: Part) -> None:
        pieces: list[bytes] = []
        held = 0
        async with opener() as stream:
            async for piece in stream:
                pieces.append(piece)
                held += len(piece)
                if held >= _PIECE:
                    await self._write(part, b"".join(pieces))
                    pieces.clear()
                    held = 0
        if pieces or not part.size:
            await self._write(part, b"".join(pieces))

    async def _write(self, part: Part, piece: bytes) -> None:
        # Judged before it is written: an error page is not worth a file, nor the rest of it worth a download.
        kind = _kind_of(part.head or piece)
        allowed = self._limits.image_bytes if kind.medium is Medium.IMAGE else self._limits.bytes
        if part.size + len(piece) > allowed:
            words = f"the output is a {kind.name} of more than {allowed:,} bytes"
            raise errors.FileError(ErrorInfo("too_big", Stage.FILE, words))
        with _disk_trouble(part.path):
            await _settled(threadpool.wrap(part, executor=self._threads).write(piece))

    def _commit(
        self, parts: Sequence[Part], folders: Sequence[str], stem: str, beside: Part, text: bytes | None
    ) -> tuple[File, ...]:
        """Check, sync and name all parts, in this order. Runs on a thread, in one hop."""
        kinds = [_kind_of(part.head) for part in parts]
        sizes = [self._pixels(part, kind) for part, kind in zip(parts, kinds, strict=True)]
        names = _file_names(stem, kinds)
        named = dict(zip(names, parts, strict=True))
        if text is not None:
            with _disk_trouble(beside.path):
                beside.write(text)
            named[f"{stem}.json"] = beside
        for part in named.values():
            with _disk_trouble(part.path):
                self._disk.fsync(part.fileno())
                part.close()
        folder = self._folders.ensure(IMAGES, *folders)
        for file_name, part in named.items():
            self._rename(part.path, folder / file_name)
        for touched in dict.fromkeys((folder, self._images)):
            with _disk_trouble(touched):
                self._disk.sync_folder(touched)
        return tuple(
            File("/".join((IMAGES, *folders, file_name)), part.size, part.sha256, kind.name, *(size or ()))
            for part, file_name, kind, size in zip(parts, names, kinds, sizes, strict=True)
        )

    def _pixels(self, part: Part, kind: Format) -> tuple[int, int] | None:
        if kind.medium is not Medium.IMAGE:
            return None
        with _disk_trouble(part.path), part.reader() as file:
            return pictures.size_of(file, kind, self._limits.pixels)

    def _rename(self, source: Path, target: Path) -> None:
        with _disk_trouble(target):
            if target.is_symlink():
                raise errors.DiskError(errors.printable(f"{target} is a symbolic link; move it away"))
            self._disk.rename(source, target)

    def _discard(self, parts: Sequence[Part]) -> None:
        for part in parts:
            # The error that led here matters more; what cannot be removed now is swept up at the next start.
            with suppress(OSError):
                part.close()
                if part.exists:
                    self._disk.unlink(part.path)

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


@contextmanager
def _disk_trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise disk_error(path, problem) from None


def _kind_of(head: bytes) -> Format:
    kind = formats.sniff(head)
    if kind is None:
        words = f"the output is {formats.describe(head)} and no picture, video or sound"
        raise errors.FileError(ErrorInfo("bad_file", Stage.FILE, words), again=not head)
    return kind


def _file_names(stem: str, kinds: Sequence[Format]) -> list[str]:
    """One output is named by the stem alone, several are numbered from 1."""
    if len(kinds) == 1:
        return [f"{stem}.{kinds[0].extension}"]
    return [f"{stem}_{number}.{kind.extension}" for number, kind in enumerate(kinds, 1)]


def _components(name: str) -> list[str]:
    """Split a stem at its slashes. Raises DiskError for one that would lead out of the folder."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise errors.DiskError(errors.printable(f'"{name}" in the ledger is not a name for a file in {IMAGES}/'))
    return parts
