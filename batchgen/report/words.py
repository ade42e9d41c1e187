"""How a run stands, in the words that the bar and the lines share. Pure."""

from __future__ import annotations

from batchgen.report.tally import Tally


def results(tally: Tally) -> list[str]:
    """Return how jobs of this run ended: done always, every other way where there are some."""
    others = ("failed", "unknown", "lost", "cancelled", "missing")
    return [f"{tally.ended['done']} done", *(f"{tally.ended[word]} {word}" for word in others if tally.ended[word])]


def waiting(tally: Tally) -> list[str]:
    """Return how many jobs of this run have not ended, where there are some."""
    parts = ((tally.in_flight, "in flight"), (tally.queued, "queued"))
    return [f"{number} {words}" for number, words in parts if number]


def rate_words(rate: float) -> str:
    """Return a speed in jobs per second, minute or hour, whichever reads best."""
    seconds, unit = (1, "s") if rate >= 1 else (60, "min") if rate >= 1 / 60 else (3600, "h")
    speed = rate * seconds
    return f"{speed:.1f}/{unit}" if speed < 10 else f"{speed:.0f}/{unit}"
