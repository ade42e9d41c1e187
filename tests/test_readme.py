"""The README says what the code does: its tables, its command lines, its examples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import click
import pytest
from support.command_lines import batchgen_commands, parse

from batchgen.catalog import schema
from batchgen.cli import assemble, ping
from batchgen.cli.exit_codes import MEANING
from batchgen.cli.main import cli
from batchgen.events import EVENTS, Event, JobEvent, from_record, to_record
from batchgen.manifest import keys, sections, tables
from batchgen.manifest.loader import load
from batchgen.manifest.overrides import Overrides
from batchgen.runcomfy import base, token
from batchgen.sandbox import SandboxConfig, faults, profiles, runs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)

FIRST_RUN = (
    "python3 -m venv .venv && .venv/bin/pip install . && "
    ".venv/bin/batchgen run sample_manifests/quickstart.yaml --sandbox"
)
TESTS = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest"

_VALUES = {
    "directory": "FOLDER",
    "duration": "DURATION",
    "file": "FILE",
    "float": "NUMBER",
    "integer": "N",
    "integer range": "N",
    "path": "PATH",
    "text": "TEXT",
    "usd": "USD",
}


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; `head` names the columns."""
    columns = head.split(",")
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def commands() -> str:
    """Return the table of commands."""
    return table(
        "command,does", ((f"`{_usage(command)}`", command.short_help or "") for command in cli.commands.values())
    )


def _usage(command: click.Command) -> str:
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    return " ".join([str(command.name), *(f"{_name(one)}{'...' if one.nargs < 0 else ''}" for one in arguments)])


def _name(argument: click.Argument) -> str:
    name = str(argument.name).upper()
    return argument.metavar or (name if argument.required else f"[{name}]")


def options_of(command: click.Command) -> Iterator[click.Option]:
    """Yield the options of a command, without `--help`."""
    yield from (param for param in command.params if isinstance(param, click.Option))


def flags() -> str:
    """Return the table of every option of every command but the sandbox's, with the commands that take it."""
    takers: dict[tuple[str, str, str], list[str]] = {}
    for name, command in cli.commands.items():
        if name != "sandbox":
            for option in options_of(command):
                default = f" Default: `{option.default}`." if option.show_default else ""
                takers.setdefault((_flag(option), _value(option), f"{option.help}{default}"), []).append(f"`{name}`")
    return table(
        "flag,value,commands,meaning",
        ((flag, value, ", ".join(names), text) for (flag, value, text), names in takers.items()),
    )


def sandbox_flags() -> str:
    """Return the table of the sandbox's options with their defaults."""
    config = SandboxConfig()
    rows = (
        (_flag(option), _value(option), _default(option, getattr(config, str(option.name), None)), str(option.help))
        for option in options_of(cli.commands["sandbox"])
    )
    return table("flag,value,default,meaning", rows)


def _flag(option: click.Option) -> str:
    return ", ".join(f"`{name}`" for name in option.opts)


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return ", ".join(f"`{choice}`" for choice in option.type.choices)
    return f"`{option.metavar or _VALUES[option.type.name]}`"


def _default(option: click.Option, value: object) -> str:
    if isinstance(value, float):
        return f"`{value / 86400:g}d`" if option.type.name == "duration" else f"`{value:g}`"
    return "" if value is None else f"`{value}`"


def exit_codes() -> str:
    """Return the table of exit codes."""
    return table("code,meaning", ((f"{code.value}", meaning) for code, meaning in MEANING.items()))


def events_table() -> str:
    """Return the table of events: when each is written, and what it holds beside what all hold."""
    return table(
        "event,when,also holds", ((f"`{word}`", _first_line(kind), _own(kind)) for word, kind in EVENTS.items())
    )


def _first_line(kind: type[Event]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _own(kind: type[Event]) -> str:
    common = {one.name for one in fields(JobEvent)}
    return ", ".join(f"`{one.name}`" for one in fields(kind) if one.name not in common)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "manifest keys": keys.markdown_table,
    "commands": commands,
    "flags": flags,
    "exit codes": exit_codes,
    "events": events_table,
    "sandbox flags": sandbox_flags,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_table_of_the_readme_is_the_one_in_the_code(name: str) -> None:
    expected = BLOCKS[name]()
    found = re.search(f"<!-- {name} -->\n(.*?)<!-- end -->\n", README, re.DOTALL)

    assert found is not None
    assert found[1] == expected, f"between the marks of {name!r} in README.md belongs:\n\n{expected}"


def test_the_two_commands_of_a_fresh_machine_stand_there_and_in_ci() -> None:
    steps = {step for line in (FIRST_RUN, TESTS) for step in line.split(" && ")}
    ci = (ROOT / ".ci/run").read_text("utf-8")

    assert f"\n{FIRST_RUN}\n" in README
    assert f"\n{TESTS}\n" in README
    assert {step for step in steps if step not in ci} == set()


def test_what_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def command_lines() -> list[str]:
    """Return every line of the README's blocks, and all code within lines, that calls batchgen."""
    lines = [line for _, block in FENCES for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE))
    return [text for text in (*lines, *inline) if re.search(r"(^|[ /])batchgen [a-z]", text)]


@pytest.mark.parametrize("line", command_lines())
def test_a_command_line_of_the_readme_is_one_that_the_program_takes(line: str) -> None:
    calls = batchgen_commands(line)

    assert calls
    for arguments in calls:
        parse(arguments)


def test_the_example_manifest_is_sound(tmp_path: Path) -> None:
    (example,) = (block for kind, block in FENCES if kind == "yaml")
    (tmp_path / "autumn.yaml").write_text(example, "utf-8")

    manifest = load(tmp_path / "autumn.yaml", Overrides(), schema.bundled)

    assert manifest.warnings == ()
    assert f"makes {len(list(manifest.jobs()))} pictures" in README


def test_the_example_lines_of_the_ledger_are_events() -> None:
    records = [json.loads(line) for kind, block in FENCES if kind == "json" for line in block.splitlines()]

    assert records
    for record in records:
        event = from_record(record)
        assert event is not None
        assert to_record(event) == record


def test_the_jq_lines_read_fields_that_events_have() -> None:
    known = {one.name for kind in EVENTS.values() for one in fields(kind)}
    known |= {"event", "path", "kind", "message", "usd"}
    lines = [line for _, block in FENCES for line in block.splitlines() if line.startswith("jq ")]

    assert lines
    assert {name for line in lines for name in re.findall(r"\.([a-z_]+)", line.rpartition("'")[0])} <= known


@pytest.mark.parametrize(
    "word",
    [
        *token.VARIABLES,
        base.VARIABLE,
        token.CREDENTIAL,
        token.CREDENTIALS_FOLDER,
        ping.VARIABLE,
        assemble.BUDGET,
        *sections.NAME_FIELDS,
        *tables.SUFFIXES,
        *schema.bundled_ids(),
        *profiles.profiles(),
        *faults.ENDPOINTS,
        *faults.ACTIONS,
        runs.FAIL_MARK,
        runs.MODERATED_MARK,
    ],
)
def test_the_readme_names_what_the_program_knows(word: str) -> None:
    assert re.search(rf"`{{?{re.escape(word)}}}?`", README)
