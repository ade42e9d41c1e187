"""Option types and groups that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import click

from batchgen.cli import ping
from batchgen.cli.ping import Watch
from batchgen.manifest import durations

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """Seconds, written as `90`, `90s`, `5m`, `2h` or `1d`; 0 only with `zero`."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the text."""
        if isinstance(value, float):
            return value
        try:
            return durations.parse(str(value), zero=self._zero)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


class Money(click.ParamType[Decimal]):
    """US dollars."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Read the text."""
        try:
            return Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is not an amount in US dollars, such as 5 or 0.50", param, ctx)


class PingAddress(click.ParamType[Watch]):
    """Where a monitor hears of a run."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Watch:
        """Read the text."""
        if isinstance(value, Watch):
            return value
        try:
            return Watch(ping.address(str(value)))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


def grouped(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator that adds all `options`, in their order on the help page."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def bundled_models(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a model's id, among those that are known without a network."""
    from batchgen.catalog import schema

    return [model for model in schema.bundled_ids() if model.startswith(incomplete)]


output_dir = click.option("-o", "--output-dir", type=click.Path(path_type=Path), help="The run directory itself.")
sandbox = click.option("--sandbox", is_flag=True, help="Run against the sandbox that ships with batchgen: no account.")
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output, nothing else.")

log_file = click.option(
    "--log-file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the lines to a file."
)

limits = grouped(
    click.option("--max-cost", metavar="USD", help="Stop before spending more than this on the run directory."),
    click.option("--max-jobs", metavar="N", help="Stop after so many submissions."),
    click.option("--max-time", metavar="DURATION", help="Stop after this time: 90s, 5m, 2h."),
)
"""How much and how long at most, as text: read together with the manifest's."""

manifest_overrides = grouped(
    click.option("-j", "--concurrency", metavar="N", help="Requests at the server at once, or auto."),
    click.option("--model", metavar="ID", shell_complete=bundled_models, help="The model's id."),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting for every job; beats all."),
    click.option("--grid", multiple=True, metavar="KEY=A,B,...", help="Values to combine; replaces that grid key."),
    click.option("--seeds", help="How many per prompt (3), which (7,42), or none."),
    click.option("--prompt-column", help="The table's column with the prompts."),
    limits,
    click.option("--refresh-schema", is_flag=True, help="Check by the live catalog's schemas, and pin those."),
    click.option("--allow-unknown", is_flag=True, help="Let inputs pass that the model's schema does not name."),
    click.option("--no-validate", is_flag=True, help="Let any value of an input pass."),
)
"""What the command line may say over the manifest."""

selection = grouped(
    click.option("--where", multiple=True, metavar="KEY=VALUE", help="Only jobs with this tag or setting."),
    click.option("--limit", type=click.IntRange(min=1), help="Only the first N of the selected jobs."),
    click.option("--retry-failed", is_flag=True, help="Try failed, lost and cancelled jobs again."),
    click.option("--retry", metavar="KIND,...", help="Try again what failed this way; also lost, cancelled, missing."),
    click.option(
        "--on-unknown",
        type=click.Choice(["hold", "resubmit"]),
        default="hold",
        show_default=True,
        help="What to do about submissions that may or may not have been accepted.",
    ),
)
"""Which jobs, and which of those that ended badly."""

reporting = grouped(
    click.option(
        "--progress",
        type=click.Choice(["auto", "bar", "lines", "json", "none"]),
        default="auto",
        show_default=True,
        help="How to show progress on standard error.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing unless a person is needed."),
    click.option("-v", "--verbose", is_flag=True, help="Say more: every submission and retry."),
    log_file,
)

running = grouped(
    click.option(
        "--on-interrupt",
        type=click.Choice(["drain", "leave", "cancel"]),
        default="drain",
        show_default=True,
        help="On the first Ctrl-C: let what is in flight finish, leave it to the server, or cancel what still queues.",
    ),
    click.option("--grace", type=Duration(zero=True), default="30s", show_default=True, help="How long to drain."),
    click.option(
        "--if-running",
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="When another run holds the directory: fail (75), or skip (0).",
    ),
    click.option(
        "--ping",
        type=PingAddress(),
        metavar="URL",
        envvar=ping.VARIABLE,
        help=f"Tell a monitor of the start and the end (as healthchecks.io); better by {ping.VARIABLE}, unseen.",
    ),
    click.option("--allow-host", multiple=True, metavar="HOST", help="One more host to download outputs from."),
)

sandbox_settings = grouped(
    click.option("--dir", "directory", type=click.Path(path_type=Path), help="Where accepted requests are kept."),
    click.option("--host", help="Loopback address to listen on."),
    click.option("--port", type=int, help="Port; 0 takes any free one."),
    click.option("--service-time", type=float, help="Mean seconds of a request."),
    click.option("--service-spread", type=float, help="Sigma of its lognormal factor."),
    click.option("--slots", type=int, help="Requests run at once; others queue."),
    click.option("--price", type=Money(), help="US dollars of one picture at 1K."),
    click.option("--balance", type=Money(), help="US dollars in the wallet."),
    click.option("--token", help="The one token to accept; else any."),
    click.option("--retention", type=Duration(), help="How long results stay."),
    click.option("--faults", help="none, flaky, hostile, outage, JSON rules, or a file of them."),
    click.option("--seed", type=int, help="What the faults are drawn from."),
    click.option("--account", is_flag=True, help="Print the account of the log in --dir, and exit."),
)
