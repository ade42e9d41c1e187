"""The hot path against the plainest clients: CPU per job, jobs a second, memory, syncs of the ledger, the download leg.

    python benchmarks/hot.py [--rounds 3] [--jobs 1200]

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
_SIZES = (("100 KB", 100_000, 1, 1.15), ("1 MB", 1_000_000, 4, 1.4))
_FIRST_LOOK_S = 0.25
_CPU_WHY = (
    "the bare loop asks at once and never waits, so that every turn of its loop serves many; with a quarter of a "
    "second before the first look, 64 in flight leave the machine idle between the turns, and each wakes it anew. "
    "Beside the requests there are three durable lines, the rules and counts of a job, the picture's decoding, hash, "
    "two syncs and a name, a connection for the POST alone, and the threads' way there and back. What brought it down: "
    "one listing instead of 31 looks for a name (0.5 ms), saving in groups, reading of an answer what is asked for. "
    "Tried and left out: a look of our own at whether a PNG is whole, instead of Pillow's (0.5 ms at 100 KB, 3 ms at "
    "1 MB), and connections of our own instead of aiohttp's session (about 1 ms): a well-kept library has each of them "
    "already. What did not help: fewer threads, another switch interval, fewer tasks per event, a collector that "
    "leaves what was imported alone, smaller read buffers"
)
_PEAK_WHY = (
    "aiohttp's buffers of the pictures that arrive at once, and the pieces gathered for one write; with 64 arriving at "
    "once instead of the usual 8 it is some 30 MB more, and no faster"
)
_SYNCS_WHY = (
    "the fewer jobs end together, the fewer share a sync, and nobody waits for company; on a machine with other work "
    "the turns of the loop are short"
)
_MANIFEST = """model: {model}
prompts: [benchmark]
seeds: {jobs}
limits: {{concurrency: {places}, submits_per_second: 1000}}
pricing: {{base_usd: 0.08}}
"""
_SHELL_WHY = "start-up, some 0.5 s, is shared by too few jobs here; see the first row for what one more job takes"
_SPEED_WHY = (
    "with 64 in flight the first look at a request, a quarter of a second after it was taken, bounds the jobs a second "
    "to 256; a real service takes seconds for each"
)


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

    def script(self, name: str, number: int, jobs: int, wait: float = 0.0) -> Cost:
        """Run one of the plain clients; `bare.py` may wait before its first look at a request."""
        folder = self.new(f"{name}-{jobs}-{wait}-{number}")
        cost = measured(python(name, self.origin, folder, jobs, IN_FLIGHT, *([wait] if wait else [])))
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


def rows(rounds: int = 3, jobs: int = 1200) -> Iterator[Row]:
    """Measure everything."""
    for size, count, share, goal in _SIZES:
        with bench(count, rounds, jobs // share) as one:
            yield from against_a_bare_loop(one, size, goal)
            if share == 1:
                yield from against_others(one)
            else:
                yield from against_aria2(one)
    yield durable_events()


def _row(figure: str, goal: str, reached: bool, here: str, why: str) -> Row:
    return Row(figure, goal, here, COMMAND, "" if reached else f"not reached: {why}.")


def against_a_bare_loop(one: Bench, size: str, goal: float) -> Iterator[Row]:
    """CPU per job, start-up left out and included; memory; syncs."""
    many, few = one.jobs, max(1, one.jobs // 4)
    counts = one.folder / "counts"
    costs = alternated(
        one.rounds,
        {
            "bare": lambda number: one.script("bare.py", number, many),
            "batchgen": lambda number: one.batchgen(number, many, counts=counts),
            "bare, few": lambda number: one.script("bare.py", number, few),
            "paced": lambda number: one.script("bare.py", number, many, _FIRST_LOOK_S),
            "paced, few": lambda number: one.script("bare.py", number, few, _FIRST_LOOK_S),
            "batchgen, few": lambda number: one.batchgen(number, few),
        },
    )
    bare = marginal(costs["bare"], costs["bare, few"], many - few)
    ours = marginal(costs["batchgen"], costs["batchgen, few"], many - few)
    paced = marginal(costs["paced"], costs["paced, few"], many - few)
    whole = median([ran.cpu / base.cpu for ran, base in zip(costs["batchgen"], costs["bare"], strict=True)])
    shown = f"{ours / bare:.2f} ({1e3 * ours:.2f} ms over {1e3 * bare:.2f}; with start-up, {many:,} jobs: {whole:.2f})"
    figure = f"CPU per job over a bare aiohttp loop, {size} pictures"
    yield _row(figure, f"<= {goal}", ours / bare <= goal, shown, _CPU_WHY)
    shown = f"{ours / paced:.2f} ({1e3 * ours:.2f} ms over {1e3 * paced:.2f})"
    figure = f"the same over one that waits {_FIRST_LOOK_S} s before its first look, {size} pictures"
    yield Row(figure, "", shown, COMMAND)
    peak = max(cost.peak for cost in costs["batchgen"])
    figure = f"peak memory, {IN_FLIGHT} in flight, {size} pictures"
    yield _row(figure, "<= 90 MB", peak <= 90, f"{peak:.0f} MB", _PEAK_WHY)
    syncs, lines = map(int, counts.read_text().split())
    shown = f"{syncs / many:.2f} for {lines / many:.1f} lines"
    figure = f"syncs of the ledger per job, {IN_FLIGHT} in flight, {size} pictures"
    yield _row(figure, "<= 0.12", syncs / many <= 0.12, shown, _SYNCS_WHY)


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
        cpu = median([(b.cpu / jobs) / (a.cpu / one.jobs) for a, b in zip(ours, theirs, strict=True)])
        speeds = [
            median([(one.jobs / a.wall) / (jobs / b.wall) for a, b in zip(side, theirs, strict=True)])
            for side in (ours, wide)
        ]
        shown = f"{speeds[0]:.1f} ({speeds[1]:.1f} with 512 in flight here), start-up included"
        if name.startswith("GNU"):
            yield _row(f"CPU per job of {name} over ours", ">= 100", cpu >= 100, f"{cpu:.0f}", _SHELL_WHY)
            yield _row(f"jobs a second over {name}", ">= 50", max(speeds) >= 50, shown, _SPEED_WHY)
        else:
            yield Row(f"CPU per job of {name} over ours", "", f"{cpu:.1f}", COMMAND)
            yield Row(f"jobs a second over {name}", "", shown, COMMAND)


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
    why = "unlike aria2c this side looks whether each picture is whole (1 ms a megabyte) and syncs it"
    figure = "CPU of the download leg over aria2c, SHA-256 included, 1 MB"
    yield _row(figure, "<= 1.1", ours / theirs <= 1.1, shown, why)


def durable_events(turns: int = 200) -> Row:
    """Durable events a second, 64 waiting at once, over one fsync for each."""
    with tempfile.TemporaryDirectory() as name, RunDirectory(Path(name) / "run").open_for_writing() as (journal, _):
        single, together = asyncio.run(_speeds(journal, turns))
    shown = f"{together / single:.0f} ({together:,.0f} over {single:,.0f} a second)"
    why = "it depends on the disk and on what else the machine does: 14 to 47 were seen"
    figure = "durable events a second, 64 waiting, over one fsync each"
    return _row(figure, ">= 25", together / single >= 25, shown, why)


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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1200)
    options = parser.parse_args()
    if sys.platform == "win32":
        raise SystemExit("not measured on Windows")
    show(partial(rows, options.rounds, options.jobs)())


if __name__ == "__main__":
    main()
