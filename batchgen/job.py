"""The frozen data that flows through batchgen, and a Job's identity.

A job is named by its content: the first 32 hex digits of SHA-256 over the canonical JSON of
`{"input", "model", "repeat"}`. Whoever sends the same input to the same model gets the same id, on any machine, in any
version; index, tags and name are not in it. Golden values in the tests hold this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from batchgen.errors import ErrorInfo

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
"""What JSON can hold."""

JOB_ID_DIGITS = 32
_NOTHING: Mapping[str, Json] = MappingProxyType({})


def canonical(value: object) -> bytes:
    """Return the canonical JSON of `value`: sorted keys, no spaces, UTF-8 unescaped, floats in their shortest form.

    Raises ValueError for what has no JSON (NaN, infinities) or no UTF-8 (lone surrogates).
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def job_id(model: str, job_input: Mapping[str, Json], repeat: int) -> str:
    """Return the content id of a job: 32 lower-case hex digits."""
    import hashlib  # With OpenSSL, which the readers of a ledger do without.

    content = canonical({"input": dict(job_input), "model": model, "repeat": repeat})
    return hashlib.sha256(content).hexdigest()[:JOB_ID_DIGITS]


@dataclass(frozen=True, slots=True)
class Job:
    """One request to make.

    `input` is exactly what is sent, prompt and seed included; `repeat` counts from 1; `index` is the job's place in
    the manifest's order, from 1; `tags` are not sent.
    """

    id: str
    index: int
    model: str
    input: Mapping[str, Json]
    repeat: int = 1
    tags: Mapping[str, Json] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The prompt as sent; empty for a model without one."""
        prompt = self.input.get("prompt", "")
        return prompt if isinstance(prompt, str) else str(prompt)

    @property
    def seed(self) -> int | None:
        """The seed as sent, or None where none is."""
        seed = self.input.get("seed")
        return seed if isinstance(seed, int) and not isinstance(seed, bool) else None

    @property
    def settings(self) -> dict[str, Json]:
        """Every input sent besides prompt and seed."""
        return {key: value for key, value in self.input.items() if key not in ("prompt", "seed")}


def make_job(
    index: int,
    model: str,
    job_input: Mapping[str, Json],
    repeat: int = 1,
    tags: Mapping[str, Json] = _NOTHING,
) -> Job:
    """Return the Job with its content id.

    Raises ValueError where the input has no canonical JSON.
    """
    return Job(job_id(model, job_input, repeat), index, model, job_input, repeat, tags)


@dataclass(frozen=True, slots=True)
class InputFile:
    """A local input file as the identity, the Job and the ledger know it: by its content, not by its path.

    SHA-256 in hex, size in bytes, and what the bytes are, such as `image/png`.
    """

    sha256: str
    bytes: int
    media_type: str

    @property
    def name(self) -> str:
        """A file name that holds the hash, for a copy of the file."""
        return f"{self.sha256}.{self.media_type.rpartition('/')[2]}"

    def as_json(self) -> dict[str, Json]:
        """Return what stands in a Job's input where the file goes."""
        return {"sha256": self.sha256, "bytes": self.bytes, "media_type": self.media_type}

    @classmethod
    def of(cls, value: Json) -> InputFile | None:
        """Return the file that a part of a Job's input stands for, None where it stands for itself."""
        match value:
            case {"sha256": str(sha256), "bytes": int(size), "media_type": str(media_type), **rest} if not rest:
                return cls(sha256, size, media_type)
        return None


def replace_files(job_input: Mapping[str, Json], replace: Callable[[InputFile], Json]) -> dict[str, Json]:
    """Return an input with every local file, alone or in a list, replaced by what `replace` makes of it."""

    def replaced(value: Json) -> Json:
        file = InputFile.of(value)
        return value if file is None else replace(file)

    return {
        key: [replaced(part) for part in value] if isinstance(value, list) else replaced(value)
        for key, value in job_input.items()
    }


def files_of(job_input: Mapping[str, Json]) -> list[InputFile]:
    """Return the local files of an input, in its order."""
    parts = [part for value in job_input.values() for part in (value if isinstance(value, list) else [value])]
    return [file for part in parts if (file := InputFile.of(part)) is not None]


class Phase(StrEnum):
    """What the server says of a request. `ENDED` is over, but only the result can say how."""

    PENDING = "pending"
    ENDED = "ended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer about a request, from its status or its result.

    `word` is the server's own status word, `documented` whether the API or an official client knows it; `urls` are the
    outputs in order, without duplicates; `cost_usd` is None where the server has not said (yet); `queue_position` is as
    the server counts; times are the server's text.
    """

    phase: Phase
    word: str = ""
    urls: tuple[str, ...] = ()
    cost_usd: Decimal | None = None
    error: ErrorInfo | None = None
    model: str | None = None
    queue_position: int | None = None
    created_at: str | None = None
    finished_at: str | None = None
    documented: bool = True


class CancelOutcome(StrEnum):
    """What became of a wish to cancel."""

    CANCELLED = "cancelled"
    NOT_CANCELLABLE = "not_cancellable"
    REQUESTED = "requested"


@dataclass(frozen=True, slots=True)
class File:
    """One output on disk: `path` relative to the run directory with forward slashes, size in bytes, SHA-256 in hex.

    `format` is what the bytes are, whatever was asked for; `width` and `height` are pixels, None where unknown.
    """

    path: str
    bytes: int
    sha256: str
    format: str
    width: int | None = None
    height: int | None = None
