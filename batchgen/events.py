"""Events: every change of a job or a run, and their form as lines of the ledger.

An event is one frozen object here and one flat JSON object in the ledger: `v`, `event`, `time` (RFC 3339, UTC), for
job events `job` and `attempt`, then its own fields; fields that are None are left out. Money is Decimal in memory and
a JSON number in the ledger; both directions keep its decimal digits. Reading is tolerant where that is safe (unknown
words and fields are skipped) and strict where the past would be misread (a missing or mistyped field is an EventError).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar, TypeVar

from batchgen.errors import ErrorInfo, Stage
from batchgen.job import File, Job, Json

VERSION = 1
"""The ledger's format. A ledger with a higher one is refused for writing."""

_FIRST_S, _END_S = -62_135_596_800, 253_402_300_800
"""The first second of the year 1 and that after the year 9999, in UTC."""

Value = TypeVar("Value")


class EventError(ValueError):
    """A line is JSON but not an event as its word promises."""


def stamp(seconds: float) -> str:
    """Return Unix `seconds` as the ledger writes time: RFC 3339, UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(time: str) -> float | None:
    """Return the Unix seconds of a time text, or None where it is not one, or none of the years 1 to 9999 in UTC."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if _FIRST_S <= seconds < _END_S else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. `word` is the event's name in the ledger."""

    word: ClassVar[str] = ""
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent(Event):
    """An event of one attempt of one job."""

    job: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A process took the run directory.

    `manifest` is the hash over the manifest and every list it names; `api` the origin, or `sandbox`; `counts` the
    plan's counts at this moment; `command_line` what was typed. `unlisted` names ledger jobs outside the counts whose
    state this run may still change, so that a reader can carry the counts on by the events that follow.
    """

    word: ClassVar[str] = "run_started"
    version: str
    name: str
    manifest: str
    api: str
    counts: Mapping[str, int]
    host: str
    pid: int
    boot_id: str
    command: str = "run"
    command_line: str = ""
    unlisted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitting(JobEvent):
    """A POST is about to be sent. Everything that says how the picture is made stands here, before it is paid for."""

    word: ClassVar[str] = "submitting"
    index: int
    name: str
    model: str
    prompt: str
    settings: Mapping[str, Json]
    tags: Mapping[str, Json]
    repeat: int
    seed: int | None = None
    cost_estimate_usd: Decimal | None = None

    def as_job(self) -> Job:
        """Return the Job this POST was made for, without needing its manifest."""
        job_input: dict[str, Json] = {"prompt": self.prompt} if self.prompt else {}
        if self.seed is not None:
            job_input["seed"] = self.seed
        return Job(self.job, self.index, self.model, {**job_input, **self.settings}, self.repeat, self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(JobEvent):
    """The POST was certainly not taken. `delay` is in seconds, where another follows."""

    word: ClassVar[str] = "refused"
    error: ErrorInfo
    delay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted(JobEvent):
    """The server took the POST; from here on the request is paid for."""

    word: ClassVar[str] = "submitted"
    request_id: str
    api: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(JobEvent):
    """Every output of the request is durable on disk."""

    word: ClassVar[str] = "done"
    request_id: str
    model: str
    prompt: str
    settings: Mapping[str, Json]
    tags: Mapping[str, Json]
    files: tuple[File, ...]
    seed: int | None = None
    cost_usd: Decimal | None = None
    cost_estimate_usd: Decimal | None = None
    timing: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(JobEvent):
    """The attempt failed; `error.stage` says whether the server had succeeded."""

    word: ClassVar[str] = "failed"
    error: ErrorInfo
    request_id: str | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(JobEvent):
    """The POST may or may not have been taken."""

    word: ClassVar[str] = "unknown"
    error: ErrorInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(JobEvent):
    """The request was cancelled before it ran; `by` is `us` or `server`."""

    word: ClassVar[str] = "cancelled"
    request_id: str
    by: str
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(JobEvent):
    """The server no longer knows the request."""

    word: ClassVar[str] = "lost"
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached(JobEvent):
    """A person found the request of an unknown submission."""

    word: ClassVar[str] = "attached"
    request_id: str
    api: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(JobEvent):
    """A person decided an unknown submission: `how` is `not_sent` or `lost`."""

    word: ClassVar[str] = "settled"
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The run ended by itself; a run without this line died."""

    word: ClassVar[str] = "run_finished"
    counts: Mapping[str, int]
    exit_code: int
    reason: str
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class News:
    """Transient news of a job or the run: shown, never written. `kind` is a stable word, `text` is for people."""

    kind: str
    text: str
    job: str | None = None


EVENTS: Mapping[str, type[Event]] = {
    kind.word: kind
    for kind in (
        RunStarted,
        Submitting,
        Refused,
        Submitted,
        Done,
        Failed,
        Unknown,
        Cancelled,
        Lost,
        Attached,
        Settled,
        RunFinished,
    )
}
"""Every event by its word in the ledger."""


def to_record(event: Event) -> dict[str, object]:
    """Return the event as the flat JSON object of a ledger line."""
    record: dict[str, object] = {"v": VERSION, "event": event.word}
    for name, _ in _SHAPES[type(event)]:
        value = getattr(event, name)
        if value is not None:
            record[name] = value if type(value) in _PLAIN else _plain(value)
    return record


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, ErrorInfo | File):
        shown = ((name, getattr(value, name)) for name in type(value).__slots__)
        return {name: item for name, item in shown if item is not None}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def from_record(record: Mapping[str, object]) -> Event | None:
    """Return the event of a ledger line's JSON object, or None where its word is not known to this version.

    Raises EventError where a known event lacks a field or has one of another type.
    """
    kind = EVENTS.get(_read_text(record, "event"))
    if kind is None:
        return None
    values: dict[str, object] = {}
    for name, read in _SHAPES[kind]:
        if (raw := record.get(name)) is not None:
            try:
                values[name] = read(raw)
            except (TypeError, ValueError, KeyError, ArithmeticError) as problem:
                raise EventError(f'"{name}" of a "{kind.word}" event is not readable: {problem}') from None
    try:
        return kind(**values)  # type: ignore[arg-type]
    except TypeError as problem:
        raise EventError(f'a "{kind.word}" event is incomplete: {problem}') from None


def _read_text(record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise EventError(f'"{name}" is missing or not a text')
    return value


def _typed(wanted: type[Value]) -> Callable[[object], Value]:
    def read(raw: object) -> Value:
        # JSON has exact types only, and True must not pass for 1.
        if type(raw) is not wanted:
            raise TypeError(f"{wanted.__name__} expected")
        return raw

    return read


_text = _typed(str)
_integer = _typed(int)
_object = _typed(dict)
_array = _typed(list)


def _money(raw: object) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise TypeError("number expected")
    return Decimal(str(raw))


def _number(raw: object) -> float:
    return float(_money(raw))


def _counts(raw: object) -> dict[str, int]:
    return {key: _integer(value) for key, value in _object(raw).items()}


def _texts(raw: object) -> tuple[str, ...]:
    return tuple(map(_text, _array(raw)))


def _optional_integer(raw: object) -> int | None:
    return None if raw is None else _integer(raw)


def _error(raw: object) -> ErrorInfo:
    record = _object(raw)
    return ErrorInfo(
        kind=_text(record["kind"]),
        stage=Stage(record["stage"]),
        message=_text(record["message"]),
        code=_optional_integer(record.get("code")),
        http_status=_optional_integer(record.get("http_status")),
    )


def _file(raw: object) -> File:
    record = _object(raw)
    return File(
        path=_text(record["path"]),
        bytes=_integer(record["bytes"]),
        sha256=_text(record["sha256"]),
        format=_text(record["format"]),
        width=_optional_integer(record.get("width")),
        height=_optional_integer(record.get("height")),
    )


def _files(raw: object) -> tuple[File, ...]:
    return tuple(map(_file, _array(raw)))


_TEXTS = (
    "time",
    "job",
    "name",
    "model",
    "prompt",
    "version",
    "manifest",
    "api",
    "host",
    "boot_id",
    "command",
    "command_line",
)
_INTEGERS = ("attempt", "index", "repeat", "seed", "pid", "exit_code")
_PLAIN = frozenset({str, int, float, dict})

_READERS: Mapping[str, Callable[[object], object]] = {
    **dict.fromkeys((*_TEXTS, "request_id", "by", "how", "reason"), _text),
    **dict.fromkeys(_INTEGERS, _integer),
    **dict.fromkeys(("cost_usd", "cost_estimate_usd"), _money),
    **dict.fromkeys(("settings", "tags", "timing"), _object),
    "counts": _counts,
    "delay": _number,
    "error": _error,
    "files": _files,
    "unlisted": _texts,
}

_SHAPES: Mapping[type[Event], tuple[tuple[str, Callable[[object], object]], ...]] = {
    kind: tuple((one.name, _READERS[one.name]) for one in fields(kind)) for kind in EVENTS.values()
}
"""Every event's fields with their readers, found once and not once a line."""
