"""`python benchmarks`: every figure of every script here, on this machine, as a table; and the page of them.

    python benchmarks [--only hot,engine] [--write docs/performance.md]

A script takes part by having `rows()` (see `table.py`). One that cannot run here says so in the table, and the others
go on: the page is as whole as the machine allows.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import aiohttp
from table import Row, markdown, show

HERE = Path(__file__).parent
_FIRST = ("hot", "engine")
_NOT_SUBJECTS = frozenset(("__main__", "table", "pairs", "standin", "bare", "threaded", "counted", "downloads"))
_METHOD = """# Performance

Every line of this table is measured by the command beside it; `python benchmarks --write docs/performance.md` runs them
all and writes this page.

How: two sides of a ratio run turn by turn on the same machine, and a figure is the median over the rounds, because on a
shared machine the same program takes twice the time from one minute to the next. CPU is the user and system time of the
whole process, not wall time. Where a row says so, start-up is left out by taking the difference between a long and a
short run. Peak memory is the kernel's high-water mark of resident memory. The server is nginx with fixed answers, so
that only the client is measured. Its pictures are PNGs of noise, which are quick to unpack: to look at a real picture
to its last pixel takes some 10 ms a megabyte more, for any client that looks. Where so many requests are in flight, the
usual 8 pictures are fetched at a time here, and up to all of them by the others.

What the bare loop does not do: look whether a picture is whole, hash it, sync it before its name counts, give it its
name at once or not at all, write down each POST before it is sent, and open a connection for that POST alone.
"""


def subjects(only: Iterable[str] = ()) -> list[str]:
    """Return the names of the scripts that take part."""
    found = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in _NOT_SUBJECTS)
    wanted = set(only)
    chosen = [name for name in found if not wanted or name in wanted]
    return sorted(chosen, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))


def measured(names: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of every script."""
    for name in names:
        try:
            rows: Callable[[], Iterable[Row]] | None = getattr(importlib.import_module(name), "rows", None)
            yield from rows() if rows is not None else ()
        except (Exception, SystemExit) as problem:  # One subject that cannot run must not cost the others' figures.
            yield Row(name, "", "not measured here", f"python benchmarks/{name}.py", f"{problem}")


def machine() -> str:
    """Return what was measured on, without naming the place."""
    loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio's loop"
    return (
        f"Measured on {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}, {loop}; load {os.getloadavg()[0]:.1f} at "
        "the start.\n"
    )


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(prog="python benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="names of scripts")
    parser.add_argument("--write", type=Path, help="the page to write")
    options = parser.parse_args()
    where, rows = machine(), []
    print(where)
    for row in measured(subjects(options.only)):
        show([row])
        rows.append(row)
    if options.write is not None:
        options.write.write_text(f"{_METHOD}\n{where}\n{markdown(rows)}")


if __name__ == "__main__":
    sys.exit(main())
