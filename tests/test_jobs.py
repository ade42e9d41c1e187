"""The scheduled jobs are what `batchgen schedule` makes, and call the program as it is."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.command_lines import batchgen_commands, parse
from support.needs import needs

from batchgen.cli import schedule_times
from batchgen.cli.exit_codes import MEANING
from batchgen.cli.schedule_files import Call, Service, crontab_line, service_text, timer_text

JOBS = Path(__file__).parent.parent / "jobs"
README = (JOBS / "README.md").read_text("utf-8")
ANALYZE = "systemd-analyze"

FOLDER = Path("/home/you/pictures")
NIGHTLY = schedule_times.daily("02:10")
LIMITS = ("--max-cost", "5", "--max-time", "4h")
LOG = ("--log-file", f"{FOLDER}/autumn.log")


def call(word: str, *more: str) -> Call:
    """Return the call of a command on the example's manifest."""
    return Call(("/home/you/.local/bin/batchgen",), (word, f"{FOLDER}/autumn.yaml", *more))


def nightly() -> str:
    """Return the line that makes what is new every night."""
    return f"{crontab_line(NIGHTLY.cron, call('run', '-q', '--if-running', 'skip', *LIMITS, *LOG))}\n"


def hourly() -> str:
    """Return the line that collects every hour."""
    times = schedule_times.hourly().cron
    return f"{crontab_line(times, call('fetch', '-q', '--if-running', 'skip', *LOG))}\n"


SERVICE = Service(
    "batchgen-autumn",
    "batchgen: make the pictures of autumn",
    call("run", "--if-running", "skip", *LIMITS),
    "you",
    FOLDER,
    (FOLDER,),
    Path("/home/you/.config/runcomfy/token.json"),
)

MADE: Mapping[str, Callable[[], str]] = {
    "nightly.crontab": nightly,
    "hourly-fetch.crontab": hourly,
    "batchgen-autumn.service": lambda: service_text(SERVICE),
    "batchgen-autumn.timer": lambda: timer_text(SERVICE, NIGHTLY.words, NIGHTLY.calendar()),
}


def without_comment(text: str) -> str:
    """Return a file without the comment it begins with."""
    return re.sub(r"\A(#.*\n|\n)*", "", text)


@pytest.mark.parametrize("name", MADE)
def test_a_job_is_what_schedule_makes(name: str) -> None:
    expected = MADE[name]()
    assert without_comment((JOBS / name).read_text("utf-8")) == expected, f"in jobs/{name} belongs:\n\n{expected}"


def test_every_job_is_made_by_schedule_and_explained() -> None:
    assert {path.name for path in JOBS.iterdir()} == {*MADE, "README.md"}
    assert [name for name in MADE if f"## {name}" not in README and f"`{name}`" not in README] == []


@pytest.mark.parametrize("name", [name for name in MADE if not name.endswith(".timer")])
def test_a_job_is_a_call_that_the_program_takes(name: str) -> None:
    text = (JOBS / name).read_text("utf-8")
    (command,) = re.findall(r"^(?:ExecStart=|[^#\n]*\*  )(\S+ (?:run|fetch) .*)$", text, re.MULTILINE)
    (arguments,) = batchgen_commands(command)

    parse(arguments)
    assert re.search(r"(?<!\S)(?!/)\S*/", command) is None, "a path that is not absolute"


@needs(ANALYZE)
def test_systemd_finds_nothing_wrong_but_that_you_are_not_here(tmp_path: Path) -> None:
    program = tmp_path / "batchgen"
    program.symlink_to("/bin/true")
    for name in ("batchgen-autumn.service", "batchgen-autumn.timer"):
        text = (JOBS / name).read_text("utf-8").replace(SERVICE.call.program[0], str(program))
        (tmp_path / name).write_text(text.replace("User=you", "User=daemon"), "utf-8")
    units = sorted(map(str, tmp_path.glob("batchgen-*")))
    verified = subprocess.run([ANALYZE, "verify", *units], capture_output=True, text=True, check=False)

    assert (verified.returncode, verified.stderr) == (0, "")


def test_exit_codes_for_schedules_are_real_ones() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE)

    assert {int(code) for row in rows for code in row.split(",")} == {
        code.value for code in MEANING if code < 129 or code == 143
    }


def test_what_the_jobs_page_says_of_batchgen_is_taken_by_the_program() -> None:
    blocks = re.findall(r"^```\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("batchgen ")]

    assert lines
    for line in lines:
        for arguments in batchgen_commands(line):
            parse(arguments)
