"""Everything that can go wrong, by how far it reaches.

    BatchgenError
    ├── AttemptError              this attempt only; the job goes on
    │   ├── Refused               the POST was certainly not taken; may be sent again
    │   ├── Ambiguous             the POST may have been taken; never sent again by itself
    │   └── Transient             a GET brought no usable answer; ask again
    ├── JobError                  this job fails; the others go on
    │   ├── Rejected              a clear no to the POST
    │   ├── ModelRejected         the same, and it holds for every job of the model
    │   ├── InputError            an input file is not what it was; nothing was sent
    │   ├── Forbidden             not yours: an item's failure, or a bad token when nothing was accepted yet
    │   ├── Gone                  404 or 410 for a request the server once accepted
    │   ├── LinkExpired           an output's URL no longer works; the result may name a fresh one
    │   └── FileError             an output cannot be fetched, or is not what it should be
    └── RunError                  the run ends, or never starts
        ├── UsageError            the command line asks for something that cannot be
        ├── ManifestError         every problem found in the user's files, each with its place
        ├── LedgerError           the ledger cannot be read, or not by this version
        ├── DiskError             something could not be made durable
        ├── LockedError           another run holds the directory
        ├── TokenError            no token, or the API does not take it
        ├── BalanceError          the account is empty
        └── UnavailableError      nobody answers, or nothing the API says can be trusted

Attempt and job errors carry an `ErrorInfo`, which is what the ledger keeps. Exit codes are not decided here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_MESSAGE = 2048
"""How much of a foreign message is kept, in characters."""


class Stage(StrEnum):
    """Where on a job's way it failed. In `OUTPUT` and `FILE` the server had succeeded: collect, never POST."""

    INPUT = "input"
    SUBMIT = "submit"
    RUN = "run"
    OUTPUT = "output"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """One error as the ledger keeps it.

    `kind` is a stable word to select by; `message` is for people and keeps the server's own words, already
    made safe for a terminal; `code` is the API's `error_code`.
    """

    kind: str
    stage: Stage
    message: str
    code: int | None = None
    http_status: int | None = None


class BatchgenError(Exception):
    """Base of every error batchgen raises on purpose."""


class AttemptError(BatchgenError):
    """Concerns one attempt or one read of it.

    `retry_after` is the server's wish in seconds, if it had one.
    """

    def __init__(self, info: ErrorInfo, retry_after: float | None = None) -> None:
        super().__init__(info.message)
        self.info = info
        self.retry_after = retry_after


class Refused(AttemptError):
    """The server certainly did not take the POST: it never got there, or it was a real 429.

    `reached` tells whether somebody answered at all.
    """

    def __init__(self, info: ErrorInfo, retry_after: float | None = None, *, reached: bool = True) -> None:
        super().__init__(info, retry_after)
        self.reached = reached


class Ambiguous(AttemptError):
    """Bytes of the POST may have left and no clear answer came back."""


class Transient(AttemptError):
    """A GET failed in a way that says nothing about the request asked for.

    `reached` tells whether somebody answered at all.
    """

    def __init__(self, info: ErrorInfo, retry_after: float | None = None, *, reached: bool = True) -> None:
        super().__init__(info, retry_after)
        self.reached = reached


class JobError(BatchgenError):
    """Ends a job, and no other."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message)
        self.info = info


class Rejected(JobError):
    """The server said a clear no to this POST."""


class ModelRejected(JobError):
    """The server does not know the model, or not by this name."""


class InputError(JobError):
    """A local input file is gone, or no longer what it was when the job was planned: nothing was sent."""


class Forbidden(JobError):
    """The server understood and refuses access."""


class Gone(JobError):
    """The server does not know the request (any more)."""


class LinkExpired(JobError):
    """The file host no longer serves an output's URL (403, 404 or 410)."""


class FileError(JobError):
    """An output is not to be had, or not what it should be; `again` tells whether trying again may help."""

    def __init__(self, info: ErrorInfo, *, again: bool = False) -> None:
        super().__init__(info)
        self.again = again


class RunError(BatchgenError):
    """Ends the run, or keeps it from starting."""


class UsageError(RunError):
    """The command line, or the environment, asks for something that cannot be."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a user's file: where it is, what is wrong, and what would be right.

    `line` and `column` count from 1; 0 means that the place is the whole file (or an option of the command line).
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return printable(f"{place}: {self.message}" + (f"; {self.hint}" if self.hint else ""))


class ManifestError(RunError):
    """The user's files have mistakes: all that were found, in the order of their places."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class LedgerError(RunError):
    """The ledger has damage that is not a crash's torn end, or is written by a newer version."""


class DiskError(RunError):
    """A write, fsync, rename or lock failed: full, read-only, or broken."""


class LockedError(RunError):
    """Another process holds the run directory."""


class TokenError(RunError):
    """There is no token, or the API refuses it."""


class BalanceError(RunError):
    """The account has no balance left."""


class UnavailableError(RunError):
    """The API cannot be reached, or answers in a way that no decision may rest on."""


def printable(text: str, limit: int = MAX_MESSAGE) -> str:
    """Return foreign text made safe for a terminal and a log: no control, bidirectional or unassigned characters.

    Line breaks and tabs become spaces, everything else of Unicode's category C becomes U+FFFD, and what is longer
    than `limit` characters ends in an ellipsis.
    """
    # Cut first: a server may say megabytes, and each character is looked at.
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return shown if shown.isprintable() else "".join(map(_printable_character, shown))


def _printable_character(character: str) -> str:
    if character in "\n\r\t\x0b\x0c\x85\u2028\u2029":
        return " "
    return "\ufffd" if unicodedata.category(character).startswith("C") else character
