"""The only place that writes to the user: messages to standard error, results to standard output.

What a terminal may act on never gets there, whoever made the line and forgot about it: see `harmless` and `json_text`.
A closed standard error never ends a run. A closed standard output ends only the command that has nothing else to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

from batchgen import errors


def say(*lines: str) -> None:
    """Write message lines to standard error, as far as there still is one."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write("".join(f"{harmless(line)}\n" for line in lines))
        sys.stderr.flush()


def complain(error: errors.BatchgenError) -> None:
    """Say what kept a command from its work: each problem of a manifest on its own line."""
    if isinstance(error, errors.ManifestError):
        say(*map(str, error.problems))
    else:
        say(f"batchgen: {errors.printable(str(error))}")


def show(lines: Iterable[str]) -> None:
    """Write lines to standard output."""
    _write("".join(f"{harmless(line)}\n" for line in lines))


def show_json(content: Mapping[str, object]) -> None:
    """Write the one JSON object of a `--json` command to standard output."""
    _write(json_text(content) + "\n")


def harmless(text: str) -> str:
    """Return text with nothing in it but its own line breaks that a terminal could act on; nothing is cut."""
    return "\n".join(errors.printable(line, len(line)) for line in text.split("\n"))


def json_text(content: Mapping[str, object]) -> str:
    """Return JSON in which everything that a terminal could act on, or that has no UTF-8, stands escaped."""
    text = json.dumps(content, ensure_ascii=False)
    return text if text.isprintable() else "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else json.dumps(character)[1:-1]


def _write(text: str) -> None:
    if sys.stdout is None:  # Closed at start.
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon(sys.stdout)


def flushed(code: int) -> int:
    """Empty both standard streams and return the exit code: what can no longer be said must not change it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            _abandon(stream)
    return code


def _abandon(stream: TextIO) -> None:
    """Point a stream that nobody reads at nothing, lest the interpreter complain about it at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
