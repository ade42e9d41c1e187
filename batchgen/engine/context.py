"""What the parts of a running engine share."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from batchgen import errors
from batchgen.engine.limits import Silence
from batchgen.engine.ports import Api
from batchgen.engine.record import Recorder
from batchgen.engine.shelter import Shelter
from batchgen.engine.stop import Stop


@dataclass(frozen=True, slots=True)
class Context:
    """The API, the funnel of events, the shelter for what must finish, and what the run knows of its own end."""

    api: Api
    recorder: Recorder
    stop: Stop
    shelter: Shelter
    silence: Silence
    chance: random.Random

    def clock(self) -> float:
        """Return seconds on the event loop's clock, on which every duration here is measured."""
        return asyncio.get_running_loop().time()

    def unanswered(self, error: errors.Refused | errors.Transient) -> None:
        """Take note of a failed call. Raises UnavailableError once nobody at all has answered for too long."""
        if error.reached:
            self.silence.answered()
        elif self.silence.missed(self.clock()):
            raise errors.UnavailableError(f"nobody answers at {self.api.origin}: {error.info.message}")
