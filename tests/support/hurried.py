"""An event loop that passes waits in no time although sockets and threads are real.

Its clock stands still while anything is under way, and jumps to the next timer once nothing is: no packet that the
kernel still carries, no thread that still works for the loop. So half an hour of polling, over real connections to a
server on the same loop, takes a moment, and no timer fires because the machine is slow. A wait that nothing can end is
an error, not a hang.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest import mock

Value = TypeVar("Value")
Arguments = TypeVarTuple("Arguments")
Ready = list[tuple[selectors.SelectorKey, int]]

_CARRIED_S = 0.001
"""How long, in real seconds, a packet over loopback may be under way."""

_PATIENCE_S = 10.0


class _Jumping(selectors.DefaultSelector):
    def __init__(self, busy: Callable[[], bool]) -> None:
        super().__init__()
        self.now = 0.0
        self._busy = busy

    def select(self, timeout: float | None = None) -> Ready:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        while True:
            busy = self._busy()
            if ready := super().select(_CARRIED_S):
                return ready
            if not busy:
                break
        if timeout is None:
            if ready := super().select(_PATIENCE_S):  # A thread of somebody else's, such as a pool's that is shut down.
                return ready
            raise RuntimeError("every task waits for something that will never happen")
        self.now += timeout
        return []


class HurriedLoop(asyncio.SelectorEventLoop):
    """A loop on seconds of its own, beginning at 1000; `busy` tells of threads that it does not know of."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._hops = 0
        self._jumping = _Jumping(lambda: self._hops > 0 or busy())
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the loop's own seconds."""
        return 1000.0 + self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Arguments]], Value], *args: *Arguments
    ) -> asyncio.Future[Value]:
        """Call `func` on a thread; no time passes until the loop knows what came of it."""
        self._hops += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._landed)
        return future

    def _landed(self, _: asyncio.Future[Any]) -> None:
        self._hops -= 1


class _Threads:
    """How many calls the process's pools have not finished."""

    def __init__(self) -> None:
        self._calls = 0
        self._guard = threading.Lock()

    def busy(self) -> bool:
        return self._calls > 0

    def begun(self) -> None:
        with self._guard:
            self._calls += 1

    def ended(self, _: Future[Any]) -> None:
        with self._guard:
            self._calls -= 1


@contextmanager
def hurried() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Yield what runs a coroutine to its end on a HurriedLoop, while every pool's calls are counted."""
    threads = _Threads()
    plain = ThreadPoolExecutor.submit

    def counted(pool: ThreadPoolExecutor, /, *arguments: Any, **named: Any) -> Future[Any]:
        threads.begun()
        future = plain(pool, *arguments, **named)
        future.add_done_callback(threads.ended)
        return future

    def run(main: Coroutine[Any, Any, Value]) -> Value:
        with asyncio.Runner(loop_factory=lambda: HurriedLoop(threads.busy)) as runner:
            return runner.run(main)

    with mock.patch.object(ThreadPoolExecutor, "submit", counted):
        yield run
