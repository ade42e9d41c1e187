"""The commands that read a run directory alone, without its lock: failures, verify, export."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from batchgen import errors, events
from batchgen.cli import console, place
from batchgen.cli.command_line import lasting
from batchgen.cli.exit_codes import ExitCode
from batchgen.job import File
from batchgen.ledger import replay
from batchgen.ledger.files import trouble
from batchgen.ledger.rundir import RunDirectory, read_state
from batchgen.report import exporting
from batchgen.report.failures import failure_lines, failures
from batchgen.report.text import counted
from batchgen.store.fingerprints import Fingerprints
from batchgen.store.verify import Damage, damage_of


def show_failures(run: Path, *, as_json: bool) -> None:
    """Print what ended badly, by cause."""
    folder = place.find_run(run)
    state = read_state(folder)
    shown = failures(state, folder, lasting(state.run_command_line))
    if as_json:
        console.show_json(shown)
    else:
        console.show(failure_lines(shown))


def verify_run(run: Path, *, as_json: bool) -> int:
    """Hold every file against the ledger and print what is wrong. Returns the exit code."""
    folder = place.find_run(run)
    files = 0
    damages: list[Damage] = []
    for files, file in enumerate(_files(RunDirectory(folder).log), 1):  # noqa: B007
        if (damage := damage_of(folder, file)) is not None:
            damages.append(damage)
    if as_json:
        found = [{"path": damage.path, "what": damage.what} for damage in damages]
        console.show_json({"run_dir": str(folder), "files": files, "damaged": len(found), "damages": found})
    else:
        console.show(f"{damage.what}: {errors.printable(damage.path)}" for damage in damages)
        console.show([f"{counted(files, 'file')} of the ledger, {len(damages)} missing or damaged"])
    return ExitCode.SOME_FAILED if damages else ExitCode.OK


def _files(log: Path) -> Iterator[File]:
    """Yield the files of all done attempts: of an attempt that was collected again, the last ones.

    Few are, and of a million that are not nothing is kept: one pass finds the few, a second one yields.
    """
    seen, several = Fingerprints(), set[str]()
    for attempt, _ in _done(log):
        if attempt in seen:
            several.add(attempt)
        seen.add(attempt)
    last: dict[str, tuple[File, ...]] = {}
    for attempt, files in _done(log):
        if attempt in several:
            last[attempt] = files
        else:
            yield from files
    yield from itertools.chain.from_iterable(last.values())


def _done(log: Path) -> Iterator[tuple[str, tuple[File, ...]]]:
    """Yield an attempt and its files for every time that it was done."""
    done = (event for event in replay.read(log, events.Done) if isinstance(event, events.Done))
    return ((f"{event.job} {event.attempt}", event.files) for event in done)


def export_run(run: Path, output: Path | None) -> None:
    """Write the ledger's jobs and outputs as CSV, to standard output or a file."""
    folder = place.find_run(run)
    history = replay.read(RunDirectory(folder).log, events.Submitting, events.Done)
    table = exporting.rows(read_state(folder), history)
    if output is None:
        # Into a file or a pipe every text goes as it is; a terminal would act on some.
        _write_csv(sys.stdout, _harmless(table) if sys.stdout.isatty() else table)
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as stream:
            _write_csv(stream, table)
    except OSError as error:
        raise trouble("write the file", output, error) from error


def _harmless(table: Iterator[list[exporting.Cell]]) -> Iterator[list[exporting.Cell]]:
    for row in table:
        yield [errors.printable(cell, len(cell)) if isinstance(cell, str) else cell for cell in row]


def _write_csv(stream: TextIO, table: Iterator[list[exporting.Cell]]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(exporting.COLUMNS)
    writer.writerows(table)
