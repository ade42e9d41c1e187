"""Measure the engine on this machine: places kept full, event-loop lag, memory of what waits.

    python benchmarks/engine.py [--jobs 600] [--concurrency 64] [--service 1.0]

Everything is real: the client, the journal with its fsyncs, the store, and the sandbox as a process of its own. Times
on a shared machine are noisy; counts are exact.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from table import Row, show

from batchgen.engine.ports import Step, Work
from batchgen.engine.scheduler import Engine, Limits
from batchgen.job import Job, Json, Phase, Reading, make_job
from batchgen.ledger.files import REAL_DISK
from batchgen.ledger.rundir import RunDirectory
from batchgen.runcomfy.client import Client
from batchgen.state import RunState
from batchgen.store.writer import Store

COMMAND = "python benchmarks/engine.py"
MODEL = "google/nano-banana-2/text-to-image"
SAMPLE_S = 0.01


def jobs(count: int) -> Iterator[Work]:
    """Yield work for `count` small pictures."""
    for number in range(1, count + 1):
        job_input: dict[str, Json] = {
            "prompt": f"benchmark {number}",
            "seed": number,
            "resolution": "0.5K",
            "output_format": "jpeg",
        }
        yield Work(Step.POST, make_job(number, MODEL, job_input), 1, Decimal("0.06"))


class CountingClient(Client):
    """A client that knows how many places are held: from the POST to the request's last word."""

    held = 0

    async def submit(self, one: Job) -> str:
        """Take a place."""
        self.held += 1
        return await super().submit(one)

    async def result(self, request_id: str) -> Reading:
        """Give it back with the last word."""
        reading = await super().result(request_id)
        self.held -= reading.phase is Phase.SUCCEEDED and reading.cost_usd is not None
        return reading


@dataclass(slots=True)
class Samples:
    """What a sampler saw, once every `SAMPLE_S`."""

    held: list[int] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    async def watch(self, client: CountingClient) -> None:
        """Sample until cancelled: places held, and how much later than asked the loop woke this up."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(SAMPLE_S)
            self.lags.append(time.perf_counter() - began - SAMPLE_S)
            self.held.append(client.held)

    def steady(self, limit: int) -> list[int]:
        """Return the samples between the first and the last moment at which the limit was reached."""
        full = [number for number, held in enumerate(self.held) if held >= limit]
        return self.held[full[0] : full[-1] + 1] if full else []


async def batch(base: str, folder: Path, count: int, concurrency: int) -> Iterator[Row]:
    """Measure a whole batch."""
    limits = Limits(concurrency=concurrency, downloads=16, submits_per_second=1000.0)
    samples, state = Samples(), RunState()
    with RunDirectory(folder).open_for_writing() as (journal, _), Store(folder, disk=REAL_DISK) as store:
        async with CountingClient(base=base, token="benchmark") as client:  # noqa: S106
            engine = Engine(client, store, journal, state, lambda job, _: f"{job.index}", limits=limits)
            watching = asyncio.ensure_future(samples.watch(client))
            causes = await engine.run(jobs(count))
            watching.cancel()
        await journal.close()
    if causes or state.counts["done"] != count:
        raise SystemExit(f"{state.counts['done']} of {count} jobs were done: nothing is measured")
    steady, lags = samples.steady(concurrency), sorted(samples.lags)
    kept = sum(steady) / max(1, len(steady)) / concurrency
    what = f"{concurrency} places, {count} jobs of the sandbox"
    syncs = f"{journal.syncs / count:.2f} for {journal.appends / count:.1f} lines"
    return iter(
        [
            Row(f"places kept full, {what}", "", f"{kept:.3f} of the limit, {max(samples.held)} at most", COMMAND),
            Row(f"syncs of the ledger per job, {what}", "", syncs, COMMAND),
            Row(
                f"event-loop lag, median / 99 % / most, {what}",
                "",
                " / ".join(f"{1e3 * lag:.1f} ms" for lag in _spread(lags)),
                COMMAND,
            ),
        ]
    )


def _spread(ordered: list[float]) -> tuple[float, float, float]:
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1]


async def memory(base: str, folder: Path) -> Row:
    """Measure what waiting jobs cost: nothing, as the stream is pulled no further than there are places."""
    found = []
    for waiting in (1_000, 100_000):
        limits = Limits(concurrency=64, submits_per_second=1000.0)
        with (
            RunDirectory(folder / str(waiting)).open_for_writing() as (journal, _),
            Store(folder, disk=REAL_DISK) as store,
        ):
            async with Client(base=base, token="benchmark") as client:  # noqa: S106
                engine = Engine(client, store, journal, RunState(), lambda job, _: f"{job.index}", limits=limits)
                tracemalloc.start()
                running = asyncio.ensure_future(engine.run(jobs(waiting)))
                await asyncio.sleep(0.5)
                found.append(f"{tracemalloc.get_traced_memory()[0] / 1e6:.1f} MB with {waiting:,}")
                tracemalloc.stop()
                engine.stop.leave()
                await running
            await journal.close()
    return Row("memory allocated, 64 in flight, by how many jobs wait", "", ", ".join(found), COMMAND)


def serve(folder: Path, service: float) -> tuple[subprocess.Popen[bytes], str]:
    """Start a sandbox and return it with its address."""
    command = [sys.executable, "-m", "batchgen.sandbox", "--dir", str(folder), "--service-time", str(service)]
    server = subprocess.Popen([*command, "--slots", "1000"], stdout=subprocess.PIPE)  # noqa: S603
    assert server.stdout is not None
    return server, json.loads(server.stdout.readline())["api"]


def rows(count: int = 600, concurrency: int = 64, service: float = 1.0) -> Iterator[Row]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server, base = serve(folder / "sandbox", service)
        try:
            yield from asyncio.run(batch(base, folder / "batch", count, concurrency))
            yield asyncio.run(memory(base, folder / "memory"))
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--service", type=float, default=1.0, help="mean seconds a request takes at the server")
    options = parser.parse_args()
    show(rows(options.jobs, options.concurrency, options.service))


if __name__ == "__main__":
    main()
