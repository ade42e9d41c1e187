"""Reading a ledger back, in one pass and flat memory.

A crash can leave a torn end and nothing else, so readers stop at the last whole line; a last line that parses but lacks
its newline is whole. Bad lines before a good one, and JSON that is no event, are damage that needs a person.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
from collections.abc import Collection, Iterable, Iterator
from io import BytesIO
from itertools import chain
from pathlib import Path

from batchgen import events
from batchgen.errors import LedgerError, printable
from batchgen.ledger import checkpoint, files, lines
from batchgen.ledger.checkpoint import Beginning
from batchgen.ledger.quick import OddError, Quick
from batchgen.state import RunState, fold

_CHUNK = 1 << 16
"""Bytes that are read at once: their lines, and what is made of them, should fit into a cache."""

_RESTORE = "put the file back from a copy, or correct the line with an editor"
_STARTED = b'"event":"run_started"'


class Replay:
    """One pass over an open ledger, from its beginning: iterate or fold once, then ask how far it is whole.

    `whole` is the length in bytes of the good lines, `lines` their number, `size` of everything read; `ended` is False
    where the last good line lacks its newline. `writing` refuses a ledger of a newer format; where `words` are given,
    no other events are made, nor looked into.
    """

    def __init__(
        self, descriptor: int, path: Path, *, writing: bool = False, words: Collection[str] = events.EVENTS
    ) -> None:
        self._descriptor = descriptor
        self._path = path
        self._writing = writing
        self._words = words
        self._begin()

    def _begin(self, whole: int = 0, lines: int = 0) -> None:
        """Go to a place that so many good lines, of so many bytes, end at."""
        os.lseek(self._descriptor, whole, os.SEEK_SET)
        self.whole = self.size = whole
        self.lines = lines
        self.ended = True
        self._bad = self._foreign = ""

    def __iter__(self) -> Iterator[events.Event]:
        number = self.lines + 1
        for text in split(self._descriptor, self._path):
            some = BytesIO(text).readlines()
            for place, record in self._records(number, some):
                if (event := self._event(place, record)) is not None:
                    yield event
            number += len(some)
        self._refuse_foreign()

    def fold(self, known: Beginning | None = None) -> RunState:
        """Return the RunState of the ledger: that of its events, without making all of them.

        What its beginning comes to may be `known`, and becomes part of what is returned.
        """
        if known is not None:
            self._begin(known.length, known.lines)
            for event in self:
                known.state.apply(event)
            return known.state
        quick = Quick(lambda record: self._event(0, record))
        try:
            with _without_collector():
                for text in split(self._descriptor, self._path):
                    self._take(quick, text)
                self._refuse_foreign()
                return quick.state()
        except (OddError, LedgerError):
            # The ordinary fold knows what to make of it, or says what is wrong, and where, in the ledger's order.
            self._begin()
            return fold(self)

    def _take(self, quick: Quick, text: bytes) -> None:
        """Take lines in: at once as far as they are good, the others one by one."""
        length, number = quick.take(text) if text.endswith(b"\n") and not self._bad else (0, 0)
        if number:
            self.size, self.whole, self.ended = self.size + length, self.whole + length, True
            self.lines += number
        for _, record in self._records(0, BytesIO(text[length:]).readlines()):
            quick.apply(record)

    def _records(self, first: int, some: Iterable[bytes]) -> Iterator[tuple[int, lines.Record]]:
        """Yield the records of good lines with their numbers, and note how far the ledger is whole."""
        for number, line in enumerate(some, first):
            self.size += len(line)
            text = line if line.endswith(b"\n") else line.rstrip(b"\0")
            try:
                record = lines.decode(text)
            except ValueError as problem:
                self._bad = self._bad or self._say(number, f"not a line of a ledger ({problem})")
                if text.endswith(b"\n") and b"\0" not in text:
                    self._foreign = self._bad
                continue
            if self._bad:
                raise LedgerError(f"{self._bad}, with good lines after it, so no crash left it; {_RESTORE}")
            self.whole += len(text)
            self.lines += 1
            self.ended = text.endswith(b"\n")
            yield number, record

    def _refuse_foreign(self) -> None:
        if self._foreign and not self.whole:
            # Cutting this off as a torn end would empty somebody else's file.
            raise LedgerError(f"{self._foreign}, nor is any other; is this a run directory? Name another with -o")

    def _event(self, number: int, record: lines.Record) -> events.Event | None:
        version = record["v"]
        newer = version != events.VERSION
        if newer and self._writing:
            fix = "go on with the batchgen that wrote it"
            raise LedgerError(self._say(number, f"format {version}, this batchgen writes {events.VERSION}; {fix}"))
        if record["event"] not in self._words:
            return None
        try:
            return events.from_record(record)
        except events.EventError as problem:
            if newer:
                return None
            raise LedgerError(self._say(number, f"{problem}; {_RESTORE}")) from None

    def _say(self, number: int, message: str) -> str:
        return printable(f"{self._path}:{number}: {message}")


def read(path: Path, *kinds: type[events.Event]) -> Iterator[events.Event]:
    """Yield the events of the ledger at `path`, up to its last whole line; skips words this version does not know.

    Where `kinds` are given, only those: making an event is what takes the time. Needs no lock. Raises LedgerError for a
    file that is missing, not readable, not a regular file or damaged.
    """
    descriptor = _open(path)
    try:
        yield from Replay(descriptor, path, words={kind.word for kind in kinds} or events.EVENTS)
    finally:
        os.close(descriptor)


def load(path: Path) -> RunState:
    """Return the RunState of the ledger at `path`. Raises as `read` does."""
    descriptor = _open(path)
    try:
        return Replay(descriptor, path).fold(checkpoint.read(descriptor, path))
    finally:
        os.close(descriptor)


def last_started(descriptor: int, path: Path) -> events.RunStarted | None:
    """Return the latest `run_started` of a ledger open at its beginning, to name it in a message; None without one."""
    found: events.RunStarted | None = None
    with contextlib.suppress(LedgerError, ValueError):
        for line in chain.from_iterable(BytesIO(text) for text in split(descriptor, path)):
            if _STARTED in line and isinstance(event := events.from_record(lines.decode(line)), events.RunStarted):
                found = event
    return found


def split(descriptor: int, path: Path) -> Iterator[bytes]:
    """Yield an open file in pieces of whole lines; the last line may lack its newline. Raises LedgerError."""
    begun: list[bytes] = []
    while chunk := _chunk(descriptor, path):
        end = chunk.rfind(b"\n") + 1
        if not end:
            begun.append(chunk)
            if sum(map(len, begun)) > lines.MAX_LINE:
                raise LedgerError(printable(f"{path}: has a line of more than 64 MiB; {_RESTORE}"))
            continue
        yield b"".join((*begun, chunk[:end]))
        begun = [chunk[end:]] if end < len(chunk) else []
    if begun:
        yield b"".join(begun)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from looking, again and again, for the cycles that no JSON has."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _chunk(descriptor: int, path: Path) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except OSError as error:
        raise _unreadable(path, error) from error


def _open(path: Path) -> int:
    try:
        # Without O_NONBLOCK, opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        files.require_regular(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _unreadable(path: Path, error: OSError) -> LedgerError:
    if error.errno == errno.ENOENT:
        return LedgerError(printable(f"{path}: is not there; name a run directory or the manifest of a run"))
    if error.errno == errno.ELOOP:
        return LedgerError(printable(f"{path}: is a symbolic link; name the run directory the ledger stands in"))
    return LedgerError(printable(f"{path}: cannot be read ({error.strerror}); make it readable for this user"))
