"""The exit codes: the one table, and the code of an error. `verdict` chooses the one that a run ends with."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from batchgen import errors


class ExitCode(IntEnum):
    """What a scheduler may act on. Between 64 and 77 the words are those of sysexits.h."""

    OK = 0
    SOME_FAILED = 1
    LIMIT = 3
    UNKNOWN = 4
    BALANCE = 5
    USAGE = 64
    DATA = 65
    UNAVAILABLE = 69
    CANNOT_WRITE = 73
    LOCKED = 75
    TOKEN = 77
    HANGUP = 129
    INTERRUPT = 130
    TERMINATED = 143


MEANING: Mapping[ExitCode, str] = {
    ExitCode.OK: "all done",
    ExitCode.SOME_FAILED: "finished, some failed, lost or cancelled",
    ExitCode.LIMIT: "stopped at a limit you set; the same command goes on (raise a cost limit first)",
    ExitCode.UNKNOWN: "unknown submissions need a decision",
    ExitCode.BALANCE: "out of balance; top up, then the same command goes on",
    ExitCode.USAGE: "the command line cannot be meant like this",
    ExitCode.DATA: "the manifest or other data is missing or wrong",
    ExitCode.UNAVAILABLE: "the API is unavailable, or nothing comes of what is sent; the same command goes on",
    ExitCode.CANNOT_WRITE: "something cannot be written; mend it, then the same command goes on",
    ExitCode.LOCKED: "another run holds the directory (with `--if-running skip`: 0)",
    ExitCode.TOKEN: "no token, or the API refuses it",
    ExitCode.HANGUP: "ended by SIGHUP; the same command goes on",
    ExitCode.INTERRUPT: "ended by SIGINT (Ctrl-C); the same command goes on",
    ExitCode.TERMINATED: "ended by SIGTERM; the same command goes on",
}
"""The README's table is held against this one by a test."""

GOES_ON = frozenset({ExitCode.OK, ExitCode.LIMIT})
"""What a scheduler, which sees the code alone, takes for success: nothing is wrong, and the next run goes on."""

_OF_ERROR: Mapping[type[errors.RunError], ExitCode] = {
    errors.UsageError: ExitCode.USAGE,
    errors.ManifestError: ExitCode.DATA,
    errors.LedgerError: ExitCode.DATA,
    errors.DiskError: ExitCode.CANNOT_WRITE,
    errors.LockedError: ExitCode.LOCKED,
    errors.TokenError: ExitCode.TOKEN,
    errors.BalanceError: ExitCode.BALANCE,
    errors.UnavailableError: ExitCode.UNAVAILABLE,
}


def code_of_error(error: errors.RunError) -> ExitCode:
    """Return the code for an error that kept a command from its work.

    Mistakes in options are found together with those in the manifest; alone they are usage.
    """
    if isinstance(error, errors.ManifestError) and all(problem.file.startswith("--") for problem in error.problems):
        return ExitCode.USAGE
    return _OF_ERROR[type(error)]
