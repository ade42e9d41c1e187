"""Command lines as documents show them, held against the program's own parser without running anything."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath

from batchgen.cli.main import cli

_BEFORE = re.compile(r"[A-Z][A-Z0-9_]*=.*|exec|uvx|--from|pipx|run|--spec|\.")
"""What may stand before the program's name: variables, exec, and how pipx and uv run a checkout."""


def batchgen_commands(text: str) -> list[list[str]]:
    """Return the arguments of every batchgen call in a line of shell; comments are left out."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    calls: list[list[str]] = [[]]
    for token in lexer:
        if token in ("&&", "||", ";", "|"):
            calls.append([])
        else:
            calls[-1].append(token)
    return [found for call in calls if (found := _arguments(call)) is not None]


def _arguments(call: list[str]) -> list[str] | None:
    for number, token in enumerate(call):
        if PurePath(token).name == "batchgen":
            return call[number + 1 :]
        if not _BEFORE.fullmatch(token):
            return None
    return None


def parse(arguments: list[str]) -> None:
    """Parse the arguments as the program would. Raises KeyError or click.ClickException where they cannot be."""
    name, *rest = arguments
    cli.commands[name].make_context(name, rest)
