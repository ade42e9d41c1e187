"""How long results may still be there: the server deletes them after some days, without saying when. Pure."""

from __future__ import annotations

from batchgen.report.text import duration

RETENTION_S = 7 * 86400
"""For how long results are assumed to be kept at most."""

WARNED_FROM_S = 86400
"""From this age on, in seconds, a request that was not collected is warned about."""


def is_old(age_s: float | None) -> bool:
    """Tell whether a request in flight, `age_s` seconds old, is to be warned about; None where there is none."""
    return age_s is not None and age_s >= WARNED_FROM_S


def expiry_words(age_s: float) -> str:
    """Return how old the oldest request in flight is, and how long its results may still be had."""
    left = RETENTION_S - age_s
    rest = f"{duration(left)} left" if left > 0 else "it may be gone"
    return f"the oldest is {duration(age_s)} old, and results expire after about 7 days: {rest}"
