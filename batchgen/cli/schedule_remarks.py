"""What may keep a schedule from working, as far as it can be seen from here: each with the fix."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping

from batchgen import errors
from batchgen.cli import ping
from batchgen.cli.probe import probe_folder
from batchgen.cli.schedule_files import Planned
from batchgen.ledger.rundir import is_run_directory
from batchgen.runcomfy import token

TO_KEEP_IT = (
    "put it into a file that only you can read: "
    "(umask 077; mkdir -p ~/.config/runcomfy; "
    """printf '{"access_token": "%s"}\\n' "$RUNCOMFY_TOKEN" > ~/.config/runcomfy/token.json)"""
)
_PASSING = ("/.cache/", "/tmp/", "/var/tmp/")  # noqa: S108 - places to warn of
_MAILERS = "/usr/sbin:/usr/lib:/usr/bin"


def remarks(planned: Planned, environ: Mapping[str, str], *, systemd: bool) -> Iterator[str]:
    """Yield what a person should know before installing the schedule."""
    if "--sandbox" not in planned.call.arguments:
        yield from _of_token(planned.call.environ, environ)
    yield from _of_places(planned, systemd=systemd)
    if planned.is_fetch and not is_run_directory(planned.run_dir):
        yield f"{planned.run_dir} has not been run yet: fetch ends with exit code 65 until then"
    if not planned.is_limited:
        yield "nothing limits what the schedule may spend; --max-cost 5, or limits: {max_cost_usd: 5}, would"
    if systemd:
        if os.geteuid() == 0:
            yield "the service would run as root; write it as the user whose pictures they are"
    else:
        yield from _of_mail(planned, environ)


def _of_token(carried: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[str]:
    """Look for the token as cron would find it: in a file, by HOME and what the line carries."""
    there = {**carried, "HOME": environ.get("HOME", "")}
    try:
        token.find(there)
    except errors.TokenError as problem:
        shell_only = any(environ.get(name) for name in token.VARIABLES)
        why = "the token is set in this shell only" if shell_only else str(problem).partition(";")[0]
        yield f"a schedule finds no token: {why}; {TO_KEEP_IT}"
        return
    for path in token.loose_files(there):
        yield f"{path} can be read by others; chmod 600 {path}"


def _of_places(planned: Planned, *, systemd: bool) -> Iterator[str]:
    program, run_dir = planned.call.program[0], planned.run_dir
    try:
        probe_folder(run_dir)
    except errors.RunError as problem:
        yield str(problem)
    passing = (*_PASSING, f"{tempfile.gettempdir()}/")
    if any(part in program for part in passing):
        yield f"{program} may not stay where it is; install batchgen with pipx, or into a folder that stays"
    if systemd and any(str(run_dir.absolute()).startswith(part) for part in passing[1:]):
        yield f"{run_dir} is below a folder for temporary files, which the service does not see"


def _of_mail(planned: Planned, environ: Mapping[str, str]) -> Iterator[str]:
    heard = shutil.which("sendmail", path=_MAILERS) or planned.log_file or environ.get(ping.VARIABLE)
    if not heard:
        yield (
            "cron mails what a run says (to MAILTO, else to you), and there is no sendmail here: add --log-file FILE, "
            f"or a line {ping.VARIABLE}=https://... for a monitor"
        )
