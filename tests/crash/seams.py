"""The boundaries of a run, found by looking at the classes through which everything durable or paid for goes.

Every public method of a seam is a boundary before it and after it, so a new method is covered without a new test. Used
in a process that runs one command and then ends: what is patched here stays patched.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from aiohttp.client_reqrep import ClientRequest

from batchgen.events import Event, JobEvent
from batchgen.job import Job
from batchgen.ledger.appender import Appender
from batchgen.ledger.files import RealDisk
from batchgen.ledger.journal import Journal
from batchgen.runcomfy import transport
from batchgen.runcomfy.client import Client
from batchgen.store.folders import Folders
from batchgen.store.parts import IMAGES, Part
from batchgen.store.writer import Store

CLASSES = (RealDisk, Appender, Journal, Folders, Part, Store, Client)
MODULES = (transport,)
SENT = (ClientRequest, "send")
"""Between this and the reading of the answer, only the server knows what became of a POST."""

DEATH = 9
"""How a process ends at its fatal boundary."""

Subject = dict[str, str]


class Track:
    """Writes down every boundary that is passed, and ends the process at the one named `fatal`.

    A boundary's name counts how often it was reached: `before RealDisk.fsync log.jsonl #3`. At `interrupt` the process
    sends itself a SIGINT.
    """

    def __init__(self, path: Path, *, fatal: str = "", interrupt: str = "") -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._fatal = fatal
        self._interrupt = interrupt
        self._reached: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reach(self, side: str, call: str, subject: Subject, last: Callable[[], object] | None = None) -> None:
        """Pass a boundary, or die there, after one `last` deed."""
        with self._lock:
            place = f"{side} {call}"
            self._reached[place] += 1
            name = f"{place} #{self._reached[place]}"
            os.write(self._descriptor, json.dumps([name, subject]).encode() + b"\n")
            if name == self._fatal:
                if last is not None:
                    last()
                os._exit(DEATH)
        if name == self._interrupt:
            os.kill(os.getpid(), signal.SIGINT)


def read_track(path: Path) -> list[tuple[str, Subject]]:
    """Return the boundaries that a process passed, in order, the fatal one included."""
    return [(name, subject) for name, subject in map(json.loads, path.read_bytes().splitlines())]


def seams() -> Iterator[tuple[type | ModuleType, str, Any]]:
    """Yield every function that is a seam: where it stands, its name, and itself."""
    for owner in CLASSES:
        yield from ((owner, name, function) for name, function in vars(owner).items() if _is_public(name, function))
    for module in MODULES:
        for name, function in vars(module).items():
            own = _is_public(name, function) and function.__module__ == module.__name__
            if own and inspect.iscoroutinefunction(function):
                yield module, name, function
    yield SENT[0], SENT[1], getattr(*SENT)


def instrument(track: Track) -> None:
    """Put a boundary before and after every seam, for the rest of this process."""
    roles = Roles()
    for owner, name, function in list(seams()):
        call = f"{owner.__name__.rpartition('.')[2]}.{name}"
        wrap = _wrapped_coroutine if inspect.iscoroutinefunction(function) else _wrapped
        setattr(owner, name, wrap(track, roles, call, function))


def _is_public(name: str, function: object) -> bool:
    return isinstance(function, FunctionType) and not name.startswith("_")


class Roles:
    """What a call is about, in words that are the same in every run."""

    def __init__(self) -> None:
        self._of_descriptor: dict[int, str] = {}

    def note_opened(self, arguments: tuple[object, ...], result: object) -> None:
        """Remember what a descriptor stands for."""
        if isinstance(result, int) and len(arguments) > 1 and isinstance(arguments[1], Path):
            self._of_descriptor[result] = role_of(arguments[1])

    def describe(self, arguments: tuple[object, ...]) -> tuple[str, Subject]:
        """Return the words for the name of a boundary, and whom it concerns."""
        words, subject = "", {}
        for argument in arguments[1:] or arguments:
            match argument:
                case JobEvent():
                    words = argument.word
                    subject = {"job": argument.job, "attempt": str(argument.attempt)}
                    subject["request"] = str(getattr(argument, "request_id", None) or "")
                case Event():
                    words = argument.word
                case Job():
                    subject = {"job": argument.id}
                case Path():
                    words = role_of(argument)
                case str() if not subject and not argument.startswith("http"):
                    subject = {"request": argument}
                case int() if not words:
                    words = self._of_descriptor.get(argument, "")
                case Part():
                    words = "part"
        return words, subject


def role_of(path: Path) -> str:
    """Return what a path is for, without the names that differ from run to run."""
    if path.name.endswith(".part"):
        return "image part" if IMAGES in path.parts else "other part"
    if IMAGES in path.parts[:-1]:
        return "image"
    return "inputs" if "inputs" in path.parts[:-1] else path.name


def _wrapped(track: Track, roles: Roles, call: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        words, subject = roles.describe(arguments)
        place = f"{call} {words}".strip()
        track.reach("before", place, subject)
        if call == "RealDisk.write":
            disk, descriptor, data = arguments
            track.reach("amid", place, subject, lambda: function(disk, descriptor, data[: max(1, len(data) // 2)]))
        result = function(*arguments, **named)
        if call == "RealDisk.open":
            roles.note_opened(arguments, result)
        if hasattr(result, "__aenter__") and result not in arguments:
            return _wrapped_stream(track, place, result)
        track.reach("after", place, subject)
        return result

    return called


def _wrapped_coroutine(track: Track, roles: Roles, call: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def called(*arguments: Any, **named: Any) -> Any:
        words, subject = roles.describe(arguments)
        place = f"{call} {words}".strip()
        track.reach("before", place, subject)
        result = await function(*arguments, **named)
        if isinstance(result, str):
            subject = {**subject, "request": result}
        track.reach("after", place, subject)
        return result

    return called


@asynccontextmanager
async def _wrapped_stream(track: Track, place: str, opened: Any) -> AsyncIterator[AsyncIterator[bytes]]:
    async def pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in stream:
            track.reach("amid", place, {})
            yield piece

    track.reach("before", place, {})
    async with opened as stream:
        yield pieces(stream)
    track.reach("after", place, {})
