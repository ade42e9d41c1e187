"""What a newcomer leans on before the first run: help pages with examples, suggestions for typos, shell completion."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from support.command_lines import batchgen_commands, parse

from batchgen.catalog import schema
from batchgen.cli.main import cli

LINE = re.compile(r"^ +(batchgen .*?)(?: {2,}\(.*\))?$", re.MULTILINE)


def help_of(*command: str) -> str:
    """Return a help page."""
    return CliRunner().invoke(cli, [*command, "--help"], prog_name="batchgen").output


@pytest.mark.parametrize("name", cli.commands)
def test_the_help_of_every_command_shows_an_example_that_the_program_takes(name: str) -> None:
    examples = LINE.findall(help_of(name))

    assert examples, f"{name} --help shows no example"
    for example in examples:
        (arguments,) = batchgen_commands(example)
        assert arguments[0] == name
        parse(arguments)


@pytest.mark.parametrize("name", cli.commands)
def test_every_command_and_every_option_says_what_it_is_for(name: str) -> None:
    command = cli.commands[name]
    silent = [param.name for param in command.params if isinstance(param, click.Option) and not param.help]

    assert command.short_help
    assert silent == []
    assert name in help_of()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["run", "m.yaml", "--modle", "x"], "--model"),
        (["run", "m.yaml", "--max-costs", "5"], "--max-cost"),
        (["plan", "m.yaml", "--refresh-schemas"], "--refresh-schema"),
        (["models", "--serach", "x"], "--search"),
        (["doctor", "--jsno"], "--json"),
    ],
)
def test_a_mistake_in_an_options_name_gets_a_suggestion(typed: list[str], meant: str) -> None:
    ended = CliRunner().invoke(cli, typed)

    assert ended.exit_code == 2, "the program makes 64 of it"
    assert "No such option" in ended.output
    assert meant in ended.output.partition("No such option")[2]


def completions(folder: Path, *words: str) -> list[str]:
    """Return what the program offers bash for the last of these words, by type: "plain,..." or "file,"."""
    line = " ".join(["batchgen", *words])
    environment = {
        **os.environ,
        "_BATCHGEN_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words)),
        "RUNCOMFY_MODEL_API_BASE": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "batchgen"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("mod",), ["plain,models"]),
        (("run", "m.yaml", "--refr"), ["plain,--refresh-schema"]),
        (("run", "m.yaml", "--model", "google"), [f"plain,{one}" for one in schema.bundled_ids()]),
        (("models", "google"), [f"plain,{one}" for one in schema.bundled_ids()]),
        (("run", "m.yaml", "--on-interrupt", "d"), ["plain,drain"]),
    ],
)
def test_completion_knows_commands_options_and_models_without_a_network(
    tmp_path: Path, words: tuple[str, ...], offered: list[str]
) -> None:
    assert completions(tmp_path, *words) == offered


@pytest.mark.parametrize("words", [("run", "aut"), ("status", "runs/a"), ("doctor", "aut"), ("plan", "m", "-o", "ru")])
def test_manifests_and_run_directories_are_completed_as_paths(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert [one.split(",")[0] for one in completions(tmp_path, *words)] == ["file"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing")
def test_the_script_for_bash_is_one_that_bash_takes(tmp_path: Path) -> None:
    environment = {**os.environ, "_BATCHGEN_COMPLETE": "bash_source"}
    script = subprocess.run(
        [sys.executable, "-m", "batchgen"], env=environment, capture_output=True, text=True, check=True
    ).stdout

    sourced = subprocess.run(
        ["bash", "--norc", "-c", 'eval "$1"; complete -p batchgen', "bash", script],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "batchgen" in sourced.stdout
