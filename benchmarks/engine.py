"""Measure the engine on this machine: fsyncs, places kept full, event-loop lag, memory. Prints tables, judges nothing.

    python benchmarks/engine.py [--jobs 600] [--concurrency 64] [--service 1.0]

Everything is real: the client, the journal with its fsyncs, the store, and the sandbox as a process of its own. Times
on a shared machine are noisy; counts are exact.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from batchgen import events
from batchgen.engine.ports import Step, Work
from batchgen.engine.scheduler import Engine, Limits
from batchgen.job import Job, Json, Phase, Reading, make_job
from batchgen.ledger.files import REAL_DISK
from batchgen.ledger.journal import Journal
from batchgen.ledger.rundir import RunDirectory
from batchgen.runcomfy.client import Client
from batchgen.state import RunState
from batchgen.store.writer import Store

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


def table(title: str, rows: list[tuple[str, str]]) -> None:
    """Print one table."""
    width = max(len(label) for label, _ in rows)
    print(f"\n{title}")
    for label, value in rows:
        print(f"  {label:<{width}}  {value}")


async def fsyncs(folder: Path) -> None:
    """Measure the journal alone: one event by itself, 64 waiting together, and one after the other."""
    with RunDirectory(folder).open_for_writing() as (journal, _):
        rows = [("one event alone", await _append(journal, 1))]
        rows.append(("64 events at once", await _append(journal, 64)))
        began = time.perf_counter()
        for _ in range(200):
            await _append(journal, 1)
        one_by_one = 200 / (time.perf_counter() - began)
        began = time.perf_counter()
        for _ in range(100):
            await _append(journal, 64)
        together = 6400 / (time.perf_counter() - began)
        rows.append(("durable events a second, one by one", f"{one_by_one:,.0f}"))
        rows.append(("durable events a second, 64 waiting", f"{together:,.0f} ({together / one_by_one:.0f} x)"))
        await journal.close()
    table("journal", rows)


async def _append(journal: Journal, count: int) -> str:
    before = journal.syncs
    line = events.Submitted(time=events.stamp(time.time()), job="0" * 32, attempt=1, request_id="r", api="a")
    await asyncio.gather(*(journal.append(line) for _ in range(count)))
    return f"{journal.syncs - before} fsyncs"


async def batch(base: str, folder: Path, count: int, concurrency: int) -> None:
    """Measure a whole batch."""
    limits = Limits(concurrency=concurrency, downloads=16, submits_per_second=1000.0)
    samples, state = Samples(), RunState()
    with RunDirectory(folder).open_for_writing() as (journal, _), Store(folder, disk=REAL_DISK) as store:
        async with CountingClient(base=base, token="benchmark") as client:  # noqa: S106
            engine = Engine(client, store, journal, state, lambda job, _: f"{job.index}", limits=limits)
            watching = asyncio.ensure_future(samples.watch(client))
            cpu, wall = time.process_time(), time.perf_counter()
            causes = await engine.run(jobs(count))
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            watching.cancel()
        await journal.close()
        steady, lags = samples.steady(concurrency), sorted(samples.lags)
        table(
            f"{count} jobs, {concurrency} places",
            [
                ("done", f"{state.counts['done']}{''.join(cause.message for cause in causes)}"),
                ("places held, mean over the limit", f"{sum(steady) / max(1, len(steady)) / concurrency:.3f}"),
                ("places held, most", str(max(samples.held))),
                (
                    "fsyncs of the ledger per job",
                    f"{journal.syncs / count:.2f} for {journal.appends / count:.2f} lines",
                ),
                ("event-loop lag, median / 99 % / most", " / ".join(f"{1e3 * lag:.1f} ms" for lag in _spread(lags))),
                ("CPU per job, this process", f"{1e3 * cpu / count:.1f} ms"),
                ("jobs a second", f"{count / wall:.0f}"),
                ("peak memory, this process", f"{_peak_mb():.0f} MB"),
            ],
        )


def _spread(ordered: list[float]) -> tuple[float, float, float]:
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1]


def _peak_mb() -> float:
    """The high-water mark of resident memory (VmHWM); ru_maxrss would include what ran before exec."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


async def memory(base: str, folder: Path) -> None:
    """Measure what waiting jobs cost: nothing, as the stream is pulled no further than there are places."""
    rows = []
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
                rows.append(
                    (f"{waiting:,} jobs waiting", f"{tracemalloc.get_traced_memory()[0] / 1e6:.1f} MB allocated")
                )
                tracemalloc.stop()
                engine.stop.leave()
                await running
            await journal.close()
    table("memory with 64 in flight", rows)


def serve(folder: Path, service: float) -> tuple[subprocess.Popen[bytes], str]:
    """Start a sandbox and return it with its address."""
    command = [sys.executable, "-m", "batchgen.sandbox", "--dir", str(folder), "--service-time", str(service)]
    server = subprocess.Popen([*command, "--slots", "1000"], stdout=subprocess.PIPE)  # noqa: S603
    assert server.stdout is not None
    return server, json.loads(server.stdout.readline())["api"]


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--service", type=float, default=1.0, help="mean seconds a request takes at the server")
    options = parser.parse_args()
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server, base = serve(folder / "sandbox", options.service)
        try:
            asyncio.run(fsyncs(folder / "journal"))
            asyncio.run(batch(base, folder / "batch", options.jobs, options.concurrency))
            asyncio.run(memory(base, folder / "memory"))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
