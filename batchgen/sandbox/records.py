"""The lines of the sandbox's log, and their JSON both ways. Times are seconds since the epoch, costs US dollars."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation


@dataclass(frozen=True, slots=True)
class Opened:
    """A server started on the log and serves `slots` requests at once from now on."""

    at: float
    slots: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request was taken. All that its run will come to is decided here, so that later settings cannot change it."""

    at: float
    request_id: str
    model_id: str
    input: dict[str, object]
    service: float
    images: int
    cost: Decimal
    fails: bool = False
    error: object = None


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """A client asked to cancel; whether that came in time follows from the log."""

    at: float
    request_id: str


@dataclass(frozen=True, slots=True)
class RunFailed:
    """A fault made a finished run a failed one."""

    at: float
    request_id: str
    error: object


@dataclass(frozen=True, slots=True)
class Faulted:
    """A fault was played on the `call`th call of an endpoint."""

    at: float
    on: str
    do: str
    call: int


@dataclass(frozen=True, slots=True)
class Leaked:
    """A file was asked for with an Authorization header: a client gave its token away."""

    at: float


Record = Opened | Accepted | CancelAsked | RunFailed | Faulted | Leaked

_WORDS: dict[str, type[Record]] = {
    "opened": Opened,
    "accepted": Accepted,
    "cancel": CancelAsked,
    "failed": RunFailed,
    "fault": Faulted,
    "leak": Leaked,
}
_NAMES = {kind: word for word, kind in _WORDS.items()}
ACCEPTED_PREFIX = b'{"op": "accepted"'


def encode(record: Record) -> bytes:
    """One line of the log, newline included."""
    fields = {"op": _NAMES[type(record)], **asdict(record)}
    return json.dumps(fields, default=str, allow_nan=False).encode("ascii") + b"\n"


def decode(line: bytes) -> Record:
    """The record of one line. Raises ValueError on anything that `encode` cannot have written."""
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    kind = _WORDS.get(str(fields.pop("op", None)))
    if kind is None:
        raise ValueError("no known op")
    try:
        if "cost" in fields:
            fields["cost"] = Decimal(fields["cost"])
        return kind(**fields)
    except (TypeError, InvalidOperation) as error:
        raise ValueError(str(error)) from None
