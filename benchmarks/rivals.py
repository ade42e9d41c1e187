"""What the simulator holds the engine's rules against: other clients' habits, and an oracle."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

from batchgen.engine.hazard import LONGEST_S, SHORTEST_S
from batchgen.engine.polling import Course, Kind

READ_COST_S = 0.1
"""What a read costs, in seconds of lag, where rules are judged."""


class Unlearned:
    """A rule that goes by the request's age alone."""

    def accepted(self, kind: Kind, now: float, age: float = 0.0) -> Course:
        """Begin."""
        return Course(kind, now - age, now - age)

    def pending(self, course: Course, now: float, *, queued: bool = False, place: int | None = None) -> None:
        """Learn nothing."""

    def ended(self, course: Course, now: float) -> None:
        """Learn nothing."""


class Fixed(Unlearned):
    """A read every so many seconds: RunComfy's own command line takes 2, its node for ComfyUI 5."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def wait(self, course: Course, now: float) -> float:
        """Return the interval."""
        return self._seconds


class Exponential(Unlearned):
    """From half a second on, doubling up to 20 s."""

    def wait(self, course: Course, now: float) -> float:
        """Return as much as has passed."""
        return min(max(now - course.began, 0.5), LONGEST_S)


class Oracle(Unlearned):
    """Knows how long each kind takes (mean in seconds and sigma of a lognormal), and reads at the best ages there are.

    Exact for its grid: the sequence of ages that minimises lag + cost x reads, by dynamic programming from the end.
    """

    _GRID_S = 0.05

    def __init__(self, kinds: Mapping[str, tuple[float, float]]) -> None:
        self._ages = {kind: self._solve(*law) for kind, law in kinds.items()}

    def wait(self, course: Course, now: float) -> float:
        """Return the time to the next best age."""
        steps = self._ages[str(course.kind)]
        age = round((now - course.began) / self._GRID_S)
        return steps[age] * self._GRID_S if age < len(steps) else SHORTEST_S

    def _solve(self, mean: float, sigma: float) -> Sequence[int]:
        """Return for each age on the grid after how many of its steps to read next."""
        middle = math.log(mean) - sigma * sigma / 2
        count = int(math.exp(middle + 5 * sigma) / self._GRID_S)
        ended = [_lognormal_cdf(step * self._GRID_S, middle, sigma) for step in range(count + 1)]
        total = [0.0]
        for low, high in pairwise(ended):
            total.append(total[-1] + (low + high) / 2 * self._GRID_S)
        costs, steps = [READ_COST_S * (1 - ended[-1])] * (count + 1), [1] * (count + 1)
        least, most = round(SHORTEST_S / self._GRID_S), round(LONGEST_S / self._GRID_S)
        for age in range(count - least, -1, -1):
            best = math.inf
            for later in range(age + least, min(age + most, count) + 1):
                missed = total[later] - total[age] - ended[age] * (later - age) * self._GRID_S
                cost = READ_COST_S * (1 - ended[age]) + missed + costs[later]
                if cost < best:
                    best, steps[age] = cost, later - age
                elif missed > best:
                    break
            costs[age] = best
        return steps


def _lognormal_cdf(value: float, middle: float, sigma: float) -> float:
    return 0.5 * math.erfc((middle - math.log(value)) / (sigma * math.sqrt(2))) if value > 0 else 0.0


class Steady:
    """So many places, a POST whenever one is free, at no particular pace."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.held = 0

    def wait(self, now: float) -> float:
        """Return 0 where a place is free."""
        return 0.0 if self.held < self.places else math.inf

    def posting(self, now: float) -> None:
        """Take a place."""
        self.held += 1

    def accepted(self, request: Hashable, now: float) -> None:
        """Keep it."""

    def refused(self, now: float, retry_after: float | None = None) -> float:
        """Give it back."""
        self.held -= 1
        return 0.0

    def standing(self, request: Hashable, place: int | None) -> None:
        """Learn nothing."""

    def ended(self, request: Hashable) -> None:
        """Give it back."""
        self.held -= 1


class Patient(Steady):
    """`Steady` at four POSTs a second, with a pause of 2 s after a 429: concurrency fixed, and nothing learned."""

    def __init__(self, places: int) -> None:
        super().__init__(places)
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Return what is left of the pause or the pace."""
        return super().wait(now) or max(0.0, self._next - now)

    def posting(self, now: float) -> None:
        """Take a place."""
        super().posting(now)
        self._next = max(self._next, now + 0.25)

    def refused(self, now: float, retry_after: float | None = None) -> float:
        """Pause for everybody."""
        super().refused(now)
        self._next = now + 2.0
        return 2.0


class Halving(Patient):
    """Additive increase, multiplicative decrease: half the places after a 429, and one more per full round."""

    def __init__(self, most: int) -> None:
        super().__init__(4)
        self._most = most
        self._room = 4.0

    def accepted(self, request: Hashable, now: float) -> None:
        """Grow."""
        self._room = min(self._room + 1 / self._room, self._most)
        self.places = int(self._room)

    def refused(self, now: float, retry_after: float | None = None) -> float:
        """Halve, once per episode."""
        if now >= self._next - 1.0:
            self._room = max(1.0, self._room / 2)
            self.places = int(self._room)
        return super().refused(now)
