"""Run the real command over thousands of jobs while 5 % of all calls fail, and hold every account against the truth.

    python benchmarks/endurance.py [--jobs 10000] [--in-flight 64] [--faults 0.05] [--seed 1]

The sandbox is a process of its own and spoils every endpoint. The command is run as a user would: once, then again with
`--on-unknown resubmit --retry-failed` until nothing is left. It is looked at from outside, and its event loop from
inside. Exit 1 where the accounts differ, a picture was paid for twice unasked, or memory, open files or the number of
runs outgrew their bounds (see `BOUNDS`). Times depend on the machine; counts do not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from accounts import PRICE, Check, Ledger, check_accounts

MODEL = "google/nano-banana-2/text-to-image"
MAX_RUNS = 12
SAMPLE_S = 1.0
LAG_S = 0.01
INSIDE = "--inside"

BOUNDS = """memory grows by at most 8 MB and 3 KB a job between a tenth of the first run and its end;
at most 2 open files for each request in flight, and 64 besides; at most 12 runs"""

_HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
_READS: tuple[dict[str, object], ...] = (
    {"do": "status", "status": 503},
    {"do": "status", "status": 502, "body": _HTML},
    {"do": "status", "status": 404},
    {"do": "error_code", "status": 200, "spelling": "message"},
    {"do": "rate_limit", "retry_after": 1},
    {"do": "drop_before"},
    {"do": "drop_after"},
    {"do": "hang", "seconds": 0.5},
    {"do": "empty"},
    {"do": "truncate"},
)
FAULTS: Mapping[str, tuple[dict[str, object], ...]] = {
    "submit": (
        {"do": "rate_limit"},
        {"do": "rate_limit", "retry_after": 1},
        {"do": "status", "status": 422},
        {"do": "status", "status": 502, "body": _HTML},
        {"do": "status", "status": 500, "accept": True},
        {"do": "redirect"},
        {"do": "drop_before"},
        {"do": "drop_after"},
        {"do": "hang", "seconds": 0.5},
        {"do": "hang", "seconds": 0.5, "accept": True},
        {"do": "no_id"},
        {"do": "empty"},
        {"do": "truncate"},
        {"do": "fail"},
    ),
    "status": _READS,
    "result": (*_READS, {"do": "output", "output": "{url}"}, {"do": "oversize"}),
    "file": (
        {"do": "status", "status": 503},
        {"do": "status", "status": 404},
        {"do": "rate_limit", "retry_after": 1},
        {"do": "drop_before"},
        {"do": "hang", "seconds": 0.5},
        {"do": "truncate"},
        {"do": "slow_file", "seconds": 1},
        {"do": "html_file"},
        {"do": "wrong_format"},
        {"do": "redirect"},
    ),
    "models": _READS[:2],
    "balance": _READS[:2],
}
"""What each endpoint may do instead of its work; every one is equally likely."""


def rules(share: float) -> str:
    """Return the sandbox's table of faults by which `share` of the calls of every endpoint fail."""
    table = [{"on": on, "share": share / len(kinds), **kind} for on, kinds in FAULTS.items() for kind in kinds]
    return json.dumps(table)


@contextmanager
def sandbox(folder: Path, share: float, seed: int, in_flight: int) -> Iterator[tuple[psutil.Process, str]]:
    """Yield a running sandbox and its address."""
    options = ("--service-time", "0.5", "--slots", str(in_flight), "--balance", "1e9")
    command = (sys.executable, "-m", "batchgen.sandbox", "--dir", str(folder), "--seed", str(seed), *options)
    with (
        (folder.parent / "sandbox.err").open("wb") as told,
        subprocess.Popen([*command, "--faults", rules(share)], stdout=subprocess.PIPE, stderr=told) as server,  # noqa: S603
    ):
        try:
            assert server.stdout is not None
            yield psutil.Process(server.pid), json.loads(server.stdout.readline())["api"]
        finally:
            server.terminate()


def write_manifest(folder: Path, jobs: int, in_flight: int) -> Path:
    """Write a manifest of small pictures, one for each seed from 0."""
    content = {
        "name": "endurance",
        "model": MODEL,
        "prompts": ["a fox that endures"],
        "settings": {"resolution": "0.5K", "output_format": "jpeg", "aspect_ratio": "1:1"},
        "seeds": {"start": 0, "count": jobs},
        "limits": {"concurrency": in_flight, "downloads": 16, "submits_per_second": 1000},
        "pricing": {"base_usd": float(PRICE)},
        "output": {"dir": "run"},
    }
    path = folder / "endurance.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True)
class Sample:
    """The command at one moment: Unix seconds, jobs done, resident memory in bytes, open files."""

    at: float
    done: int
    memory: int
    files: int


@dataclass(slots=True)
class Watched:
    """One run of the command. `cpu` is in seconds; `lags` are seconds by which its loop was late, with their times."""

    code: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    lags: list[tuple[float, float]] = field(default_factory=list)

    def late(self, since: float, until: float) -> list[float]:
        """Return the lags between two moments, in order of size."""
        return sorted(lag for at, lag in self.lags if since < at <= until) or [0.0]


class Done:
    """Counts the `done` lines of a growing ledger."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = 0
        self._jobs: set[str] = set()

    def count(self) -> int:
        """Return how many jobs are done by now."""
        if self._log.exists():
            with self._log.open("rb") as file:
                file.seek(self._offset)
                whole = file.read().rpartition(b"\n")[0]
            self._offset += len(whole) + bool(whole)
            self._jobs.update(json.loads(line)["job"] for line in whole.splitlines() if b'"event":"done"' in line)
        return len(self._jobs)


def watch(folder: Path, environment: Mapping[str, str], done: Done, arguments: list[str]) -> Watched:
    """Run the command to its end and look at it once a second."""
    seen, lags = Watched(), folder / "lags"
    began = time.monotonic()
    command = [sys.executable, str(Path(__file__).resolve()), INSIDE, str(lags), *arguments]
    with (
        (folder / "batchgen.err").open("ab") as told,
        subprocess.Popen(command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stderr=told) as running,  # noqa: S603
    ):
        process = psutil.Process(running.pid)
        while running.poll() is None:
            try:
                with process.oneshot():
                    cpu, memory, files = process.cpu_times(), process.memory_info().rss, process.num_fds()
                seen.cpu = cpu.user + cpu.system
                seen.samples.append(Sample(time.time(), done.count(), memory, files))
            except psutil.Error:  # It ended meanwhile.
                break
            try:
                running.wait(SAMPLE_S)
            except subprocess.TimeoutExpired:
                continue
    seen.code, seen.seconds = running.returncode, time.monotonic() - began
    seen.lags = [(at, lag) for at, lag in json.loads(f"[{lags.read_text().rstrip().rstrip(',')}]")]
    return seen


def inside(lags: Path, arguments: list[str]) -> None:
    """Be `python -m batchgen` with these arguments, and write down by how much its event loop is late."""
    from batchgen.cli import loop

    ordinary = loop.run

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        async def observed() -> Any:
            with lags.open("w", encoding="utf-8") as file:
                sampling = asyncio.ensure_future(_sample_lags(file.write))
                try:
                    return await main
                finally:
                    sampling.cancel()

        return ordinary(observed())

    loop.run = run
    sys.argv = ["batchgen", *arguments]
    runpy.run_module("batchgen", run_name="__main__")


async def _sample_lags(write: Any) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(LAG_S)
        write(f"[{time.time():.3f},{max(0.0, time.perf_counter() - began - LAG_S):.4f}],\n")


def check_bounds(runs: list[Watched], jobs: int, in_flight: int) -> list[Check]:
    """Hold memory, open files and the number of runs against `BOUNDS`."""
    first = runs[0].samples
    begun = next((sample for sample in first if sample.done >= jobs / 10), first[-1])
    growth = (max(sample.memory for sample in first) - begun.memory) / 2**20
    allowed = 8 + jobs * 3 / 1024
    files, most = max(sample.files for run in runs for sample in run.samples), 64 + 2 * in_flight
    return [
        (growth <= allowed, f"memory grew by {growth:.1f} MB, at most {allowed:.1f}"),
        (files <= most, f"{files} open files, at most {most}"),
        (len(runs) < MAX_RUNS, f"{len(runs)} runs, less than {MAX_RUNS}"),
        (all(run.code in (0, 1, 4) for run in runs), f"exit codes {[run.code for run in runs]}, of 0, 1 and 4"),
    ]


def show_progress(run: Watched, jobs: int) -> None:
    """Print the first run by tenths of its progress; a lag is by how much the event loop came late."""
    print(f"{'done':>8} {'seconds':>8} {'rss MB':>8} {'files':>6} {'lag p50':>9} {'p99':>9} {'most':>9}")
    before = run.samples[0].at
    for tenth in range(1, 11):
        now = next((sample for sample in run.samples if sample.done >= jobs * tenth / 10), run.samples[-1])
        if now.at <= before:
            continue
        late = [1e3 * lag for lag in run.late(before, now.at)]
        p50, p99, most = late[len(late) // 2], late[int(len(late) * 0.99)], late[-1]
        row = f"{now.done:>8} {now.at - run.samples[0].at:>8.1f} {now.memory / 2**20:>8.1f} {now.files:>6}"
        print(f"{row} {p50:>6.1f} ms {p99:>6.1f} ms {most:>6.1f} ms", flush=True)
        before = now.at


def get(address: str) -> bytes:
    """Return what the sandbox answers."""
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - loopback
        content: bytes = answer.read()
    return content


def endure(folder: Path, options: argparse.Namespace) -> bool:
    """Run everything, print the tables, and tell whether all held."""
    jobs, in_flight = options.jobs, options.in_flight
    manifest = write_manifest(folder, jobs, in_flight)
    done, runs = Done(folder / "run" / "log.jsonl"), list[Watched]()
    with sandbox(folder / "sandbox", options.faults, options.seed, in_flight) as (server, api):
        environment = {**os.environ, "RUNCOMFY_MODEL_API_BASE": api, "RUNCOMFY_TOKEN": "endurance"}
        arguments = ["run", str(manifest), "--progress", "none", "-q"]
        while len(runs) < MAX_RUNS and done.count() < jobs:
            again = ["--on-unknown", "resubmit", "--retry-failed"] if runs else []
            run = watch(folder, environment, done, [*arguments, *again])
            runs.append(run)
            if len(runs) == 1:
                show_progress(run, jobs)
            print(f"run {len(runs)}: exit code {run.code}, {done.count()} done, {run.seconds:.1f} s", flush=True)
        used = server.cpu_times()
        show_cpu(runs, used.user + used.system, jobs)
        account = json.loads(get(f"{api}/sandbox/account"))
        requests = [json.loads(line) for line in get(f"{api}/sandbox/requests").splitlines()]
    print(f"faults met: {sum(account['fault_counts'].values())}")
    verified = json.loads(command(folder, "verify", "run", "--json"))
    found = [
        *check_accounts(Ledger.read(folder / "run" / "log.jsonl"), account, requests, jobs),
        (
            (verified["files"], verified["damaged"]) == (jobs, 0),
            f"{verified['files']} files verified by their hash, {verified['damaged']} missing or damaged",
        ),
        *check_bounds(runs, jobs, in_flight),
    ]
    for holds, text in found:
        print(f"{'ok' if holds else 'WRONG':>6}  {text}")
    return all(holds for holds, _ in found)


def show_cpu(runs: list[Watched], server: float, jobs: int) -> None:
    """Print who was busy: where neither fills a core, it is the pauses after refusals and doubts."""
    ours, wall = sum(run.cpu for run in runs), sum(run.seconds for run in runs)
    each = ", ".join(
        f"{name} {1e3 * cpu / jobs:.1f} ms a job ({cpu / wall:.0%} of a core)"
        for name, cpu in (("the command", ours), ("the sandbox", server))
    )
    print(f"{jobs / wall:.0f} jobs a second; CPU: {each}; {os.cpu_count()} cores")


def command(folder: Path, *arguments: str) -> bytes:
    """Return what a command of batchgen prints."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "batchgen", *arguments], cwd=folder, stdout=subprocess.PIPE, check=False
    ).stdout


def main() -> int:
    """Run it all in a temporary folder and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--faults", type=float, default=0.05, help="the share of calls that fail, of every endpoint")
    parser.add_argument("--seed", type=int, default=1, help="what the faults are drawn from")
    parser.add_argument("--keep", type=Path, help="keep everything in this folder")
    options = parser.parse_args()
    print(f"python {sys.version.split()[0]}, {options.jobs} jobs, {options.in_flight} in flight; bounds:\n{BOUNDS}\n")
    if options.keep is not None:
        options.keep.mkdir(parents=True)
        return 0 if endure(options.keep.resolve(), options) else 1
    with tempfile.TemporaryDirectory() as name:
        return 0 if endure(Path(name), options) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        inside(Path(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(main())
