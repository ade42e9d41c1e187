"""Measure how much the process of a whole run grows while it makes very many jobs.

    python benchmarks/growth.py [--jobs 100000]

`batchgen run` against nginx with fixed answers, 64 in flight; some eight minutes for 100,000 jobs. It prints the
resident memory by jobs done, and in the end what was gained since the first 3,000. Needs nginx.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import standin
from pairs import python

FIRST = 3000
_DONE = b'"event":"done"'
_MANIFEST = """model: {model}
prompts: [benchmark]
seeds: {jobs}
limits: {{concurrency: 64, submits_per_second: 1000}}
pricing: {{base_usd: 0.08}}
"""


def grown(folder: Path, jobs: int) -> Iterator[tuple[int, float]]:
    """Run `jobs` jobs and yield, every second, how many are done and the process's resident memory in MB."""
    manifest, log = folder / "batch.yaml", folder / "run" / "log.jsonl"
    manifest.write_text(_MANIFEST.format(model=standin.MODEL, jobs=jobs))
    with standin.serving(folder / "server", 20_000) as origin:
        environ = {**os.environ, "RUNCOMFY_MODEL_API_BASE": origin, "RUNCOMFY_TOKEN": "benchmark"}
        command = python("batchgen", "run", manifest, "-o", log.parent, "--progress", "none", "-q")
        process = subprocess.Popen([str(part) for part in command], env=environ)  # noqa: S603
        done = read = 0
        while process.poll() is None:
            time.sleep(1)
            if log.exists() and process.poll() is None:
                with log.open("rb") as lines:
                    lines.seek(read)
                    some = lines.read().rpartition(b"\n")[0]
                read, done = read + len(some), done + some.count(_DONE)
                if resident := _resident_mb(process.pid):  # None is left of a process that has just ended.
                    yield done, resident
        if process.returncode:
            raise SystemExit(f"the run ended with {process.returncode}")


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=100_000)
    jobs = parser.parse_args().jobs
    first = last = 0.0
    shown = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        for done, last in grown(folder, jobs):
            if done >= FIRST:
                first = first or last
            if done >= shown:
                print(f"{done:9,} done {last:7.1f} MB", flush=True)
                shown = done + jobs // 20
    print(f"from {FIRST:,} to {jobs:,} jobs: {last - first:.1f} MB")


if __name__ == "__main__":
    main()
