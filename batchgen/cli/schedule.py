"""`batchgen schedule`: a manifest's crontab line, or its systemd service and timer, from what is running here."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from batchgen import errors
from batchgen.cli import assemble, console, place, schedule_remarks, schedule_times
from batchgen.cli.choice import load_manifest
from batchgen.cli.schedule_files import Call, Planned, Service, crontab_line, service_text, timer_text, unit_name
from batchgen.cli.schedule_times import Times
from batchgen.ledger.files import trouble
from batchgen.runcomfy import base, token

CARRIED = (base.VARIABLE, assemble.BUDGET, "RUNCOMFY_CONFIG_DIR", "XDG_CONFIG_HOME")
"""Variables that decide here and that a scheduler does not have: they go along, since none is secret."""

_LIMITS = ("max_cost", "max_jobs", "max_time")


def schedule(manifest: Path, commands: Mapping[str, click.Command], given: Mapping[str, Any]) -> None:
    """Print what is to be installed, or write it into a folder; say on standard error what may keep it from working.

    `commands` read the options that are passed on. Raises UsageError, ManifestError and DiskError.
    """
    if manifest == Path("-"):
        raise errors.UsageError("a schedule needs a manifest that stays where it is: name a file, not -")
    planned = _planned(_settled(manifest), commands, given)
    files = _units(planned) if given["systemd"] else _crontab(planned, given)
    if given["output"] is None:
        console.show(f"# {name}\n{text}" if given["systemd"] else text.rstrip("\n") for name, text in files.items())
    else:
        _write(given["output"], files)
    remarks = schedule_remarks.remarks(planned, os.environ, systemd=given["systemd"])
    console.say(*(f"warning: {errors.printable(one)}" for one in remarks), *_next_steps(planned, given))


def _planned(manifest: Path, commands: Mapping[str, click.Command], given: Mapping[str, Any]) -> Planned:
    times = _times(given)
    word = "fetch" if given["fetch"] else "run"
    arguments = [word, str(manifest), *_manner(given), *given["run_options"]]
    parsed = commands[word].make_context(word, arguments[1:]).params
    for name in ("output_dir", "log_file"):
        if (path := parsed.get(name)) is not None and not path.is_absolute():
            raise errors.UsageError(f"{path} would be looked for elsewhere by a schedule; write {path.absolute()}")
    if given["fetch"]:
        run_dir, is_limited = place.of_manifest(manifest), True
    else:
        loaded = load_manifest(assemble.choice(manifest, parsed))
        run_dir = loaded.place.path
        is_limited = assemble.budget(loaded.manifest.limits, os.environ) is not None
    carried = {variable: value for variable in CARRIED if (value := os.environ.get(variable))}
    call = Call(_program(), tuple(arguments), carried)
    return Planned(manifest.stem, times, call, manifest, run_dir, given["fetch"], is_limited, parsed["log_file"])


def _times(given: Mapping[str, Any]) -> Times:
    """Return when, by the one option that says so. Raises UsageError."""
    chosen = [name for name in ("daily", "hourly", "weekly", "cron") if given[name]]
    if len(chosen) != 1:
        raise errors.UsageError("say when, once: --daily HH:MM, --hourly, --weekly DAY HH:MM or --cron FIELDS")
    try:
        match chosen[0]:
            case "daily":
                return schedule_times.daily(given["daily"])
            case "hourly":
                return schedule_times.hourly()
            case "weekly":
                return schedule_times.weekly(*given["weekly"])
        return schedule_times.crontab(given["cron"])
    except ValueError as problem:
        raise errors.UsageError(f"--{chosen[0]}: {problem}") from None


def _manner(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a schedule runs: beside no other run, within the limits, and quietly where words become mail."""
    if not given["systemd"]:
        yield "-q"
    yield from ("--if-running", "skip")
    for name in _LIMITS:
        if given[name] is not None:
            yield from (f"--{name.replace('_', '-')}", str(given[name]))
    if given["log_file"] is not None:
        yield from ("--log-file", str(given["log_file"].absolute()))


def _program() -> tuple[str, ...]:
    """Return the batchgen that is running, as a schedule can start it."""
    here = Path(sys.argv[0])
    if here.name == "__main__.py":
        return sys.executable, "-m", "batchgen"
    return (str(_settled(here)),)


def _settled(path: Path) -> Path:
    """Return an absolute path without `..`; a link itself, such as pipx makes and moves, is kept."""
    return path.parent.resolve() / path.name


def _crontab(planned: Planned, given: Mapping[str, Any]) -> dict[str, str]:
    name = unit_name(planned.name, fetch=planned.is_fetch)
    return {f"{name}.crontab": f"{_heading(planned)}{crontab_line(planned.times.cron, planned.call)}\n"}


def _heading(planned: Planned) -> str:
    does = "collect what is paid for" if planned.is_fetch else "make what is asked for and not there yet"
    return f"# {errors.printable(planned.manifest.name)}, {planned.times.words}: {does}\n"


def _units(planned: Planned) -> dict[str, str]:
    name = unit_name(planned.name, fetch=planned.is_fetch)
    service = Service(
        name,
        f"batchgen: {'collect' if planned.is_fetch else 'make'} the pictures of {name.removeprefix('batchgen-')}",
        planned.call,
        _user(),
        planned.manifest.parent,
        tuple(_writable(planned)),
        _token_file(os.environ),
    )
    timer = timer_text(service, planned.times.words, planned.times.calendar())
    return {f"{name}.service": service_text(service), f"{name}.timer": timer}


def _user() -> str:
    """Return whose service it is, by number where the number has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _writable(planned: Planned) -> Iterator[Path]:
    """Yield what must be writable and is there: the run directory, or where it is to be made; the log's folder."""
    run_dir = planned.run_dir.absolute()
    yield next(path for path in (run_dir, *run_dir.parents) if path.exists())
    if planned.log_file is not None:
        yield planned.log_file.parent


def _token_file(environ: Mapping[str, str]) -> Path:
    """Return the official tool's token file, or where it belongs."""
    known = [path for path in token.files(environ) if path.name != token.CREDENTIAL]
    return next((path for path in known if path.exists()), (known or [Path("/etc/batchgen/token.json")])[0])


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files, none over another one that is there. Raises UsageError and DiskError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = [name for name in files if (folder / name).exists()]
        if there:
            raise errors.UsageError(f"{folder / there[0]} exists and is left as it is; remove it, or name another -o")
        for name, text in files.items():
            with (folder / name).open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise trouble("write the file", folder, error) from error


def _next_steps(planned: Planned, given: Mapping[str, Any]) -> list[str]:
    name = unit_name(planned.name, fetch=planned.is_fetch)
    folder = given["output"] or Path()
    if not given["systemd"]:
        lines = f"cat {shlex.quote(str(folder / f'{name}.crontab'))}" if given["output"] else "the lines above"
        added = f"(crontab -l; {lines}) | crontab -" if given["output"] else f"crontab -e, and add {lines}"
        return [f"to install: {added}"]
    units = " ".join(shlex.quote(str(folder / f"{name}.{kind}")) for kind in ("service", "timer"))
    return [
        *([] if given["output"] else ["to write both files: -o FOLDER"]),
        f"to install: sudo cp {units} /etc/systemd/system/ && sudo systemctl daemon-reload"
        f" && sudo systemctl enable --now {name}.timer",
        f"to look: systemctl list-timers {name}.timer; journalctl -u {name}.service",
    ]
