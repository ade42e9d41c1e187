"""The exit codes: the one table, and the rules that choose among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from batchgen import errors
from batchgen.engine.cause import Cause, Why
from batchgen.state import State


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

_OF_CAUSE: tuple[tuple[Why, ExitCode], ...] = (
    (Why.TOKEN, ExitCode.TOKEN),
    (Why.BALANCE, ExitCode.BALANCE),
    (Why.DISK, ExitCode.CANNOT_WRITE),
    (Why.UNAVAILABLE, ExitCode.UNAVAILABLE),
    (Why.FAILING, ExitCode.UNAVAILABLE),
    (Why.SIGNAL, ExitCode.INTERRUPT),
    (Why.MAX_COST, ExitCode.LIMIT),
    (Why.MAX_JOBS, ExitCode.LIMIT),
    (Why.MAX_TIME, ExitCode.LIMIT),
    (Why.WAIT, ExitCode.LIMIT),
)
"""Why a run stopped, the gravest first."""

_GOES_ON = frozenset({Why.MAX_TIME, Why.MAX_JOBS, Why.WAIT})
"""Limits that the next run simply goes on from. A cost limit holds until a person raises it."""

GOES_ON = frozenset({ExitCode.OK, *(code for why, code in _OF_CAUSE if why in _GOES_ON)})
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended: its exit code, the reason in a word for programs, and in a sentence for people."""

    code: int
    reason: str
    sentence: str

    @property
    def is_expected(self) -> bool:
        """Whether no person is needed: all done, or stopped at a limit that the next run simply goes on from."""
        return self.code == ExitCode.OK or self.reason in _GOES_ON


def verdict(causes: Iterable[Cause], counts: Mapping[str, int]) -> Verdict:
    """Judge a run: by the gravest cause it stopped for, else by how its jobs stand."""
    by_why = {cause.why: cause for cause in causes}
    for why, code in _OF_CAUSE:
        if why in by_why:
            cause = by_why[why]
            return Verdict(128 + cause.signal if cause.signal else code, why.value, cause.message)
    if counts.get(State.UNKNOWN):
        return Verdict(ExitCode.UNKNOWN, "unknown", MEANING[ExitCode.UNKNOWN])
    if any(counts.get(state) for state in (State.FAILED, State.LOST, State.CANCELLED)):
        return Verdict(ExitCode.SOME_FAILED, "failed", MEANING[ExitCode.SOME_FAILED])
    return Verdict(ExitCode.OK, "finished", MEANING[ExitCode.OK])
