"""The one door through which POSTs leave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from support import virtual_time
from support.world import MemoryApi, MemoryLedger, info

from batchgen import errors
from batchgen.engine.capacity import Capacity
from batchgen.engine.context import Context
from batchgen.engine.gate import Gate
from batchgen.engine.limits import Silence
from batchgen.engine.record import Recorder
from batchgen.engine.shelter import Shelter
from batchgen.engine.stop import Cause, Stop, Why
from batchgen.state import RunState


def at_a_gate(places: int, scene: Callable[[Gate, Stop], Awaitable[None]], per_second: float = 100.0) -> None:
    """Play a scene at a gate of so many places."""

    async def play() -> None:
        chance, shelter, stop = random.Random(1), Shelter(), Stop()
        recorder = Recorder(MemoryLedger(), RunState(), (), shelter, lambda: 0.0)
        context = Context(MemoryApi(), recorder, stop, shelter, Silence(), chance)
        await scene(Gate(context, Capacity(places, per_second, chance)), stop)

    virtual_time.run(play())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_who_came_first_goes_first_as_places_become_free() -> None:
    async def scene(gate: Gate, _: Stop) -> None:
        went: list[int] = []

        async def come(number: int) -> None:
            assert await gate.enter()
            with gate.passage() as passage:
                passage.accepted(f"r{number}")
            went.append(number)

        comers = [asyncio.ensure_future(come(number)) for number in range(4)]
        await asyncio.sleep(1.0)
        assert went == [0, 1]
        gate.ended("r0")
        gate.ended("r1")
        await asyncio.gather(*comers)
        assert went == [0, 1, 2, 3]

    at_a_gate(2, scene)


def test_whoever_waits_leaves_when_posts_end() -> None:
    async def scene(gate: Gate, stop: Stop) -> None:
        assert await gate.enter()
        waiting = [asyncio.ensure_future(gate.enter()) for _ in range(3)]
        await asyncio.sleep(1.0)
        stop.end_posts(Cause(Why.SIGNAL, "ended"))
        assert await asyncio.gather(*waiting) == [False] * 3

    at_a_gate(1, scene)


def test_whoever_waits_leaves_when_no_place_can_become_free() -> None:
    async def scene(gate: Gate, _: Stop) -> None:
        assert await gate.enter()
        with gate.passage() as passage:
            passage.accepted("r1")
        waiting = asyncio.ensure_future(gate.enter())
        await asyncio.sleep(1.0)
        gate.left()
        assert not await waiting

    at_a_gate(1, scene)


def test_a_permission_not_used_and_a_post_that_broke_give_their_place_back() -> None:
    async def scene(gate: Gate, _: Stop) -> None:
        assert await gate.enter()
        gate.give_back()
        assert await gate.enter()
        with pytest.raises(ZeroDivisionError), gate.passage():
            raise ZeroDivisionError
        assert await gate.enter()

    at_a_gate(1, scene)


@pytest.mark.parametrize(
    ("error", "least"),
    [
        (errors.Refused(info("rate_limited", status=429), retry_after=30.0), 30.0),
        (errors.Refused(info("rate_limited", status=429)), 1.6),
        (errors.Refused(info("unreachable"), reached=False), 0.25),
    ],
)
def test_a_refusal_pauses_everybody(error: errors.Refused, least: float) -> None:
    async def scene(gate: Gate, _: Stop) -> None:
        assert await gate.enter()
        with gate.passage() as passage:
            pause = passage.refused(error)
        assert pause >= least
        began = now()
        assert await gate.enter()
        assert now() - began == pytest.approx(pause, abs=0.01)

    at_a_gate(4, scene)


def test_a_post_in_doubt_slows_everybody_down() -> None:
    async def scene(gate: Gate, _: Stop) -> None:
        assert await gate.enter()
        with gate.passage():
            pause = gate.trouble(20.0)
        began = now()
        assert await gate.enter()
        assert now() - began == pytest.approx(pause, abs=0.01)

    at_a_gate(4, scene)
