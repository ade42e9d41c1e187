"""When to ask again: pure arithmetic, no waiting."""

from __future__ import annotations

FIRST_S = 0.25
GROWTH = 0.3
LONGEST_S = 10.0
BACKOFF_FIRST_S = 0.5
BACKOFF_LONGEST_S = 30.0


def next_read(age: float) -> float:
    """Return how long to wait before the next read of a request of this `age`, both in seconds.

    A constant share of the age: quick at first, slower as it grows, so that the notice of an end is late by at most
    `GROWTH` of what the request took, and never by more than `LONGEST_S`.
    """
    return min(max(GROWTH * age, FIRST_S), LONGEST_S)


def backoff(failures: int, chance: float, retry_after: float | None = None) -> float:
    """Return how long to wait after the `failures`-th failure in a row (from 1), in seconds.

    Doubles from `BACKOFF_FIRST_S` to `BACKOFF_LONGEST_S`; `chance` in [0, 1) spreads it over the upper half ("equal
    jitter"), so that clients which failed together do not come back together. A server's `retry_after` is a floor.
    """
    ceiling = min(BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 16), BACKOFF_LONGEST_S)
    return max(ceiling * (0.5 + 0.5 * chance), retry_after or 0.0)
