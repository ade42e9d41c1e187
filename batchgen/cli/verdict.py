"""How a run ended: the rules that choose its exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batchgen.cli.exit_codes import MEANING, ExitCode
from batchgen.engine.cause import Cause, Why
from batchgen.state import State

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
