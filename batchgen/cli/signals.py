"""What signals do to a run: the first one drains, the second leaves, the third exits at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from batchgen.engine.stop import Cause, Stop, Why

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Turns signals, and the end of the allowed time, into the engine's `Stop`. Use as a context manager.

    `grace` is how many seconds requests in flight may still finish after the first; with `cancel`, what still queues at
    the server is cancelled then. `say` is told what happens now.
    A signal that was ignored when the process started (nohup, a background shell job) stays ignored.
    """

    def __init__(self, stop: Stop, *, grace: float, cancel: bool, say: Callable[[str], None]) -> None:
        self._stop = stop
        self._cancel = cancel
        self._grace = grace
        self._say = say
        self._caught = 0
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._installed: list[signal.Signals] = []

    def __enter__(self) -> Interrupts:
        for number in HANDLED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._loop.add_signal_handler(number, self._catch, number)
                self._installed.append(number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._installed:
            self._loop.remove_signal_handler(number)
        for timer in self._timers:
            timer.cancel()

    def allow(self, seconds: float) -> None:
        """Drain after `seconds`, as the first signal does."""
        cause = Cause(Why.MAX_TIME, f"max_time ({seconds:g} s) is over")
        self._timers.append(self._loop.call_later(seconds, self._drain, cause))

    def _catch(self, number: signal.Signals) -> None:
        self._caught += 1
        cause = Cause(Why.SIGNAL, f"ended by {number.name}", number.value)
        if self._caught == 1:
            self._say(f"{number.name}: nothing new is sent; {self._grace:g} s for what is in flight; again: leave now")
            self._drain(cause)
        elif self._caught == 2:
            self._say(f"{number.name}: leaving; submissions on the wire get 5 s for their answers")
            self._stop.hurry.set()
            self._stop.leave(cause)
        else:
            os._exit(128 + number.value)

    def _drain(self, cause: Cause) -> None:
        self._stop.cancel_queued = self._cancel
        self._stop.end_posts(cause)
        self._timers.append(self._loop.call_later(self._grace, self._stop.leave))
