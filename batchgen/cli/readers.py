"""The commands that read a run directory alone, without its lock: failures, verify, export."""

from __future__ import annotations

import csv
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
from batchgen.store.verify import verify


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
    files = _files(folder)
    damages = list(verify(folder, files.values()))
    if as_json:
        found = [{"path": damage.path, "what": damage.what} for damage in damages]
        console.show_json({"run_dir": str(folder), "files": len(files), "damaged": len(found), "damages": found})
    else:
        console.show(f"{damage.what}: {errors.printable(damage.path)}" for damage in damages)
        console.show([f"{counted(len(files), 'file')} of the ledger, {len(damages)} missing or damaged"])
    return ExitCode.SOME_FAILED if damages else ExitCode.OK


def _files(folder: Path) -> dict[str, File]:
    """Return the files of all done attempts by path: of an attempt that was collected again, the last ones."""
    latest: dict[tuple[str, int], events.Done] = {
        (event.job, event.attempt): event
        for event in replay.read(RunDirectory(folder).log)
        if isinstance(event, events.Done)
    }
    return {file.path: file for event in latest.values() for file in event.files}


def export_run(run: Path, output: Path | None) -> None:
    """Write the ledger's jobs and outputs as CSV, to standard output or a file."""
    folder = place.find_run(run)
    table = exporting.rows(read_state(folder), replay.read(RunDirectory(folder).log))
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
