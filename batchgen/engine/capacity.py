"""How many requests the server takes at once, learned from its refusals (429). No waiting, no I/O.

The user's number is a ceiling. A refusal pauses everybody and makes the number in flight a suspect, no more: what is
refused again at the same number is a cap, kept from then on and now and then exceeded to try; what is taken there after
the pause was the rate's refusal or chance, which `PostPace` tells apart by lowering the pace. `refusals` weighs the
evidence. The commoner chance refusals are, the more it takes to believe in a cap, and the shorter the pauses are.

Times are seconds on any clock that only grows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable

from batchgen.engine.limits import PostPace
from batchgen.engine.refusals import BELIEVED, CLEARED, DOUBTED, Noise, Peak, Suspect, unlikely

FIRST = 4
"""What a ceiling that nobody chose begins with; every acceptance adds one."""

MOST = 64
"""The ceiling that nobody chose."""

PAUSE_S, PAUSE_LONGEST_S, JITTER = 2.0, 30.0, 0.2
"""How long nobody submits after a refusal, doubled by each one in a row, and the share by which that varies."""

PAUSES_PER_POST_S, PAUSE_LEAST_S = 0.002, 0.1
"""Where many POSTs are refused by chance, pauses are shorter, so that they cost each POST so much on average; but a
server that refuses is given a moment, always."""

NOISY = 0.02
"""The share of chance refusals from which on POSTs no longer wait for the answer of the one before."""

PROBE_FIRST_S, PROBE_GROWTH, PROBE_LONGEST_S = 5.0, 4.0, 240.0
"""How long a cap is kept before one more is tried, and how that grows with each refusal."""

STEP_S = 3.0
"""How long after an accepted probe the next one is made."""

STEPS, FARTHER = (1, 2, 4, 8, 16), 8
"""A probe is of one, or of this fraction of a large cap; an accepted one is followed by so many more each time."""

AHEAD = 2
"""Where the server queues our own requests and nobody chose a ceiling, so many wait there to take free slots."""


class Capacity:
    """Permission to submit. `ceiling` None leaves the number to what is learned, from `FIRST` up to `MOST`."""

    def __init__(self, ceiling: int | None, per_second: float, chance: random.Random) -> None:
        self.pace = PostPace(per_second)
        self.in_flight = 0
        self._on_wire = 0
        self._stragglers = 0  # POSTs that were on the wire when the pause began: they tell nothing new.
        self._left = 0
        self._queued: dict[Hashable, int] = {}
        self._learns_ceiling = ceiling is None
        self._ceiling = MOST if ceiling is None else ceiling
        self._room = FIRST if ceiling is None else ceiling
        self._chance = chance
        self._noise = Noise()
        self._peak = Peak()
        self._suspect: Suspect | None = None
        self._cleared = False  # Whether a suspect was cleared: then the rate may be a reason.
        self._cap: Suspect | None = None
        self._extra = 0  # By how many the cap is exceeded, to try.
        self._refusals = 0
        self._careful = False
        self._paused_until = 0.0
        self._gap = PROBE_FIRST_S
        self._raise_at = math.inf
        self._step = 0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self._room if self._cap is None else min(self._room, self._cap.number + self._extra)

    @property
    def _noisy(self) -> bool:
        return self._noise.share >= NOISY

    def wait(self, now: float) -> float:
        """Return in how many seconds to ask again for permission to POST: 0 gives it, inf is not before an answer."""
        if now < self._paused_until:
            return self._paused_until - now
        held = self.in_flight + self._on_wire
        trial = any(doubt is not None and held >= doubt.number for doubt in (self._suspect, self._cap))
        careful = not self._noisy and (self._careful or trial)
        if self._on_wire and (careful or held >= self.limit):
            return math.inf
        if held > self.limit:
            return math.inf
        if held == self.limit and now < self._raise_at:
            return self._raise_at - now
        return self.pace.left(now)

    def posting(self, now: float) -> None:
        """Note that a POST sets off, of which `accepted`, `refused` or `unanswered` must tell later."""
        self.pace.take(now)
        if self._cap is not None and self.in_flight + self._on_wire >= self.limit:
            self._raise(self._cap, now)
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
            self._room = max(FIRST, min(self._room, self.in_flight - idle))

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
        return self._left >= self.limit

    def unanswered(self) -> None:
        """Note that a POST is over and tells nothing about how much the server takes."""
        self._landed()

    def _landed(self) -> bool:
        """Take a POST off the wire, first come first served; tell whether it had set off before the last pause."""
        self._on_wire -= 1
        straggler = self._stragglers > 0
        self._stragglers -= straggler
        return straggler

    def accepted(self, request: Hashable, now: float) -> None:
        """Note that the server took a request; where others of ours queue, it stands behind them until a read tells."""
        straggler = self._landed()
        number, self.in_flight = self.in_flight, self.in_flight + 1
        if self._queued:
            self._queued[request] = max(self._queued.values()) + 1
        self._refusals = 0
        self.pace.accepted()
        if not straggler:
            self._noise.answered()
            self._careful = False
        self._peak.note(self.in_flight, now)
        self._weigh(number, straggler=straggler)
        if self._cap is None and self._learns_ceiling and len(self._queued) < AHEAD:
            self._room = min(self._room + 1, self._ceiling)

    def _weigh(self, number: int, *, straggler: bool) -> None:
        """Hold an acceptance against a cap; a straggler only says how many were in flight at the refusal."""
        if self._suspect is not None and straggler:
            self._suspect.number = max(self._suspect.number, number + 1)
        elif self._suspect is not None:
            self._suspect.accepted(number)
            if self._suspect.odds(self._noise.share) <= CLEARED:
                self._clear(self._suspect)
        if self._cap is not None and not straggler:
            self._cap.accepted(number)
            if self._cap.odds(self._noise.share) <= DOUBTED:
                self._drop()

    def _clear(self, suspect: Suspect) -> None:
        """Put refusals down to the rate or to chance."""
        self._noise.cleared(suspect.refusals)
        self._suspect, self._cleared = None, True
        if self._cap is not None and self._cap.odds(self._noise.share) < BELIEVED:
            self._drop()

    def refused(self, now: float, retry_after: float | None = None) -> float:
        """Note a 429 and return how long the pause lasts from now; stragglers belong to the episode of that pause."""
        if self._landed():
            self._paused_until = max(self._paused_until, now + (retry_after or 0.0))
        else:
            self._noise.answered()
            probe = self._cap is not None and self.in_flight >= self._cap.number
            self._blame(now)
            pause = max(0.0 if probe else self._pause(), retry_after or 0.0)
            self._paused_until = max(self._paused_until, now + pause)
            self._stragglers = self._on_wire
        self._careful = True
        return max(0.0, self._paused_until - now)

    def _pause(self) -> float:
        self._refusals += 1
        spread = 1 + JITTER * (2 * self._chance.random() - 1)
        first = min(PAUSE_S, max(PAUSE_LEAST_S, PAUSES_PER_POST_S / self._noise.share))
        return min(first * 2.0 ** min(self._refusals - 1, 16), PAUSE_LONGEST_S) * spread

    def _blame(self, now: float) -> None:
        """Decide what a refusal says: a cap, a rate, or not yet."""
        number = self.in_flight
        if self._cap is not None and number >= self._cap.number:
            self._stay(self._cap, now)
        else:
            self._wonder(number, now)

    def _wonder(self, number: int, now: float) -> None:
        """Add to what is suspected, and believe it where that is enough."""
        self.pace.refused(now, suspected=self._cleared)
        excess = self._peak.largest(now) - number
        if self._suspect is None:
            self._suspect = Suspect(number, beyond=max(CLEARED, unlikely(number, excess)))
        else:
            self._suspect.refused(number, excess)
        if number > 0 and self._suspect.odds(self._noise.share) >= BELIEVED:
            self._cap, self._suspect = self._suspect, None
            self._gap = PROBE_FIRST_S
            self._keep(now)

    def _stay(self, cap: Suspect, now: float) -> None:
        """Keep a cap that refused more."""
        cap.episodes += 1
        self._gap = min((2 if self._noisy else PROBE_GROWTH) * self._gap, PROBE_LONGEST_S)
        self._keep(now)

    def _drop(self) -> None:
        """Believe in the cap no longer."""
        self._cap, self._raise_at = None, math.inf

    def _keep(self, now: float) -> None:
        self._extra = self._step = 0
        self._raise_at = now + self._gap

    def _raise(self, cap: Suspect, now: float) -> None:
        """Go beyond the cap: by a probe, and as long as nothing is refused by further steps."""
        self._extra += max(STEPS[self._step], cap.number // FARTHER)
        self._step = min(self._step + 1, len(STEPS) - 1)
        self._raise_at = now + STEP_S
        if cap.number + self._extra >= self._room:
            self._drop()
