"""When requests of one kind end, learned from those seen so far, and how densely that is worth looking at.

Reads are placed at a density of sqrt(h / 2c) per second: h the hazard of the end at the request's age, c what a read
costs in seconds of lateness (Barlow, Hunter and Proschan, "Optimum checking procedures", J. SIAM 11, 1963).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise

READ_COST_S = 0.085
"""So many seconds of lateness is one read worth: a little under 0.1, since an end not noticed keeps a place empty."""

SHORTEST_S, LONGEST_S = 0.25, 20.0
"""The least and the most time between two reads of one request."""

MEMORY = 0.99
"""What one more end leaves of the weight of all before it: about the latest hundred count."""

GROWTH = 1.2
SPREAD = 0.1
"""The share of an end that counts for each neighbour of its age bin: where it lies exactly is not known."""

PRIOR, PRIOR_MEDIAN_S, PRIOR_SHAPE = 2.0, 10.0, 1.5
"""So many requests are imagined before the first is seen, of log-logistic times; they are forgotten like all others."""

_OLDEST_S = 86400.0
_TRACE = 1e-6
"""What is never forgotten of the prior, so that an age not seen for long still has a hazard."""


def _edges() -> tuple[float, ...]:
    edges = [0.0, SHORTEST_S]
    while edges[-1] < _OLDEST_S:
        edges.append(edges[-1] * GROWTH)
    return tuple(edges)


EDGES = _edges()
"""The age bins' borders in seconds, growing in proportion."""

BINS = len(EDGES) - 1


def _alive(age: float) -> float:
    """Return the share of imagined requests that still runs at an age in seconds."""
    return 1 / (1 + math.pow(age / PRIOR_MEDIAN_S, PRIOR_SHAPE))


_PRIOR_ENDS = tuple(_alive(low) - _alive(high) for low, high in pairwise(EDGES))
_PRIOR_SECONDS = tuple((high - low) * (_alive(low) + _alive(high)) / 2 for low, high in pairwise(EDGES))


class Hazard:
    """Ends and seconds at risk per age bin; ages are seconds since a request began to run."""

    def __init__(self) -> None:
        self._ends = [PRIOR * ends for ends in _PRIOR_ENDS]
        self._seconds = [PRIOR * seconds for seconds in _PRIOR_SECONDS]
        self._weight = 1.0  # Of what is seen now: it grows, instead of everything before it being made smaller.

    def ran(self, since: float, until: float) -> None:
        """Note that a request was seen to run from one age to another."""
        place = _bin(since)
        while since < until:
            border = EDGES[place + 1] if place + 1 < BINS else math.inf
            self._seconds[place] += self._weight * (min(until, border) - since)
            since, place = border, place + 1

    def ended(self, since: float, until: float) -> None:
        """Note that a request ended between two ages; the middle stands for both."""
        age = (since + until) / 2
        self.ran(since, age)
        place = _bin(age)
        for other, share in ((place - 1, SPREAD), (place, 1 - 2 * SPREAD), (place + 1, SPREAD)):
            self._ends[min(max(other, 0), BINS - 1)] += share * self._weight
        self._weight /= MEMORY
        if self._weight > 1e6:
            self._rescale()

    def wait(self, age: float) -> float:
        """Return how long to wait at this `age` before the next read, both in seconds."""
        place, reached, left = _bin(age), age, 1.0
        while reached - age < LONGEST_S:
            border = EDGES[place + 1] if place + 1 < BINS else math.inf
            density = math.sqrt(self.at(place) / (2 * READ_COST_S))
            if density * (border - reached) >= left:
                reached += left / density
                break
            left -= density * (border - reached)
            reached, place = border, place + 1
        return min(max(reached - age, SHORTEST_S), LONGEST_S)

    def at(self, place: int) -> float:
        """Return the hazard in an age bin: ends per second at risk."""
        trace = _TRACE * self._weight
        ends = self._ends[place] + trace * _PRIOR_ENDS[place]
        return ends / (self._seconds[place] + trace * _PRIOR_SECONDS[place])

    def _rescale(self) -> None:
        self._ends = [ends / self._weight for ends in self._ends]
        self._seconds = [seconds / self._weight for seconds in self._seconds]
        self._weight = 1.0


def _bin(age: float) -> int:
    return min(bisect_right(EDGES, age) - 1, BINS - 1)
