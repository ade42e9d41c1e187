"""How fast the API is asked: a pace, what a 429 makes of it, a pause shared by everybody, and an ear for silence.

Each object holds state and says how long to wait; none of them waits. Times are seconds on any clock that only grows.
"""

from __future__ import annotations

import math
import random
from collections import deque

from batchgen.engine.polling import backoff

SILENCE_S = 120.0
"""How long nobody may answer before the run ends."""

READS_PER_POST = 5
"""So many reads go with each POST that the user allows per second."""

LEAST_READS_PER_SECOND = 10.0
"""The pace of reads where the user allows few POSTs."""

READS_AT_ONCE = 10
"""So many reads may go together after a quiet moment."""

_EASED = 0.95
"""What a refusal leaves of a pace at most."""

_HELD_S, _HELD = 20.0, 5
"""How long, and for how many POSTs, a pace must go without a refusal to count as one that holds in the search."""

_RARE = 40
"""Refusals this far apart cost less than a lower pace would; a pace that takes so many POSTs holds."""

_LONGER = 3
"""Where the rate was the reason, a proved pace takes at least so many times as many POSTs between refusals."""

_TRUST_FIRST_S, _TRUST_LONGEST_S = 15.0, 60.0
"""How long the rate is not suspected after it was cleared; doubled each time."""

_NARROW = 1.05
"""Once the least refused pace is this close to one that held, the search is over."""

_RAISE_FIRST_S, _RAISE_LONGEST_S = 60.0, 240.0
"""How long a found pace is kept before a little more is tried: the first time, and after refusals."""

_RECOVERY_S = 300.0
"""How long reads take to get back to their full pace from nothing."""

_SLOWEST = 1 / 32
"""The least share of their pace that reads keep, and the least pace of POSTs in POSTs a second."""


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
    """The pace of POSTs: the user's, or less once refusals show that the server counts POSTs by the second.

    Whatever burst a server allows, a refusal says that it is used up: A POSTs taken in T seconds between two refusals
    prove a rate of (A - 1) / T at least. Where refusals come often, the pace goes down to that, by half at most each
    time. A rate refuses nothing there: refusals that go on as often were not its own, and the user's pace comes back.
    Else the middle between the proved pace and the refused one is tried, and in the end a little more now and then.
    """

    def __init__(self, per_second: float) -> None:
        self._full = per_second
        self._pace = Pace(per_second)
        self._runs: deque[tuple[float, int]] = deque(maxlen=2)  # When a refusal was, and how many were taken since.
        self._usual = 0.0  # How many POSTs were taken between two refusals at the user's pace.
        self._proved = 0.0
        self._refused = math.inf
        self._held = 0  # POSTs taken at this pace.
        self._found = False  # Whether the search for the allowed pace is over.
        self._step = _NARROW - 1
        self._raise_at = math.inf
        self._gap = _RAISE_FIRST_S
        self._trusted_until = -math.inf
        self._trust = _TRUST_FIRST_S

    @property
    def per_second(self) -> float:
        """The present pace."""
        return self._pace.per_second

    def left(self, now: float) -> float:
        """Return how long it is until the next free moment."""
        if self._proved and self._holds(now):
            self._raise(now)
        return self._pace.left(now)

    def take(self, now: float) -> None:
        """Take the next free moment."""
        self._pace.take(now)

    def accepted(self) -> None:
        """Note that the server took a POST."""
        self._held += 1
        if self._runs:
            since, taken = self._runs.pop()
            self._runs.append((since, taken + 1))

    def refused(self, now: float, *, suspected: bool) -> None:
        """Note a refusal; `suspected` where the rate may be its reason and was of those before."""
        runs = list(self._runs)
        self._runs.append((now, 0))
        if not suspected or not runs or runs[-1][1] == 0 or now < self._trusted_until:
            return
        taken = sum(run for _, run in runs)
        floor = max(taken - 1, 0.5) / (now - runs[0][0])
        if self._proved == 0:
            if len(runs) > 1 and taken < _RARE:
                self._usual = taken / len(runs)
                self._lower(floor, now)
        elif self.per_second > self._proved:
            self._lower(floor, now)
        elif runs[-1][1] < min(_LONGER * (self._usual + 1), _RARE):
            self._trust_again(now)

    def _trust_again(self, now: float) -> None:
        """Go back to the user's pace: a lower one, proved, was refused as soon as it."""
        self._pace.per_second = self._full
        self._proved = 0.0
        self._trusted_until = now + self._trust
        self._trust = min(2 * self._trust, _TRUST_LONGEST_S)

    def _lower(self, proved: float, now: float) -> None:
        """Go down from a refused pace; the search is over where nothing better was proved, or little is between."""
        self._refused, self._held, self._step = self.per_second, 0, _NARROW - 1
        better = proved > _NARROW * self._proved
        self._proved = max(min(max(self._proved, proved), _EASED * self.per_second), _SLOWEST)
        self._pace.per_second = max(self._proved, self._refused / 2)
        self._found = not better or self._refused <= _NARROW * self.per_second
        self._raise_at = now + (self._gap if self._found else _HELD_S)
        if self._found:
            self._gap, self._trust = min(2 * self._gap, _RAISE_LONGEST_S), _TRUST_FIRST_S

    def _holds(self, now: float) -> bool:
        """Whether the present pace has been kept for long enough to try more."""
        if now >= self._raise_at:
            return self._held >= _HELD
        return self._held >= _RARE and not self._found

    def _raise(self, now: float) -> None:
        """Try the middle between this pace and the refused one; from a found pace on, growing steps."""
        self._found = self._found or self._refused <= _NARROW * self.per_second
        if self._found:
            wanted, self._step = (1 + self._step) * self.per_second, 2 * self._step
        else:
            wanted = min((self.per_second + self._refused) / 2, 2 * self.per_second)
        self._held, self._raise_at = 0, now + _HELD_S
        self._pace.per_second = min(wanted, self._full)
        if wanted >= self._full:
            self._proved = 0.0


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
