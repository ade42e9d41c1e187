"""`python tests/fuzz/run.py --minutes 60`: search long for input that breaks a property, and keep what is found.

Each target is searched by processes of its own: guided by coverage where atheris is installed, else by random changes
of the corpus. Input that hangs, kills the process or takes too much memory is a finding too. Exit 1 if there are any.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from fuzz import targets, worker  # noqa: E402 - found only by the line above

LONGEST_S = 30.0
"""No input may take longer: a process that stays with one is ended, and the input kept."""

_POLL_S = 0.5
_LEFT_OVER_S = 2.0


@dataclass(slots=True)
class Search:
    """What one target's search came to."""

    target: str
    engine: str
    executions: int = 0
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)


def search(target: str, engine: str, seconds: float, seed: int) -> Search:
    """Search one target until the time is over, with a fresh process wherever one was lost."""
    made = Search(target, engine)
    began = time.monotonic()
    with _folder() as folder:
        while (left := seconds - (time.monotonic() - began)) > _LEFT_OVER_S:
            slate = worker.Slate(folder / f"slate-{seed}")
            lost = _watch(made, slate, [target, engine, str(folder / f"slate-{seed}"), str(left), str(seed)], folder)
            made.executions += slate.count
            if lost and not _holds(path := worker.keep(target, lost, slate.data), folder):
                made.findings.append(f"{path.relative_to(worker.CORPUS)}: {lost}")
            seed += 1
    made.seconds = time.monotonic() - began
    return made


def _watch(made: Search, slate: worker.Slate, arguments: Sequence[str], folder: Path) -> str:
    """Run one worker to its end; return how it was lost, empty if it ended by itself."""
    with (folder / "said").open("w+") as said:
        process = _worker(arguments, folder, said)
        lost = "hang" if _stays_with_one(process, slate) else ""
        code = process.wait()
        said.seek(0)
        made.findings += [line.rstrip("\n") for line in said if line.startswith(f"{made.target}/")]
    return lost or (f"exit_{code}" if code else "")


def _worker(arguments: Sequence[str], folder: Path, output: TextIO | int) -> subprocess.Popen[bytes]:
    paths = [str(HERE.parent), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "TMPDIR": str(folder)}
    command = [sys.executable, str(HERE / "worker.py"), *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.DEVNULL)


def _holds(path: Path, folder: Path) -> bool:
    """Try once more, alone, the input that a worker was lost with, and forget it where it does no harm."""
    process = _worker([path.parent.name, str(path)], folder, subprocess.DEVNULL)
    try:
        sound = process.wait(LONGEST_S) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    if sound:
        path.unlink()
    return sound


def _stays_with_one(process: subprocess.Popen[bytes], slate: worker.Slate) -> bool:
    """Wait for a worker's end; end it where it stays with one input for too long."""
    count, since = slate.count, time.monotonic()
    while process.poll() is None:
        time.sleep(_POLL_S)
        if slate.count != count:
            count, since = slate.count, time.monotonic()
        elif count and time.monotonic() - since > LONGEST_S:
            process.kill()
            return True
    return False


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder for one search, in memory where there is one: some targets write a file for each input."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="batchgen-fuzz-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def main() -> int:
    """Search every target, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long, all targets together")
    parser.add_argument("--only", choices=sorted(targets.TARGETS), action="append", help="this target; may be repeated")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--seed", type=int, default=1, help="what chance begins with")
    parser.add_argument(
        "--engine", choices=("atheris", "mutation"), help="atheris where it is installed, else mutation"
    )
    chosen = parser.parse_args()
    names = chosen.only or list(targets.TARGETS)
    engine = chosen.engine or ("atheris" if importlib.util.find_spec("atheris") else "mutation")
    processes = min(chosen.processes, len(names))
    seconds = chosen.minutes * 60 * processes / len(names)
    with ThreadPoolExecutor(processes) as pool:
        made = list(pool.map(lambda name: search(name, engine, seconds, chosen.seed), names))
    _say(f"{'target':10} {'engine':9} {'executions':>12} {'a second':>9} {'findings':>9}")
    for one in made:
        rate = one.executions / one.seconds if one.seconds else 0.0
        _say(f"{one.target:10} {one.engine:9} {one.executions:>12,} {rate:>9,.0f} {len(one.findings):>9}")
    _say(*(finding for one in made for finding in one.findings))
    return 1 if any(one.findings for one in made) else 0


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
