"""The real command in this process, with its server beside it on one loop, where waits take no time.

Everything is as in a process of its own, from the command line to the exit code: options, environment, signals, HTTP
over sockets, the ledger, the store. Only the event loop is another.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import sys
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from unittest import mock

from batchgen.cli import loop as command_loop
from batchgen.cli.main import main
from support.faulty import FaultyApi
from support.hurried import hurried
from support.sandboxed import PATIENCE_S, Ended, Workplace

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Inside:
    """A place to run commands in, and the API that they meet."""

    place: Workplace
    api: FaultyApi

    def run(self, *arguments: str) -> Ended:
        """Run a command to its end."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.dict("os.environ", self.place.environment, clear=True))
            stack.enter_context(mock.patch.object(sys, "argv", ["batchgen", *arguments]))
            stack.enter_context(contextlib.chdir(self.place.folder))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
            # Jitter is chance too, and the counts of a row must be the same every time.
            stack.enter_context(mock.patch.object(random, "Random", partial(random.Random, 7)))
            stack.enter_context(_beside(self.api))
            return Ended(_code(), out.getvalue(), err.getvalue())


@dataclass(frozen=True, slots=True)
class Outside:
    """The same, with every command in a process of its own; the server is in a thread of this one."""

    place: Workplace
    api: FaultyApi

    def run(self, *arguments: str) -> Ended:
        """Run a command to its end."""
        there: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def serve() -> None:
            stop = asyncio.Event()
            async with self.api:
                there.set_result((asyncio.get_running_loop(), stop))
                await stop.wait()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        loop, stop = there.result(PATIENCE_S)
        try:
            return self.place.run(*arguments)
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()


def _code() -> int:
    try:
        main()
    except SystemExit as end:
        assert isinstance(end.code, int)
        return int(end.code)


@contextlib.contextmanager
def _beside(api: FaultyApi) -> Iterator[None]:
    """Run what commands run on a loop of ours, together with the server."""
    with hurried() as run:

        async def both(work: Coroutine[Any, Any, Value]) -> Value:
            async with api:
                return await work

        with mock.patch.object(command_loop, "run", lambda work: run(both(work))):
            yield
