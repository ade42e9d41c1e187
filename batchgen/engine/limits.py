"""How fast the API is asked: a pace, what a 429 makes of it, a pause shared by everybody, and an ear for silence.

Each object holds state and says how long to wait; none of them waits. Times are seconds on any clock that only grows.
"""

from __future__ import annotations

import math
import random

from batchgen.engine.polling import backoff

SILENCE_S = 120.0
"""How long nobody may answer before the run ends."""

READS_PER_POST = 5
"""So many reads go with each POST that the user allows per second."""

LEAST_READS_PER_SECOND = 10.0
"""The pace of reads where the user allows few POSTs."""

READS_AT_ONCE = 10
"""So many reads may go together after a quiet moment."""

_EASED = 0.7
"""What one refusal leaves of a pace of POSTs that was never seen to hold."""

_NARROW = 1.05
"""Once the least refused pace is this close to one that held, the search is over."""

_HELD_S = 20.0
"""How long a pace must go without a refusal to count as one that holds, while the search goes on."""

_RAISE_FIRST_S, _RAISE_LONGEST_S = 60.0, 240.0
"""How long a found pace is kept before a little more is tried: the first time, and after refusals."""

_RECOVERY_S = 300.0
"""How long reads take to get back to their full pace from nothing."""

_SLOWEST = 1 / 32


class Pace:
    """At most `per_second` a second, evenly spread, `at_once` together after a pause.

    The virtual scheduling form of the leaky bucket (ITU-T I.371). First come, first served.
    """

    def __init__(self, per_second: float, at_once: int = 1) -> None:
        self.per_second = per_second
        self._at_once = at_once
        self._next = 0.0

    def left(self, now: float) -> float:
        """Return how long it is until the next free moment."""
        return max(0.0, self._next - (self._at_once - 1) / self.per_second - now)

    def take(self, now: float) -> float:
        """Take the next free moment and return how long it is until then."""
        left = self.left(now)
        self._next = max(now, self._next) + 1 / self.per_second
        return left


class ReadPace:
    """The pace of all reads together: halved by a 429, and slowly itself again."""

    def __init__(self, per_second: float) -> None:
        self._full = per_second
        self._pace = Pace(per_second, READS_AT_ONCE)
        self._since = 0.0

    def take(self, now: float) -> float:
        """Take the next free moment and return how long it is until then."""
        self._recover(now)
        return self._pace.take(now)

    def refused(self, now: float) -> None:
        """Note a 429; those that belong to the same episode must not be told."""
        self._recover(now)
        self._pace.per_second = max(self._pace.per_second / 2, self._full * _SLOWEST)

    def _recover(self, now: float) -> None:
        gained = self._full * (now - self._since) / _RECOVERY_S
        self._pace.per_second = min(self._full, self._pace.per_second + gained)
        self._since = now


class PostPace:
    """The pace of POSTs: the user's, or less once refusals show that the server allows less.

    A refused pace and one that held are brackets, and the middle between them is tried next. Once they are close, the
    one that held is kept, and a little more is tried now and then.
    """

    def __init__(self, per_second: float) -> None:
        self._full = per_second
        self._pace = Pace(per_second)
        self._held = 0.0
        self._refused = math.inf
        self._raise_at = math.inf
        self._gap = _RAISE_FIRST_S

    @property
    def per_second(self) -> float:
        """The present pace."""
        return self._pace.per_second

    def left(self, now: float) -> float:
        """Return how long it is until the next free moment."""
        self._raise(now)
        return self._pace.left(now)

    def take(self, now: float) -> None:
        """Take the next free moment."""
        self._pace.take(now)

    def refused(self, now: float) -> None:
        """Note that the server refused this pace."""
        self._refused = self.per_second
        if self._held < self.per_second:
            self._gap = min(2 * self._gap, _RAISE_LONGEST_S) if self._narrow() else self._gap
        else:
            self._held = 0.0
        self._pace.per_second = self._held or max(_EASED * self.per_second, _SLOWEST * self._full)
        self._raise_at = now + (self._gap if self._narrow() else _HELD_S)

    def _narrow(self) -> bool:
        return self._refused <= _NARROW * self._held

    def _raise(self, now: float) -> None:
        if now < self._raise_at:
            return
        self._held = self.per_second
        if self._refused == math.inf:
            self._gap = _RAISE_FIRST_S
        if self._narrow() or self._refused == math.inf:
            wanted, gap = _NARROW * self._held, self._gap
            self._refused = math.inf
        else:
            wanted, gap = (self._held + self._refused) / 2, _HELD_S
        self._pace.per_second = min(wanted, self._full)
        self._raise_at = math.inf if self._pace.per_second == self._full else now + gap


class CoolDown:
    """One pause that everybody keeps after the server asked for it (429).

    Refusals that arrive while it lasts belong to the same episode and do not lengthen it by themselves.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._until = 0.0
        self._episodes = 0

    def refused(self, now: float, retry_after: float | None = None) -> float:
        """Note a refusal and return how long the pause lasts from now."""
        if now >= self._until:
            self._episodes += 1
            self._until = now + backoff(self._episodes, self._chance.random(), retry_after)
        elif retry_after is not None:
            self._until = max(self._until, now + retry_after)
        return self._until - now

    def accepted(self) -> None:
        """Note that the server takes requests again."""
        self._episodes = 0

    def left(self, now: float) -> float:
        """Return how long the pause still lasts; 0 if there is none."""
        return max(0.0, self._until - now)


class Silence:
    """How long nobody at all has answered."""

    def __init__(self) -> None:
        self._since: float | None = None

    def answered(self) -> None:
        """Note any answer, even an error."""
        self._since = None

    def missed(self, now: float) -> bool:
        """Note that nobody answered; True once that has lasted for `SILENCE_S`."""
        if self._since is None:
            self._since = now
        return now - self._since >= SILENCE_S
