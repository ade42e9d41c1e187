"""What a run can stop for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from batchgen import errors


class Why(StrEnum):
    """What a run stopped for."""

    TOKEN = "token"  # noqa: S105 - a word of the summary, not a secret
    BALANCE = "balance"
    DISK = "disk"
    UNAVAILABLE = "unavailable"
    FAILING = "failing"
    SIGNAL = "signal"
    MAX_COST = "max_cost"
    MAX_JOBS = "max_jobs"
    MAX_TIME = "max_time"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for stopping, with a sentence for people; `signal` is the number of the signal, if it was one."""

    why: Why
    message: str
    signal: int = 0


_WHY_OF: dict[type[errors.RunError], Why] = {
    errors.TokenError: Why.TOKEN,
    errors.BalanceError: Why.BALANCE,
    errors.DiskError: Why.DISK,
    errors.UnavailableError: Why.UNAVAILABLE,
}


def cause_of(error: errors.RunError) -> Cause | None:
    """Return the cause that a run error stands for, or None where it is no reason to stop but a defect or misuse."""
    why = _WHY_OF.get(type(error))
    return Cause(why, str(error)) if why else None
