"""An event loop whose clock jumps to the next timer whenever nothing else is to be done.

Hours of polling pass in milliseconds and in an exact order; a wait that nothing can end is an error, not a hang.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")

_BURIAL_ROUNDS = 100


class Died(BaseException):
    """The process of this loop is dead: nothing of it runs any more."""


class _Jumping(selectors.SelectSelector):
    now = 0.0
    left: int | None = None

    def __init__(self, when: Callable[[], bool]) -> None:
        super().__init__()
        self._when = when

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.left is not None:
            if self.left <= 0 and self._when():
                raise Died
            self.left -= 1
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits for something that will never happen")
            self.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual seconds, beginning at 1000. After `rounds` of its work, once `when` holds, it raises Died."""

    def __init__(self, rounds: int | None = None, when: Callable[[], bool] = lambda: True) -> None:
        self._jumping = _Jumping(when)
        super().__init__(self._jumping)
        self._jumping.left = rounds

    def time(self) -> float:
        """Return virtual seconds."""
        return 1000.0 + self._jumping.now

    def bury(self) -> None:
        """Cancel all that a loop which died has left; the world must take nothing from it any more."""
        self._jumping.left = None
        for _ in range(_BURIAL_ROUNDS):
            if not (tasks := asyncio.all_tasks(self)):
                return
            for task in tasks:
                task.cancel()
            self.run_until_complete(asyncio.wait(tasks, timeout=0.001))
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.exception()
        raise RuntimeError("something goes on after death")


def run(main: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
