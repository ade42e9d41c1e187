"""Cancelling on the way out: the answer to a cancellation is a claim, the result read after it is the proof."""

from __future__ import annotations

import asyncio

from support.virtual_time import run
from support.world import MemoryApi, World, posts

from batchgen.engine.stop import Cause, Why
from batchgen.job import CancelOutcome


class Boastful(MemoryApi):
    """A server that says cancelled whatever is asked, and lets what runs run on."""

    async def cancel(self, request_id: str) -> CancelOutcome:
        """Claim it."""
        self.calls["cancel"] += 1
        return CancelOutcome.CANCELLED


def test_a_cancellation_that_only_its_answer_claims_is_not_written_down() -> None:
    """The request goes on and is paid for: as cancelled it would be sent again, and paid for twice."""
    world = World(api=Boastful(service=60.0))

    async def interrupted() -> None:
        engine = world.engine()
        engine.stop.cancel_queued = True
        asyncio.get_running_loop().call_later(5.0, engine.stop.leave, Cause(Why.SIGNAL, "ended by SIGINT", 2))
        await engine.run(posts(2))

    run(interrupted())

    assert world.api.calls["cancel"] == 2
    assert world.ledger.words().count("submitted") == 2
    assert "cancelled" not in world.ledger.words()
