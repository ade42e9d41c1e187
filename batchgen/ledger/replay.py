"""Reading a ledger back, in one pass and flat memory.

A crash can leave a torn end and nothing else, so readers stop at the last whole line; a last line that parses but lacks
its newline is whole. Bad lines before a good one, and JSON that is no event, are damage that needs a person.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from batchgen import events
from batchgen.errors import LedgerError, printable
from batchgen.ledger import files, lines
from batchgen.state import RunState, fold

_CHUNK = 1 << 20
_RESTORE = "put the file back from a copy, or correct the line with an editor"
_STARTED = b'"event":"run_started"'


class Replay:
    """One pass over an open ledger, from its beginning: iterate once, then ask how far it is whole.

    `whole` is the length in bytes of the good lines, `size` of everything read; `ended` is False where the last good
    line lacks its newline. `writing` refuses a ledger of a newer format.
    """

    def __init__(self, descriptor: int, path: Path, *, writing: bool = False) -> None:
        self.whole = 0
        self.size = 0
        self.ended = True
        self._descriptor = descriptor
        self._path = path
        self._writing = writing

    def __iter__(self) -> Iterator[events.Event]:
        bad = foreign = ""
        for number, line in enumerate(split(self._descriptor, self._path), start=1):
            self.size += len(line)
            text = line if line.endswith(b"\n") else line.rstrip(b"\0")
            try:
                record = lines.decode(text)
            except ValueError as problem:
                bad = bad or self._say(number, f"not a line of a ledger ({problem})")
                if text.endswith(b"\n") and b"\0" not in text:
                    foreign = bad
                continue
            if bad:
                raise LedgerError(f"{bad}, with good lines after it, so no crash left it; {_RESTORE}")
            self.whole += len(text)
            self.ended = text.endswith(b"\n")
            if (event := self._event(number, record)) is not None:
                yield event
        if foreign and not self.whole:
            # Cutting this off as a torn end would empty somebody else's file.
            raise LedgerError(f"{foreign}, nor is any other; is this a run directory? Name another with -o")

    def _event(self, number: int, record: dict[str, object]) -> events.Event | None:
        version = record["v"]
        newer = version != events.VERSION
        if newer and self._writing:
            fix = "go on with the batchgen that wrote it"
            raise LedgerError(self._say(number, f"format {version}, this batchgen writes {events.VERSION}; {fix}"))
        try:
            return events.from_record(record)
        except events.EventError as problem:
            if newer:
                return None
            raise LedgerError(self._say(number, f"{problem}; {_RESTORE}")) from None

    def _say(self, number: int, message: str) -> str:
        return printable(f"{self._path}:{number}: {message}")


def read(path: Path) -> Iterator[events.Event]:
    """Yield the events of the ledger at `path`, up to its last whole line; skips words this version does not know.

    Needs no lock. Raises LedgerError for a file that is missing, not readable, not a regular file or damaged.
    """
    descriptor = _open(path)
    try:
        yield from Replay(descriptor, path)
    finally:
        os.close(descriptor)


def load(path: Path) -> RunState:
    """Return the RunState of the ledger at `path`. Raises as `read` does."""
    return fold(read(path))


def last_started(descriptor: int, path: Path) -> events.RunStarted | None:
    """Return the latest `run_started` of a ledger open at its beginning, to name it in a message; None without one."""
    found: events.RunStarted | None = None
    with contextlib.suppress(LedgerError, ValueError):
        for line in split(descriptor, path):
            if _STARTED in line and isinstance(event := events.from_record(lines.decode(line)), events.RunStarted):
                found = event
    return found


def split(descriptor: int, path: Path) -> Iterator[bytes]:
    """Yield the lines of an open file with their newlines; the last one may have none. Raises LedgerError."""
    carry = b""
    while chunk := _chunk(descriptor, path):
        found = (carry + chunk).split(b"\n")
        carry = found.pop()
        for line in found:
            yield line + b"\n"
        if len(carry) > lines.MAX_LINE:
            raise LedgerError(printable(f"{path}: has a line of more than 64 MiB; {_RESTORE}"))
    if carry:
        yield carry


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
