"""The hot path against the plainest clients: CPU per job, jobs a second, memory, syncs of the ledger, the download leg.

    python benchmarks/hot.py [--rounds 5] [--jobs 3000]

The server is nginx with fixed answers (see `standin.py`), so that only the client is measured; every side does the same
requests and gets the same bytes, turn by turn. batchgen runs as its command. Needs nginx; GNU parallel, curl, jq, aria2
and `requests` where a row compares with them.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import standin
from pairs import HERE, Cost, alternated, marginal, measured, median, python
from table import Row, show

from batchgen import events
from batchgen.ledger.journal import Journal
from batchgen.ledger.rundir import RunDirectory

COMMAND = "python benchmarks/hot.py"
IN_FLIGHT = 64
_SIZES = (("100 KB", 100_000, 1, "<= 1.15"), ("1 MB", 1_000_000, 4, "<= 1.4"))
_MANIFEST = """model: {model}
prompts: [benchmark]
seeds: {jobs}
limits: {{concurrency: {places}, downloads: {places}, submits_per_second: 1000}}
pricing: {{base_usd: 0.08}}
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where it is measured: the stand-in's origin, a folder for all that is made, how often, how much."""

    origin: str
    folder: Path
    rounds: int
    jobs: int

    def batchgen(self, number: int, jobs: int, *, places: int = IN_FLIGHT, counts: Path | None = None) -> Cost:
        """Run `batchgen run` over so many new jobs."""
        folder = self.new(f"batchgen-{jobs}-{places}-{number}")
        manifest = folder / "batch.yaml"
        manifest.write_text(_MANIFEST.format(model=standin.MODEL, jobs=jobs, places=places))
        program = python("counted.py", counts) if counts else python("batchgen")
        cost = measured(
            [*program, "run", manifest, "-o", folder / "run", "--progress", "none", "-q"],
            {"RUNCOMFY_MODEL_API_BASE": self.origin, "RUNCOMFY_TOKEN": "benchmark"},
        )
        _require(sum(b'"event":"done"' in line for line in (folder / "run/log.jsonl").open("rb")), jobs)
        return cost

    def script(self, name: str, number: int, jobs: int) -> Cost:
        """Run one of the plain clients."""
        folder = self.new(f"{name}-{jobs}-{number}")
        cost = measured(python(name, self.origin, folder, jobs, IN_FLIGHT))
        _require(len(list(folder.glob("*.png"))), jobs)
        return cost

    def parallel(self, number: int, jobs: int) -> Cost:
        """Run curl and jq under GNU parallel."""
        folder = self.new(f"parallel-{jobs}-{number}")
        numbers = folder / "numbers"
        numbers.write_text("".join(f"{one}\n" for one in range(1, jobs + 1)))
        command = ["parallel", "--will-cite", f"-j{IN_FLIGHT}", "-a", numbers, HERE / "shell.sh", self.origin, folder]
        cost = measured(command)
        _require(len(list(folder.glob("*.png"))), jobs)
        return cost

    def aria2(self, number: int, files: int, digest: str) -> Cost:
        """Fetch files with aria2c, which checks each one's SHA-256."""
        folder = self.new(f"aria2-{files}-{number}")
        entries = (
            f"{self.origin}/files/{one}.png\n out={one}.png\n checksum=sha-256={digest}\n" for one in range(files)
        )
        (folder / "list").write_text("".join(entries))
        quiet = ("--quiet", "--no-conf", "--file-allocation=none", "-x1", "-s1", f"-j{IN_FLIGHT}")
        cost = measured(["aria2c", *quiet, "-i", folder / "list", "-d", folder / "files"])
        _require(len(list((folder / "files").glob("*.png"))), files)
        return cost

    def leg(self, number: int, files: int) -> Cost:
        """Fetch files with batchgen's own client and store."""
        return measured(python("downloads.py", self.origin, self.folder / f"leg-{files}-{number}", files, IN_FLIGHT))

    def new(self, name: str) -> Path:
        """Return a new folder. All are removed at the end only: creating files after many were removed is slow."""
        folder = self.folder / name
        folder.mkdir()
        return folder


def _require(made: int, wanted: int) -> None:
    if made != wanted:
        raise SystemExit(f"{made} of {wanted} were made: nothing is measured")


@contextmanager
def bench(size: int, rounds: int, jobs: int) -> Iterator[Bench]:
    """Serve pictures of `size` bytes and clear up at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with standin.serving(folder / "server", size) as origin:
            yield Bench(origin, folder, rounds, jobs)


def rows(rounds: int = 5, jobs: int = 3000) -> Iterator[Row]:
    """Measure everything."""
    for size, count, share, goal in _SIZES:
        with bench(count, rounds, jobs // share) as one:
            yield from against_a_bare_loop(one, size, goal)
            if share == 1:
                yield from against_others(one)
            else:
                yield from against_aria2(one)
    yield durable_events()


def against_a_bare_loop(one: Bench, size: str, goal: str) -> Iterator[Row]:
    """CPU per job, start-up left out and included; memory; syncs."""
    many, few = one.jobs, max(1, one.jobs // 4)
    counts = one.folder / "counts"
    costs = alternated(
        one.rounds,
        {
            "bare": lambda number: one.script("bare.py", number, many),
            "batchgen": lambda number: one.batchgen(number, many, counts=counts),
            "bare, few": lambda number: one.script("bare.py", number, few),
            "batchgen, few": lambda number: one.batchgen(number, few),
        },
    )
    bare = marginal(costs["bare"], costs["bare, few"], many - few)
    ours = marginal(costs["batchgen"], costs["batchgen, few"], many - few)
    whole = median([ran.cpu / base.cpu for ran, base in zip(costs["batchgen"], costs["bare"], strict=True)])
    shown = f"{ours / bare:.2f} ({1e3 * ours:.2f} ms over {1e3 * bare:.2f}; with start-up, {many:,} jobs: {whole:.2f})"
    yield Row(f"CPU per job over a bare aiohttp loop, {size} pictures", goal, shown, COMMAND)
    peak = max(cost.peak for cost in costs["batchgen"])
    yield Row(f"peak memory, {IN_FLIGHT} in flight, {size} pictures", "<= 90 MB", f"{peak:.0f} MB", COMMAND)
    syncs, lines = map(int, counts.read_text().split())
    shown = f"{syncs / many:.2f} for {lines / many:.1f} lines"
    yield Row(f"syncs of the ledger per job, {IN_FLIGHT} in flight, {size} pictures", "<= 0.12", shown, COMMAND)


def against_others(one: Bench) -> Iterator[Row]:
    """CPU per job and jobs a second against GNU parallel and against threads."""
    few = max(IN_FLIGHT, one.jobs // 10)
    sides: dict[str, Callable[[int], Cost]] = {
        "batchgen": lambda number: one.batchgen(100 + number, one.jobs),
        "batchgen, 512 places": lambda number: one.batchgen(100 + number, one.jobs, places=512),
    }
    if all(map(shutil.which, ("parallel", "curl", "jq"))):
        sides["GNU parallel, curl and jq"] = lambda number: one.parallel(number, few)
    if importlib.util.find_spec("requests"):
        sides["requests with threads"] = lambda number: one.script("threaded.py", number, one.jobs)
    costs = alternated(min(3, one.rounds), sides)
    ours, wide = costs.pop("batchgen"), costs.pop("batchgen, 512 places")
    for name, theirs in costs.items():
        jobs = few if name.startswith("GNU") else one.jobs
        goals = ("<= 1/100", ">= 50") if name.startswith("GNU") else ("", "")
        cpu = median([(a.cpu / one.jobs) / (b.cpu / jobs) for a, b in zip(ours, theirs, strict=True)])
        yield Row(f"CPU per job over {name}", goals[0], f"1/{1 / cpu:.0f}" if cpu < 0.5 else f"{cpu:.2f}", COMMAND)
        pairs = [
            [(one.jobs / a.wall) / (jobs / b.wall) for a, b in zip(side, theirs, strict=True)] for side in (ours, wide)
        ]
        shown = f"{median(pairs[0]):.0f} ({median(pairs[1]):.0f} with 512 in flight here)"
        yield Row(f"jobs a second over {name}", goals[1], shown, COMMAND)


def against_aria2(one: Bench) -> Iterator[Row]:
    """CPU of fetching files alone, SHA-256 included on both sides."""
    if shutil.which("aria2c") is None:
        return
    digest = hashlib.sha256((one.folder / "server/picture.png").read_bytes()).hexdigest()
    many, few = one.jobs, one.jobs // 4
    costs = alternated(
        one.rounds,
        {
            "aria2": lambda number: one.aria2(number, many, digest),
            "leg": lambda number: one.leg(number, many),
            "aria2, few": lambda number: one.aria2(number, few, digest),
            "leg, few": lambda number: one.leg(number, few),
        },
    )
    theirs = marginal(costs["aria2"], costs["aria2, few"], many - few)
    ours = marginal(costs["leg"], costs["leg, few"], many - few)
    shown = f"{ours / theirs:.2f} ({1e3 * ours:.2f} ms over {1e3 * theirs:.2f})"
    yield Row("CPU of the download leg over aria2c, SHA-256 included, 1 MB", "<= 1.1", shown, COMMAND)


def durable_events(turns: int = 200) -> Row:
    """Durable events a second, 64 waiting at once, over one fsync for each."""
    with tempfile.TemporaryDirectory() as name, RunDirectory(Path(name) / "run").open_for_writing() as (journal, _):
        single, together = asyncio.run(_speeds(journal, turns))
    shown = f"{together / single:.0f} ({together:,.0f} over {single:,.0f} a second)"
    return Row("durable events a second, 64 waiting, over one fsync each", ">= 25", shown, COMMAND)


async def _speeds(journal: Journal, turns: int) -> tuple[float, float]:
    line = events.Submitted(time=events.stamp(time.time()), job="0" * 32, attempt=1, request_id="r", api="a")

    async def rate(count: int) -> float:
        began = time.perf_counter()
        for _ in range(turns // 4):
            await asyncio.gather(*(journal.append(line) for _ in range(count)))
        return turns // 4 * count / (time.perf_counter() - began)

    pairs = [(await rate(1), await rate(64)) for _ in range(5)]
    return median([single for single, _ in pairs]), median([together for _, together in pairs])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=3000)
    options = parser.parse_args()
    if sys.platform == "win32":
        raise SystemExit("not measured on Windows")
    show(partial(rows, options.rounds, options.jobs)())


if __name__ == "__main__":
    main()
