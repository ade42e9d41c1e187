"""A warning where fewer outputs came than were asked for: moderation drops some, and they may be paid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchgen import events
from batchgen.catalog.schema import COUNT_FIELDS
from batchgen.engine.ports import Listener
from batchgen.events import Event, News
from batchgen.job import Json


class Shortfalls:
    """Tells `listeners` of every finished job with fewer files than it asked for; more are no trouble."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def __call__(self, happened: Event | News) -> None:
        """Take notice of what happened."""
        if not isinstance(happened, events.Done):
            return
        came, asked = len(happened.files), outputs_asked(happened.settings)
        if 0 < came < asked:
            text = f"{happened.files[0].path}: {came} of {asked} outputs asked for came"
            for listener in self._listeners:
                listener(News("warning", text, happened.job))


def outputs_asked(settings: Mapping[str, Json]) -> int:
    """Return how many outputs these settings ask for in so many words; 1 where they say nothing."""
    counts = [settings.get(name) for name in COUNT_FIELDS]
    return max((count for count in counts if isinstance(count, int) and not isinstance(count, bool)), default=1)
