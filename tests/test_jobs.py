"""The scheduled jobs call the program as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.command_lines import batchgen_commands, parse

from batchgen.cli.exit_codes import MEANING

JOBS = Path(__file__).parent.parent / "jobs"
FIELD = r"[\d*,/-]+"


def entries(path: Path) -> list[str]:
    """Return the commands of a crontab: what follows the five fields of time."""
    lines = path.read_text("utf-8").splitlines()
    entry = re.compile(rf"(?:{FIELD}\s+){{5}}(.+)")
    rest = [line for line in lines if line and not line.startswith("#") and not re.match(r"[A-Z]+=", line)]
    found = [match[1] for line in rest if (match := entry.fullmatch(line))]
    assert len(found) == len(rest)
    return found


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.crontab")), ids=lambda path: path.name)
def test_every_line_of_a_crontab_is_a_quiet_call_that_the_program_takes(path: Path) -> None:
    commands = entries(path)

    assert commands
    for command in commands:
        (arguments,) = batchgen_commands(command)
        parse(arguments)
        assert "%" not in command
        assert "-q" in arguments
        assert re.search(r"(?<!\S)(?!/)\S*/", command) is None, "a path that is not absolute"


def test_every_file_is_explained() -> None:
    text = (JOBS / "README.md").read_text("utf-8")

    assert [path.name for path in JOBS.iterdir() if path.name != "README.md" and path.name not in text] == []


def test_exit_codes_for_schedules_are_real_ones() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", (JOBS / "README.md").read_text("utf-8"), re.MULTILINE)

    assert rows
    assert {int(code) for row in rows for code in row.split(",")} <= {code.value for code in MEANING}
