"""Measuring two programs against each other where nothing else can be trusted: on the same machine, turn by turn.

CPU is user and system time of a whole process with all its children; peak memory is VmHWM, read while it runs, since
`ru_maxrss` survives exec. Sides alternate, and a figure is the median over the rounds.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOOK_S = 0.05
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: CPU and wall time in seconds, peak memory in MB."""

    cpu: float
    wall: float
    peak: float


def measured(command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Cost:
    """Run a program to its end. Raises SystemExit where it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        [str(part) for part in command], env={**os.environ, **(environ or {})}, stdout=subprocess.DEVNULL, cwd=HERE
    )
    peak = 0.0
    while True:
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        peak = max(peak, _peak_mb(process.pid))
        time.sleep(_LOOK_S)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: ended with {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - began, peak)


def _peak_mb(pid: int) -> float:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return 0.0


def alternated(rounds: int, sides: Mapping[str, Callable[[int], Cost]]) -> dict[str, list[Cost]]:
    """Run every side once a round, and return what each took; a side is given the number of the round."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, run in sides.items():
            costs[name].append(run(number))
    return costs


def marginal(long: Sequence[Cost], short: Sequence[Cost], jobs: int) -> float:
    """Return the median CPU in seconds of one more job: of the rounds' differences over `jobs` more jobs."""
    return statistics.median((more.cpu - less.cpu) / jobs for more, less in zip(long, short, strict=True))


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def python(script: str, *arguments: str | int | Path) -> list[str]:
    """Return the command that runs a script of this folder, or with `-m` a module."""
    start = ["-m", script] if "." not in script else [str(HERE / script)]
    return [sys.executable, *start, *map(str, arguments)]
