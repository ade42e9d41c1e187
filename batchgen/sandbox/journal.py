"""The sandbox's log file: one holder, read back with its torn end cut, appended durably in shared fsyncs.

An append is done when an fsync that began after it has returned; appends that wait together share one.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from batchgen.sandbox.config import SandboxError
from batchgen.sandbox.records import Record, decode

LOG_NAME = "requests.jsonl"
LOCK_WAIT = 10.0
_OPENING = os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_LOCK_POLL = 0.05


def hold(directory: Path, wait: float = LOCK_WAIT) -> int:
    """Make the folder and lock it for this process; returns the descriptor that holds the lock.

    Waits up to `wait` seconds for an old holder to go, then raises SandboxError (75).
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | _OPENING, 0o666)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                message = f"{directory}: another sandbox serves this folder; end it or give another --dir"
                raise SandboxError(message, 75) from None
            time.sleep(_LOCK_POLL)
        except OSError as error:
            os.close(descriptor)
            raise SandboxError(f"{directory}: cannot be locked ({error}); use a local disk", 73) from None
        else:
            return descriptor


def replay(directory: Path) -> Iterator[tuple[Record, int]]:
    """Every whole record of the log with the offset after it; stops before a torn end.

    Raises SandboxError (65) if a bad line has a line after it: that is no crash's doing.
    """
    path = directory / LOG_NAME
    bad: str | None = None
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if bad is not None:
                raise SandboxError(f"{path}:{bad}; restore the file or start with another --dir", 65)
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("no newline")
                record = decode(line)
            except ValueError as error:
                bad = f"{number}: not a line this sandbox wrote ({error})"
                continue
            offset += len(line)
            yield record, offset


class Journal:
    """The open log. Only the holder of the folder's lock may make one; `size` is where the whole lines end."""

    def __init__(self, directory: Path, size: int) -> None:
        path = directory / LOG_NAME
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | _OPENING, 0o666)
        except OSError as error:
            raise SandboxError(f"{path}: cannot be opened ({error.strerror}); move it away", 73) from None
        os.ftruncate(self._descriptor, size)
        os.fsync(self._descriptor)
        _sync_folder(directory)
        self._lines: list[bytes] = []
        self._batch: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._broken: OSError | None = None

    def append(self, line: bytes) -> asyncio.Future[None]:
        """Queue a line; the future is done when it is durable. Raises OSError once any write has failed."""
        if self._broken is not None:
            raise self._broken
        if self._batch is None:
            self._batch = asyncio.get_running_loop().create_future()
            # The outcome belongs to every line of the batch, and some have nobody waiting for it.
            self._batch.add_done_callback(lambda batch: batch.cancelled() or batch.exception())
        self._lines.append(line)
        batch = self._batch
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return asyncio.shield(batch)

    async def settled(self) -> None:
        """Return when everything appended so far is durable."""
        if self._writer is not None:
            await asyncio.shield(self._writer)

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        await self.settled()
        os.close(self._descriptor)

    async def _write(self) -> None:
        while self._batch is not None:
            lines, batch = self._lines, self._batch
            self._lines, self._batch = [], None
            try:
                await asyncio.to_thread(self._commit, b"".join(lines))
            except OSError as error:
                self._broken = error
                batch.set_exception(error)
            else:
                batch.set_result(None)
        self._writer = None

    def _commit(self, data: bytes) -> None:
        if self._broken is not None:
            raise self._broken
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)


def _sync_folder(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
