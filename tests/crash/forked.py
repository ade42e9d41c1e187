"""Commands in forked processes: everything is imported once, and each command starts in milliseconds.

The process that forks runs no threads and no event loop, so a child finds a clean interpreter.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from PIL import Image
from support.sandboxed import MODEL

from batchgen.catalog import schema
from batchgen.cli import decide, fetch, main, run

PRELOADED = (decide, fetch, run)
"""What the commands would import by themselves, in every child again."""

DEFECT = 70
"""The exit code of a command that ended in an exception."""

Case = TypeVar("Case")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, where it runs and in which environment; what it says goes to the file `said`."""

    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]

    @property
    def said(self) -> Path:
        """Everything the commands of this folder have said."""
        return self.folder / "said.txt"


def warm_up() -> None:
    """Load what is loaded lazily, before anything is forked."""
    Image.init()
    schema.bundled(MODEL)
    "localhost".encode("idna")
    with suppress(ImportError):
        import_module("uvloop")
    gc.collect()
    gc.freeze()


def start(command: Command, prepare: Callable[[], object] = lambda: None) -> int:
    """Run a command in a child and return its process id; `prepare` is called there first."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    code = DEFECT
    try:
        _enter(command)
        prepare()
        main.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def end_of(pid: int) -> int:
    """Wait for a child and return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_to_end(command: Command, prepare: Callable[[], object] = lambda: None) -> int:
    """Run a command in a child and return its exit code."""
    return end_of(start(command, prepare))


def _enter(command: Command) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    said = os.open(command.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, said), (2, said)):
        os.dup2(source, target)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    os.chdir(command.folder)
    os.environ.clear()
    os.environ.update(command.environment)
    sys.argv = ["batchgen", *command.arguments]


def spread(
    cases: Sequence[Case],
    worker: Callable[[int], Callable[[Case], Result]],
    *,
    workers: int,
    folder: Path,
    deadline: float,
) -> list[Result]:
    """Work through the cases in several forked processes and return what came of those begun before
    the deadline, in order.

    `worker` makes, in its own process, what does the work; it may have a `close`. `deadline` is on the monotonic clock.
    Raises RuntimeError where a worker broke down.
    """
    count = max(1, min(workers, len(cases)))
    outcomes = [folder / f"worker-{number}.pickle" for number in range(count)]
    sys.stdout.flush()
    sys.stderr.flush()
    pids = []
    for number, outcome in enumerate(outcomes):
        if not (pid := os.fork()):
            _work(partial(worker, number), cases[number::count], outcome, deadline)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    results: dict[int, Result] = {}
    for number, outcome in enumerate(outcomes):
        content = pickle.loads(outcome.read_bytes()) if outcome.exists() else "a worker vanished"
        if isinstance(content, str):
            raise RuntimeError(content)
        results |= {number + count * turn: result for turn, result in enumerate(content)}
    return [results[number] for number in sorted(results)]


def _work(make: Callable[[], Any], cases: Sequence[Any], outcome: Path, deadline: float) -> NoReturn:
    content: object
    try:
        work = make()
        try:
            content = [work(case) for case in cases if time.monotonic() < deadline]
        finally:
            if hasattr(work, "close"):
                work.close()
    except BaseException:
        content = traceback.format_exc()
    outcome.write_bytes(pickle.dumps(content))
    os._exit(0)
