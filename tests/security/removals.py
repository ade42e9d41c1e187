"""`python tests/security/removals.py`: take each defence of docs/security.md out of a copy, and see its tests fail.

Prints defence, tests and whether they noticed. Exit 1 unless all are noticed. `--page` prints the page's tables alone.
"""

from __future__ import annotations

import argparse
import itertools
import os
import queue
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crash import mutations
from crash.mutations import Mutation
from security.defences import DEFENCES, Defence

PAGE = mutations.PROJECT / "docs" / "security.md"


def removal(defence: Defence) -> Mutation:
    """Return the edit that takes a defence out, with the command that must fail then."""
    check = (*mutations.PYTEST, "-n0", *(f"tests/{test}" for test in defence.tests))
    return Mutation(defence.rule, f"batchgen/{defence.file}", defence.old, defence.new, check)


def tables() -> str:
    """Return the page's tables: for each area its defences, where they stand, and the tests that hold them."""
    parts = []
    for area, group in itertools.groupby(DEFENCES, key=lambda defence: defence.area):
        rows = [f"| {one.rule} | `{one.file}` | {'<br>'.join(f'`{test}`' for test in one.tests)} |" for one in group]
        parts.append(
            "\n".join(
                [f"### {area}", "", "| defence | in `batchgen/` | held by, in `tests/` |", "| --- | --- | --- |", *rows]
            )
        )
    return "\n\n".join(parts) + "\n"


def sound(chosen: Sequence[Defence], folder: Path) -> bool:
    """Tell whether every test passes while nothing is removed: otherwise its failing says nothing."""
    tests = sorted({f"tests/{test}" for defence in chosen for test in defence.tests})
    environment = {**os.environ, "PYTHONPATH": str(folder), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode == 0


def main() -> int:
    """Remove what the command line chooses, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only defences with these words, or of this file")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--page", action="store_true", help="print the tables of docs/security.md, and exit")
    given = parser.parse_args()
    if given.page:
        sys.stdout.write(tables())
        return 0
    chosen = [one for one in DEFENCES if given.match in f"{one.area}: {one.rule} {one.file}"]
    with ExitStack() as stack:
        folders: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for _ in range(given.processes):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batchgen-removals-")))
            mutations.copy_project(folder)
            folders.put(folder)
        if not sound(chosen, folder):
            mutations.say("tests fail although nothing is removed")
            return 1
        with ThreadPoolExecutor(given.processes) as pool:
            caught = sum(pool.map(lambda one: _is_noticed(one, folders), chosen))
    mutations.say(f"{caught} of {len(chosen)} caught")
    return 0 if caught == len(chosen) else 1


def _is_noticed(defence: Defence, folders: queue.SimpleQueue[Path]) -> bool:
    folder = folders.get()
    try:
        why = mutations.survives(removal(defence), folder)
    finally:
        folders.put(folder)
    held_by = ", ".join(test.rpartition("/")[2] for test in defence.tests)
    mutations.say(
        f"{'SURVIVED' if why else 'caught':9} {defence.area}: {defence.rule} | {held_by}", *filter(None, [why])
    )
    return not why


if __name__ == "__main__":
    sys.exit(main())
