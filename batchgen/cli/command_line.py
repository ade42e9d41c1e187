"""Command lines as text: what was typed, and what may be typed next."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchgen.report.summary import Commands

_ONCE = {"--retry-failed": 0, "--retry": 1, "--on-unknown": 1, "--dry-run": 0}
"""Options that decide about one run, with how many words follow them: not offered again by themselves."""

_UNTOLD = {"--ping": 1}
"""Options kept out of the ledger and of what is offered: who knows a monitor's address can speak to it."""


def typed(argv: Sequence[str] | None = None) -> str:
    """Return the command line as it was typed, ready to be typed again, but for what is nobody else's to know."""
    return shlex.join([program(), *_without(_UNTOLD, (sys.argv if argv is None else argv)[1:])])


def program() -> str:
    """Return what to type for batchgen itself: its name where the shell finds it by that, else where it is."""
    import shutil  # With three compressors, which most commands do without.

    here = Path(sys.argv[0])
    if here.name == "__main__.py":
        return "batchgen"
    found = shutil.which(here.name)
    return here.name if found and Path(found).resolve() == here.resolve() else str(here)


def lasting(command: str) -> str:
    """Return a command line without the options that decide about one run alone; empty for what is none."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    return shlex.join(_without(_ONCE, words))


def _without(options: Mapping[str, int], words: Iterable[str]) -> Iterator[str]:
    """Yield the words that are none of these options, nor one of the words that follow them."""
    skip = 0
    for word in words:
        option, equals, _ = word.partition("=")
        if skip:
            skip -= 1
        elif option in options:
            skip = 0 if equals else options[option]
        else:
            yield word


def with_words(command: str, *words: str) -> str:
    """Return a command line that has no say yet about retrying, with `words` after it; empty for none."""
    kept = lasting(command)
    return f"{kept} {shlex.join(words)}" if kept else ""


def offers(resume: str, run: str, run_dir: str) -> Commands:
    """Return the command lines that act on what a run leaves behind.

    `resume` goes on with what was typed; `run` is the command line of the directory's last `run`, empty if unknown.
    """
    from batchgen.report.summary import Commands

    folder = shlex.quote(run_dir)
    return Commands(
        resume=resume,
        fetch=f"{program()} fetch {folder}",
        retry=with_words(run, "--retry-failed"),
        resubmit=with_words(run, "--on-unknown", "resubmit"),
        attach=f"{program()} attach {folder} JOB REQUEST_ID",
        settle=f"{program()} settle {folder} JOB... --not-sent",
    )
