"""What a refusal (429) is evidence of: a cap, which refuses again at the same number, or something else.

Servers also refuse a share of POSTs whatever their number: by chance, or since they come too fast. Against that share,
learned, a suspected cap is weighed by the likelihoods of what is seen (Wald's sequential test, 1945). Under a cap, a
refusal at its number is certain, and an acceptance beyond it needs requests that have ended unseen; under none, the
refusal is as likely as that share is large, and the acceptance is what to expect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

UNSEEN, UNSEEN_SHARE = 0.3, 1 / 16
"""Of those in flight, so many have ended unseen, on average: a cap takes as many more than its number."""

RECENT_S = 30.0
"""How long, at least, the largest number that the server took is held against a refusal at a smaller one."""

BELIEVED, DOUBTED, CLEARED = 4.0, 2.0, -3.0
"""The logarithms of the odds at which a suspected cap is believed, believed no longer, and no longer suspected."""

LEAST_NOISE = 0.01
"""However rare chance refusals have been, one is not thought less likely than this when a cap is weighed."""

_FAR, _LEAST_CHANCE = 30, 1e-3
_PRIOR_REFUSED, _PRIOR_POSTS = 0.005, 5.0
_MEMORY = 0.998
_MOST_NOISE = 0.5


class Noise:
    """The share of POSTs that the server refuses for neither their number nor their pace, over the last 500 or so."""

    def __init__(self) -> None:
        self._refused = self._posts = 0.0

    @property
    def share(self) -> float:
        """The share, never 0: some chance refusals are expected of any server."""
        share = (self._refused + _PRIOR_REFUSED) / (self._posts + _PRIOR_POSTS)
        return min(share, _MOST_NOISE)

    def answered(self) -> None:
        """Note that a POST was accepted or refused."""
        self._refused *= _MEMORY
        self._posts = self._posts * _MEMORY + 1

    def cleared(self, refusals: int) -> None:
        """Note refusals that turned out not to be a cap's, one for each pause."""
        self._refused += refusals


def unlikely(number: int, excess: int) -> float:
    """Return the logarithm of how likely a cap takes so many more than its number: the tail of a Poisson law."""
    mean = UNSEEN + UNSEEN_SHARE * number
    fewer = sum(math.exp(-mean) * mean**count / math.factorial(count) for count in range(min(excess, _FAR)))
    return math.log(max(1 - fewer, _LEAST_CHANCE))


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

    def _turn(self, now: float) -> None:
        if now - self._since >= RECENT_S:
            self._before = self._now if now - self._since < 2 * RECENT_S else 0
            self._now, self._since = 0, now


@dataclass(slots=True)
class Suspect:
    """A number of requests in flight at which the server refused, and what was seen of it since.

    `refusals` came after a pause each, and `episodes` of them in a row. `beyond` is what acceptances beyond the number
    say against it, and `peak` is the most in flight since the last refusal.
    """

    number: int
    episodes: int = 1
    refusals: int = 1
    beyond: float = 0.0
    peak: int = 0

    def refused(self, number: int, excess: int) -> None:
        """Note another refusal, where so many more were taken lately.

        The row begins anew where a number that would be refused was taken since the last.
        """
        again = self.peak <= min(self.number, number)
        if number < self.number:
            self.beyond = min(self.beyond, max(CLEARED, unlikely(number, excess)))
        self.number = min(self.number, number) if again else number
        self.episodes = self.episodes + 1 if again else 1
        self.refusals += 1
        self.peak = 0

    def accepted(self, number: int) -> None:
        """Note an acceptance with so many in flight before it."""
        self.peak = max(self.peak, number + 1)
        if number >= self.number:
            self.beyond += unlikely(self.number, number + 1 - self.number)

    def odds(self, noise: float) -> float:
        """Return the logarithm of the odds of a cap, where chance refuses that share of POSTs."""
        return (self.episodes - 1) * -math.log(max(noise, LEAST_NOISE)) + self.beyond
