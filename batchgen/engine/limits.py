"""How fast the API is asked: a pace for POSTs, a cool-down shared by everybody, and an ear for silence.

Each object holds state and says how long to wait; none of them waits.
"""

from __future__ import annotations

import random

from batchgen.engine.polling import backoff

SILENCE_S = 120.0
"""How long nobody may answer before the run ends."""


class Pace:
    """At most `per_second` POSTs a second, evenly spread; times are seconds on any clock that only grows.

    The virtual scheduling form of the leaky bucket (ITU-T I.371), with no burst allowed.
    """

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0

    def take(self, now: float) -> float:
        """Take the next free moment and return how long it is until then."""
        moment = max(now, self._next)
        self._next = moment + self._interval
        return moment - now


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
