"""The command line: options in, exit code out. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

import batchgen
from batchgen import errors
from batchgen.cli import console, options
from batchgen.cli.command_line import typed
from batchgen.cli.exit_codes import ExitCode, code_of_error
from batchgen.cli.ping import watched

MANIFEST = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(batchgen.__version__, prog_name="batchgen")
def cli() -> None:
    """Run a list of prompts against RunComfy's Model API: every picture once, paid for once.

    \b
    Try it without an account:
      batchgen run sample_manifests/quickstart.yaml --sandbox
    """


@cli.command(short_help="Submit, poll and download; the same command again resumes.")
@click.argument("manifest", type=MANIFEST)
@options.output_dir
@options.manifest_overrides
@options.selection
@options.running
@options.sandbox
@options.reporting
@options.as_json
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
def run(manifest: Path, **given: Any) -> int:
    """Collect what is already paid for, and submit, poll and download the rest of MANIFEST.

    The same command again resumes after any interruption, and pays for nothing twice.

    \b
    Examples:
      batchgen run autumn.yaml
      batchgen run prompts.csv --model google/nano-banana-2/text-to-image --grid aspect_ratio=1:1,16:9 --seeds 3
      batchgen run autumn.yaml --max-cost 5 -q          (in a crontab)
    """
    from batchgen.cli import assemble, planning

    choice = assemble.choice(manifest, given)
    if given["dry_run"]:
        return planning.show_plan(choice, as_json=given["as_json"], command=typed())
    from batchgen.cli.run import run_manifest

    return watched(given["ping"], lambda: _unless_running(given, lambda: run_manifest(choice, given, typed())))


@cli.command(short_help="What run would do: counts, cost, the first jobs.")
@click.argument("manifest", type=MANIFEST)
@options.output_dir
@options.manifest_overrides
@options.selection
@options.sandbox
@options.as_json
def plan(manifest: Path, **given: Any) -> int:
    """Show what `run` would do with MANIFEST: what is new, what is done, what it may cost. Sends nothing that costs.

    \b
    Example:
      batchgen plan autumn.yaml --json
    """
    from batchgen.cli import assemble, planning

    command = typed().replace(" plan ", " run ", 1)
    return planning.show_plan(assemble.choice(manifest, given), as_json=given["as_json"], command=command)


@cli.command(short_help="How a run stands.")
@click.argument("run", type=MANIFEST)
@options.as_json
def status(run: Path, as_json: bool) -> None:
    """Show how RUN (a run directory, or a manifest) stands, from its ledger alone.

    \b
    Example:
      batchgen status runs/autumn
    """
    from batchgen.cli.status import show_status

    show_status(run, as_json=as_json)


@cli.command(short_help="Collect everything already paid for; never submit.")
@click.argument("run", type=MANIFEST)
@options.running
@options.reporting
@options.as_json
def fetch(run: Path, **given: Any) -> int:
    """Collect everything that RUN (a run directory, or a manifest) has already paid for. Never submits.

    \b
    Example:
      batchgen fetch runs/autumn
    """
    from batchgen.cli.fetch import fetch_run

    return watched(given["ping"], lambda: _unless_running(given, lambda: fetch_run(run, given)))


@cli.command(short_help="What ended badly, by cause.")
@click.argument("run", type=MANIFEST)
@options.as_json
def failures(run: Path, as_json: bool) -> None:
    """Show what failed, was lost or cancelled in RUN, grouped by cause, with the command that tries each again.

    \b
    Example:
      batchgen failures runs/autumn
    """
    from batchgen.cli.readers import show_failures

    show_failures(run, as_json=as_json)


@cli.command(short_help="Hold every file against the ledger.")
@click.argument("run", type=MANIFEST)
@options.as_json
def verify(run: Path, as_json: bool) -> int:
    """Read every file of RUN and hold it against the ledger's sizes and hashes. Exit code 1 on damage.

    \b
    Example:
      batchgen verify runs/autumn
    """
    from batchgen.cli.readers import verify_run

    return verify_run(run, as_json=as_json)


@cli.command(short_help="Jobs and files as CSV.")
@click.argument("run", type=MANIFEST)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file instead.")
def export(run: Path, output: Path | None) -> None:
    """Write the jobs and files of RUN as CSV to standard output: safe to open in a spreadsheet.

    \b
    Example:
      batchgen export runs/autumn -o autumn.csv
    """
    from batchgen.cli.readers import export_run

    export_run(run, output)


@cli.command(short_help="Cancel what still queues at the server.")
@click.argument("run", type=MANIFEST)
@options.as_json
def cancel(run: Path, **given: Any) -> int:
    """Cancel the requests of RUN that the server has not begun, and say what could not be cancelled.

    \b
    Example:
      batchgen cancel runs/autumn
    """
    from batchgen.cli.cancel import cancel_run

    return cancel_run(run, given)


@cli.command(short_help="Tie a request found at the server to an unknown submission.")
@click.argument("run", type=MANIFEST)
@click.argument("job")
@click.argument("request_id")
def attach(run: Path, job: str, request_id: str) -> None:
    """Tie REQUEST_ID, found on the Generations page of runcomfy.com, to the unknown submission of JOB in RUN.

    JOB is a job id or the beginning of one, as `status` shows it. The next run or fetch collects the pictures.

    \b
    Example:
      batchgen attach runs/autumn 481ebba7a682 9f2c7a10-1111-2222-3333-444455556666
    """
    from batchgen.cli import decide

    decide.attach(run, job, request_id)


@cli.command(short_help="Decide unknown submissions: not sent, or lost.")
@click.argument("run", type=MANIFEST)
@click.argument("jobs", nargs=-1, required=True)
@click.option("--not-sent", "how", flag_value="not_sent", help="The server never took it: the job is new again.")
@click.option("--lost", "how", flag_value="lost", help="It was taken, and its pictures cannot be had.")
def settle(run: Path, jobs: tuple[str, ...], how: str | None) -> None:
    """Decide the unknown submissions of JOBS in RUN, after a look at the Generations page of runcomfy.com.

    \b
    Example:
      batchgen settle runs/autumn 481ebba7a682 --not-sent
    """
    from batchgen.cli import decide

    if how is None:
        raise click.UsageError("say what became of it: --not-sent or --lost")
    decide.settle(run, jobs, how)


@cli.command(short_help="Write a commented manifest that runs as it is.")
@click.argument("manifest", type=MANIFEST, default=Path("manifest.yaml"))
def init(manifest: Path) -> None:
    """Write a commented manifest that runs as it is, manifest.yaml or MANIFEST. Never overwrites anything.

    \b
    Example:
      batchgen init autumn.yaml
    """
    from batchgen.cli.command_line import program
    from batchgen.cli.init import init as write

    write(manifest, program())


@cli.command(short_help="What models there are, what they take, what they cost.")
@click.argument("model", required=False, metavar="[ID]", shell_complete=options.bundled_models)
@click.option("--search", metavar="WORDS", default="", help="Only models that the catalog finds by these words.")
@click.option("--category", metavar="NAME", default="", help="Only models of this category, such as text-to-image.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@options.sandbox
@options.as_json
def models(model: str | None, search: str, category: str, limit: int, **given: Any) -> None:
    """List the models of the live catalog; with ID, show one model's inputs, limits and price.

    Without a token it shows the models that ship with batchgen, which have no price.

    \b
    Examples:
      batchgen models --search "nano banana" --category text-to-image
      batchgen models google/nano-banana-2/text-to-image
    """
    from batchgen.cli import catalog

    if model is None:
        catalog.list_models(catalog.Wanted(search, category, limit), **given)
    else:
        catalog.show_model(model, **given)


@cli.command(short_help="A crontab line, or systemd units, for a manifest.")
@click.argument("manifest", type=MANIFEST)
@click.argument("run_options", nargs=-1)
@click.option("--daily", metavar="HH:MM", help="Every day at this time.")
@click.option("--hourly", is_flag=True, help="Every hour.")
@click.option("--weekly", nargs=2, metavar="DAY HH:MM", help="Every week on this day (sun, mon, ...) at this time.")
@click.option("--cron", metavar="FIELDS", help="At the five fields of a crontab, in quotes.")
@click.option("--systemd", is_flag=True, help="A systemd service and timer instead of a crontab line.")
@click.option("--fetch", is_flag=True, help="Only collect what is paid for.")
@click.option("-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Write files into this folder.")
@options.limits
@options.log_file
def schedule(manifest: Path, **given: Any) -> None:
    """Print what runs MANIFEST regularly: a crontab line, or a systemd service and timer. Installs nothing.

    Options of `run` (or `fetch`) that are not listed here follow after `--`.

    \b
    Examples:
      batchgen schedule autumn.yaml --daily 02:00 --max-cost 5 --max-time 3h
      batchgen schedule autumn.yaml --hourly --fetch --systemd -o units
      batchgen schedule autumn.yaml --weekly sun 03:30 -- --where set=animals
    """
    from batchgen.cli.schedule import schedule as write

    write(manifest, cli.commands, given)


@cli.command(short_help="Check token, API, balance, clock, folder and prices, for nothing.")
@click.argument("manifest", type=MANIFEST, required=False)
@options.output_dir
@options.as_json
def doctor(manifest: Path | None, output_dir: Path | None, as_json: bool) -> int:
    """Check what a run needs: token, address, catalog, balance, clock, folder, and with MANIFEST its models and prices.

    Nothing here costs anything. The exit code is 0, or that of the first thing found wrong.

    \b
    Example:
      batchgen doctor autumn.yaml
    """
    from batchgen.cli.doctor import examine

    return examine(manifest, output_dir, as_json=as_json)


@cli.command(short_help="The API's stand-in: a real server on this machine.")
@options.sandbox_settings
def sandbox(**given: Any) -> int:
    """Serve the sandbox, until Ctrl-C: the API's stand-in, with real pictures and no bill.

    It prints its address. Point RUNCOMFY_MODEL_API_BASE there (any RUNCOMFY_TOKEN will do), or let `run --sandbox`
    start one of its own.

    \b
    Example:
      batchgen sandbox --port 8700 --service-time 5 --faults flaky
    """
    from batchgen.cli.sandbox import serve_sandbox

    return serve_sandbox(given)


def _unless_running(given: Mapping[str, Any], work: Callable[[], int]) -> int:
    """Return the code of `work`; with `--if-running skip`, 0 where another run holds the directory."""
    try:
        return work()
    except errors.LockedError as error:
        if given["if_running"] == "fail":
            raise
        if not given["quiet"]:
            console.complain(error)
        return ExitCode.OK


def _fill_standard_streams() -> None:
    """Open what the caller closed of descriptors 0 to 2, so that no file of ours gets a number that others write to."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest free number: this one.


def main() -> NoReturn:
    """Run the command line and exit with its code: the only place that does."""
    _fill_standard_streams()
    try:
        # By this name, however it was started, because shell completion goes by it: _BATCHGEN_COMPLETE.
        code = cli(prog_name="batchgen", standalone_mode=False) or ExitCode.OK
    except click.ClickException as mistake:
        mistake.show()
        code = ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPT
    except errors.RunError as error:
        console.complain(error)
        code = code_of_error(error)
    except OSError as error:
        console.say(errors.printable(f"batchgen: {error.filename or 'disk'}: {error.strerror or error}"))
        code = ExitCode.CANNOT_WRITE
    code = console.flushed(code)
    gc.freeze()  # Else the interpreter looks through all there is for cycles, once more, before it lets go of it.
    sys.exit(code)
