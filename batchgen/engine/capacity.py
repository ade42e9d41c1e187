"""How many requests the server takes at once, learned from its refusals (429). No waiting, no I/O.

The user's number is a ceiling. Where the server refuses, what was in flight is its cap: kept from then on, and now and
then tried with one more. A refusal may also mean that POSTs come too fast. One more POST after the pause tells: a cap
refuses it again, a rate takes it; then the pace is lowered, not the number.

Times are seconds on any clock that only grows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable

from batchgen.engine.limits import PostPace

FIRST = 4
"""What a ceiling that nobody chose begins with; every acceptance adds one."""

MOST = 64
"""The ceiling that nobody chose."""

PAUSE_S, PAUSE_LONGEST_S, JITTER = 2.0, 30.0, 0.2
"""How long nobody submits after a refusal, doubled by each one in a row, and the share by which that varies."""

CAREFUL_S = 5.0
"""How long after a pause each POST waits for the answer of the one before."""

TRIAL_GAP_S = 1.5
"""The least time between POSTs that go beyond the number at which the server refused."""

PROBE_FIRST_S, PROBE_LONGEST_S = 60.0, 240.0
"""How long a cap is kept before one more is tried; doubled by each refusal."""

STEP_S = 3.0
STEPS = (1, 1, 2, 4, 8)
"""An accepted probe is followed after so many seconds, by so many more each time."""

BEYOND = 3
"""So many acceptances beyond the number at which the server refused: it was the rate that it refused."""

AHEAD = 2
"""Where the server queues our own requests and nobody chose a ceiling, so many wait there to take free slots."""

RECENT_S = 30.0
"""How long, at least, the largest number that the server took is held against a refusal at a smaller one."""


class Peak:
    """The largest of the numbers of the last `RECENT_S` to `2 * RECENT_S` seconds."""

    def __init__(self) -> None:
        self._now = self._before = 0
        self._since = 0.0

    def note(self, number: int, now: float) -> None:
        """Take a number in."""
        self._turn(now)
        self._now = max(self._now, number)

    def largest(self, now: float) -> int:
        """Return the largest number not yet forgotten."""
        self._turn(now)
        return max(self._now, self._before)

    def forget(self) -> None:
        """Begin anew."""
        self._now = self._before = 0

    def _turn(self, now: float) -> None:
        if now - self._since >= RECENT_S:
            self._before = self._now if now - self._since < 2 * RECENT_S else 0
            self._now, self._since = 0, now


class Capacity:
    """Permission to submit. `ceiling` None leaves the number to what is learned, from `FIRST` up to `MOST`."""

    def __init__(self, ceiling: int | None, per_second: float, chance: random.Random) -> None:
        self.pace = PostPace(per_second)
        self.in_flight = 0
        self._on_wire = 0
        self._left = 0
        self._queued: dict[Hashable, int] = {}
        self._learns_ceiling = ceiling is None
        self._ceiling = MOST if ceiling is None else ceiling
        self._limit = FIRST if ceiling is None else ceiling
        self._chance = chance
        self._cap = False  # Whether the limit is one that the server has shown.
        self._suspected: int | None = None  # In flight at a refusal that may have meant a cap or a rate.
        self._beyond = 0  # Acceptances beyond that number since.
        self._peak = Peak()
        self._contradicted_at = -math.inf
        self._refusals = 0
        self._paused_until = self._careful_until = self._trial_at = 0.0
        self._gap = PROBE_FIRST_S
        self._raise_at = math.inf
        self._step = 0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self._limit

    def wait(self, now: float) -> float:
        """Return in how many seconds to ask again for permission to POST: 0 gives it, inf is not before an answer."""
        if now < self._paused_until:
            return self._paused_until - now
        held = self.in_flight + self._on_wire
        trial = self._suspected is not None and held >= self._suspected
        if self._on_wire and (now < self._careful_until or trial or held >= self._limit):
            return math.inf
        if held > self._limit:
            return math.inf
        if held == self._limit and now < self._raise_at:
            return self._raise_at - now
        return max(self.pace.left(now), self._trial_at - now if trial else 0.0)

    def posting(self, now: float) -> None:
        """Note that a POST sets off, of which `accepted`, `refused` or `unanswered` must tell later."""
        self.pace.take(now)
        self._trial_at = now + TRIAL_GAP_S
        if self.in_flight + self._on_wire >= self._limit:
            self._raise(now)
        self._on_wire += 1

    def found(self) -> None:
        """Note a request of an earlier run that holds a place at the server."""
        self.in_flight += 1

    def standing(self, request: Hashable, place: int | None) -> None:
        """Note where a read found a request in the server's queue; None where it is not there.

        A place behind more requests than we have in flight is one among other people's: then more of ours are welcome.
        """
        if place is None or place > self.in_flight:
            self._queued.pop(request, None)
            return
        self._queued[request] = place
        idle = len(self._queued) - AHEAD
        if self._learns_ceiling and idle > 0:
            self._limit = max(FIRST, min(self._limit, self.in_flight - idle))

    def ended(self, request: Hashable) -> None:
        """Note that a request has left its place at the server, to the next in the queue."""
        self._queued.pop(request, None)
        self._queued = {other: place - 1 for other, place in self._queued.items() if place > 1}
        self.in_flight -= 1

    def left(self) -> None:
        """Note that a request keeps its place at the server for as long as this run lasts."""
        self._left += 1

    @property
    def blocked(self) -> bool:
        """Whether every place there is belongs to a request that is left to the server."""
        return self._left >= self._limit

    def unanswered(self) -> None:
        """Note that a POST is over and tells nothing about how much the server takes."""
        self._on_wire -= 1

    def accepted(self, request: Hashable, now: float) -> None:
        """Note that the server took a request; where others of ours queue, it stands behind them until a read tells."""
        self._on_wire -= 1
        self.in_flight += 1
        if self._queued:
            self._queued[request] = max(self._queued.values()) + 1
        self._refusals = 0
        self._peak.note(self.in_flight, now)
        if self._cap:
            self._limit = max(self._limit, min(self.in_flight, self._ceiling))
        if self._suspected is not None:
            self._weigh(self._suspected, now)
        elif not self._cap and not (self._learns_ceiling and len(self._queued) >= AHEAD):
            self._limit = min(self._limit + 1, self._ceiling)

    def refused(self, now: float, retry_after: float | None = None) -> float:
        """Note a 429 and return how long the pause lasts from now."""
        self._on_wire -= 1
        if now >= self._paused_until:
            expected = self._cap and self._step > 0 and self.in_flight >= self._limit - 1
            self._blame(now)
            self._paused_until = now + max(0.0 if expected else self._pause(), retry_after or 0.0)
        elif retry_after is not None:
            self._paused_until = max(self._paused_until, now + retry_after)
        self._careful_until = self._paused_until + CAREFUL_S
        return self._paused_until - now

    def _pause(self) -> float:
        self._refusals += 1
        spread = 1 + JITTER * (2 * self._chance.random() - 1)
        return min(PAUSE_S * 2.0 ** min(self._refusals - 1, 16), PAUSE_LONGEST_S) * spread

    def _blame(self, now: float) -> None:
        """Decide what a refusal says: a cap, a rate, or not yet."""
        number = self.in_flight
        if number == 0 or self._contradicted(number, now):
            self._blame_rate(now)
        elif self._is_cap(number):
            self._blame_cap(number, now)
        else:
            self._cap, self._suspected, self._beyond = False, number, 0
            self._limit = min(number + 1, self._ceiling)

    def _contradicted(self, number: int, now: float) -> bool:
        """Whether, for the second time lately, the server refuses at a number that it had just gone beyond.

        Once may be chance: a request that has ended and was not asked yet still counts here.
        """
        if self._peak.largest(now) <= number:
            return False
        twice = now - self._contradicted_at < 2 * RECENT_S
        self._contradicted_at = now
        return twice

    def _is_cap(self, number: int) -> bool:
        if self._suspected is not None:
            return number >= self._suspected
        return self._cap and number >= self._limit - 1

    def _blame_cap(self, number: int, now: float) -> None:
        self._gap = min(2 * self._gap, PROBE_LONGEST_S) if self._cap else PROBE_FIRST_S
        self._cap, self._suspected, self._step = True, None, 0
        self._limit, self._raise_at = number, now + self._gap

    def _blame_rate(self, now: float) -> None:
        self.pace.refused(now)
        self._peak.forget()
        self._contradicted_at = -math.inf
        self._cap, self._suspected, self._raise_at = False, None, math.inf
        self._limit = min(self.in_flight + FIRST, self._ceiling)

    def _weigh(self, suspected: int, now: float) -> None:
        """Weigh an acceptance after a refusal that is not explained yet."""
        self._beyond += self.in_flight > suspected
        if self._beyond == BEYOND or self.in_flight == self._ceiling:
            self._blame_rate(now)
        elif self.in_flight > suspected:
            self._limit = min(self.in_flight + 1, self._ceiling)

    def _raise(self, now: float) -> None:
        """Go beyond the cap: a probe of one, and as long as nothing is refused further steps."""
        self._limit = min(self._limit + STEPS[self._step], self._ceiling)
        self._step = min(self._step + 1, len(STEPS) - 1)
        self._cap = self._limit < self._ceiling
        self._raise_at = now + STEP_S if self._cap else math.inf
