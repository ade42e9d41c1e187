"""What the engine makes of the rules of polling and of concurrency, on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from support import virtual_time
from support.world import MemoryApi, World, info, posts

from batchgen import errors, events
from batchgen.engine.capacity import FIRST, MOST
from batchgen.engine.limits import LEAST_READS_PER_SECOND, READS_AT_ONCE
from batchgen.engine.scheduler import Limits
from batchgen.engine.stop import Why
from batchgen.errors import Stage
from batchgen.job import Job, Phase, Reading


@dataclass
class Full(MemoryApi):
    """A server that takes `cap` requests at once, and refuses the others."""

    cap: int = 3
    refusals: int = 0

    async def submit(self, what: Job) -> str:
        """Take a job, or refuse it."""
        await asyncio.sleep(self.post_time)
        if self.in_flight >= self.cap:
            self.refusals += 1
            raise errors.Refused(info("rate_limited", status=429))
        return self.accept(what)


@pytest.mark.parametrize("concurrency", [8, None])
def test_a_cap_is_learned_and_kept(concurrency: int | None) -> None:
    api = Full(cap=3)
    virtual_time.run(World(api).run(posts(60), Limits(concurrency=concurrency)))
    assert (len(api.requests), api.peak) == (60, 3)
    assert api.refusals <= 5


def test_without_a_chosen_number_as_many_run_as_the_server_takes() -> None:
    world = World(MemoryApi(service=100.0))
    virtual_time.run(world.run(posts(200), Limits(concurrency=None)))
    assert world.api.peak == MOST


@pytest.mark.parametrize(("concurrency", "posted"), [(2, 2), (None, 2 * FIRST)])
def test_a_run_ends_when_every_place_is_left_to_the_server(concurrency: int | None, posted: int) -> None:
    world = World(MemoryApi(service=1e6))
    causes = virtual_time.run(world.run(posts(200), Limits(concurrency=concurrency, wait=60.0)))
    assert [cause.why for cause in causes] == [Why.WAIT]
    assert len(world.api.posted) >= posted


def test_once_a_request_has_left_the_queue_its_result_alone_is_read() -> None:
    world = World()
    virtual_time.run(world.run(posts(1)))
    assert world.api.calls["status"] == 1
    assert world.api.calls["result"] > 1


@dataclass
class Queueing(MemoryApi):
    """A server that keeps requests in its queue for a minute."""

    asked_queued: list[str] = field(default_factory=list)

    async def status(self, request_id: str) -> Reading:
        """Tell the place in the queue."""
        self.calls["status"] += 1
        return (
            Reading(Phase.PENDING, "in_queue", queue_position=3) if self._queues(request_id) else Reading(Phase.PENDING)
        )

    async def result(self, request_id: str) -> Reading:
        """Note who asks too early."""
        if self._queues(request_id):
            self.asked_queued.append(request_id)
        return await super().result(request_id)

    def _queues(self, request_id: str) -> bool:
        return asyncio.get_running_loop().time() < self.requests[request_id].accepted_at + 60.0


def test_while_a_request_queues_its_status_is_read() -> None:
    api = Queueing(service=80.0)
    world = World(api)
    virtual_time.run(world.run(posts(4)))
    assert api.asked_queued == []
    assert world.ledger.words().count("done") == 4
    assert [news for news in world.heard if isinstance(news, events.News) and news.kind == "queue"]


@dataclass
class Secretive(MemoryApi):
    """A server that, contrary to its documentation, tells no result before there is one."""

    error: errors.BatchgenError = field(default_factory=lambda: errors.Gone(info("gone", Stage.RUN, 404)))

    async def result(self, request_id: str) -> Reading:
        """Tell the result, if there is one."""
        if self._over(request_id):
            return await super().result(request_id)
        self.calls["early"] += 1
        raise self.error


@pytest.mark.parametrize(
    "error",
    [errors.Gone(info("gone", Stage.RUN, 404)), errors.Transient(info("bad_answer", Stage.RUN, 400))],
    ids=["404", "400"],
)
def test_where_the_result_is_not_told_before_it_is_there_the_status_is_asked_first(error: errors.BatchgenError) -> None:
    api = Secretive(error=error)
    world = World(api)
    virtual_time.run(world.run(posts(30)))
    assert world.ledger.words().count("done") == 30
    assert api.calls["early"] <= 4  # Those in flight until it was known.


@dataclass
class Dated(MemoryApi):
    """A server that says when requests were created and finished."""

    async def result(self, request_id: str) -> Reading:
        """Tell the result with its times."""
        reading = await super().result(request_id)
        if reading.phase is not Phase.SUCCEEDED:
            return reading
        accepted = self.requests[request_id].accepted_at
        created, finished = events.stamp(accepted), events.stamp(accepted + self.service)
        return Reading(Phase.SUCCEEDED, urls=reading.urls, created_at=created, finished_at=finished)


def test_how_long_requests_take_is_remembered_by_the_next_run() -> None:
    world = World(Dated(service=60.0))

    async def reads(first: int, count: int) -> int:
        before = world.api.calls["status"] + world.api.calls["result"]
        await world.run(posts(count, first))
        return world.api.calls["status"] + world.api.calls["result"] - before

    async def runs() -> tuple[int, int]:
        cold = await reads(1, 1)
        await reads(2, 40)
        return cold, await reads(42, 1)

    cold, warm = virtual_time.run(runs())
    assert warm < cold


def test_all_reads_together_keep_their_pace() -> None:
    world = World(MemoryApi(service=20.0))
    moments: list[float] = []

    async def run() -> None:
        for name in ("status", "result"):
            ask = getattr(world.api, name)

            async def timed(request_id: str, ask=ask) -> Reading:  # type: ignore[no-untyped-def]
                moments.append(asyncio.get_running_loop().time())
                reading: Reading = await ask(request_id)
                return reading

            setattr(world.api, name, timed)
        requests = [world.api.accept(work.job) for work in posts(100)]
        assert len(requests) == 100
        from_before = [
            work.__class__(work.step.POLL, work.job, 1, work.estimate_usd, str(number), f"r{number}", 999.0)
            for number, work in enumerate(posts(100), 1)
        ]
        await world.run(iter(from_before), Limits(concurrency=100, submits_per_second=1.0))

    virtual_time.run(run())
    for first in range(len(moments) - 30):
        assert moments[first + 30] - moments[first] >= (30 - READS_AT_ONCE) / LEAST_READS_PER_SECOND - 1e-6
