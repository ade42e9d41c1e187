"""A run written down as the disk sees it, together with what it promised on the way."""

from __future__ import annotations

import inspect
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

from crash.model_disk import Operation
from crash.seams import Roles, Subject

from batchgen.ledger.files import RealDisk
from batchgen.ledger.journal import Journal
from batchgen.runcomfy.client import Client

Promise = tuple[str, Subject]
"""`durable EVENT`, `submit`, `status`, ...: what from now on must be found on disk."""


class Recorder:
    """Writes down every operation on a disk below `root`, and every promise, in one order."""

    def __init__(self, path: Path, root: Path) -> None:
        self._file = path.open("wb")
        self._root = root
        self._lock = threading.RLock()

    def instrument(self) -> None:
        """Record everything in this process from now on. A method that the model does not know fails its replay."""
        for name, method in list(vars(RealDisk).items()):
            if inspect.isfunction(method) and not name.startswith("_"):
                setattr(RealDisk, name, self._recorded(name, method))
        for owner in (Journal, Client):
            for name, method in list(vars(owner).items()):
                if inspect.iscoroutinefunction(method) and not name.startswith("_"):
                    setattr(owner, name, self._promising(name, method))

    def _keep(self, what: Operation | Promise) -> None:
        with self._lock:
            pickle.dump(what, self._file)
            self._file.flush()

    def _recorded(self, kind: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def called(disk: RealDisk, *arguments: Any) -> Any:
            with self._lock:
                result = method(disk, *arguments)
                self._keep(self._operation(kind, arguments, result))
            return result

        return called

    def _operation(self, kind: str, arguments: tuple[Any, ...], result: object) -> Operation:
        paths = [self._relative(one) for one in arguments if isinstance(one, Path)]
        numbers = [one for one in arguments if isinstance(one, int)]
        data = next((bytes(one) for one in arguments if isinstance(one, bytes | memoryview)), b"")
        match kind:
            case "open":
                return Operation(kind, path=paths[0], descriptor=int(str(result)), number=numbers[0])
            case "write":
                return Operation(kind, descriptor=numbers[0], data=data[: int(str(result))])
            case _ if paths:
                return Operation(kind, path=paths[0], target=paths[-1])
            case _:
                return Operation(kind, descriptor=numbers[0], number=numbers[-1])

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path.absolute(), self._root)

    def _promising(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        roles = Roles()

        @wraps(method)
        async def called(*arguments: Any, **named: Any) -> Any:
            words, subject = roles.describe(arguments)
            if name != "append":
                self._keep((name, subject))
            result = await method(*arguments, **named)
            if name == "append":
                self._keep((f"durable {words}", subject))
            return result

        return called


def read_recording(path: Path) -> Iterator[Operation | Promise]:
    """Yield what was recorded, in order."""
    with path.open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)


def read_tree(root: Path) -> dict[str, bytes | None]:
    """Return everything below a folder by its relative path; folders are None."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }
