"""Values of media inputs: an https URL stays text, a local picture becomes {sha256, bytes, media_type}.

Files are named by content so that a path, a folder or a machine never changes a job's identity. Each is read once in a
load; what goes out is read and hashed again at the POST. The size limits are those of RunComfy's own ComfyUI nodes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from batchgen.catalog.check import Finding
from batchgen.catalog.schema import ModelSpec, Property
from batchgen.catalog.words import shown
from batchgen.job import InputFile, Json
from batchgen.manifest import paths

MAX_FILE_BYTES = 6 * 1024**2
MAX_REQUEST_BYTES = 64 * 1024**2

_FORMAT = re.compile(r"(image|video|audio)_uris?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(data):", re.IGNORECASE)
_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
)


class _Refused(Exception):
    """A value that cannot be sent."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(slots=True)
class Media:
    """The local files of one manifest, as they were when it was loaded, by path."""

    _known: dict[Path, InputFile] = field(default_factory=dict)

    @property
    def files(self) -> Mapping[InputFile, Path]:
        """Where each file is that a job may send."""
        return {file: path for path, file in self._known.items()}

    def sent(self, spec: ModelSpec, key: str, value: Json, folder: Path) -> tuple[Json, list[tuple[int, Finding]]]:
        """Return an input's value as it is sent, and what is wrong with which of its parts, counted from 0.

        Local paths are relative to `folder`. The value of an input that takes no media is returned as it is.
        """
        kind = _kind(spec.properties.get(key, {}))
        if kind is None:
            return value, []
        parts = value if isinstance(value, list) else [value]
        made: list[Json] = []
        findings: list[tuple[int, Finding]] = []
        for number, part in enumerate(parts):
            try:
                made.append(self._part(part, kind, folder) if isinstance(part, str) else part)
            except _Refused as problem:
                findings.append((number, Finding(f"{key}: {problem}", problem.hint)))
        findings += _too_much(key, made)
        if findings:
            return value, findings
        return made if isinstance(value, list) else made[0], []

    def _part(self, text: str, kind: str, folder: Path) -> Json:
        if _SCHEME.match(text):
            _check_url(text)
            return text
        if kind != "image":
            raise _Refused(f"a local file cannot be sent as {kind}", "give its https URL; only pictures can be local")
        if not text.strip():
            raise _Refused("is empty", "give an https URL or the path of a picture")
        path = folder / text
        if path not in self._known:
            self._known[path] = _read(path)
        return self._known[path].as_json()


def _kind(schema: Property) -> str | None:
    """Return what an input takes, image, video or audio; None where it takes no media."""
    items = schema.get("items")
    named = schema.get("format") or (items.get("format") if isinstance(items, dict) else None)
    match = _FORMAT.fullmatch(named) if isinstance(named, str) else None
    return match[1] if match else None


def _check_url(text: str) -> None:
    scheme = text.partition(":")[0].lower()
    if scheme == "data":
        raise _Refused("a data: URI would fill the log", "save it as a file and write its path")
    if scheme != "https":
        fix = f"write https://{text.partition('://')[2]}" if scheme == "http" else "give an https URL or a local path"
        raise _Refused(f"a {scheme} address is not fetched by the API: {shown(text)}", fix)
    if any(character.isspace() or not character.isprintable() for character in text):
        raise _Refused(f"a space or control character in the URL {shown(text)}", "write a space as %20")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _Refused(f"{shown(text)} is no URL: {error}", "write https://host/path") from None
    if not host:
        raise _Refused(f"the URL {shown(text)} names no host", "write https://host/path")
    if parts.username is not None:
        raise _Refused("a user name or password in the URL would stand in the log", "use a link that needs none")


def _read(path: Path) -> InputFile:
    problem = paths.unusable(path)
    if problem is not None:
        hint = problem[1] or "write the path of a picture, or a URL with https:// before it"
        raise _Refused(f"{path} {problem[0]}", hint)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _Refused(f"{path} cannot be read: {error.strerror}", "make it readable for this user") from None
    if len(content) > MAX_FILE_BYTES:
        hint = "make it smaller, or put it on the web and give its https URL"
        raise _Refused(f"{path} is larger than {MAX_FILE_BYTES // 1024**2} MiB", hint)
    media_type = next((kind for signature, kind in _SIGNATURES if signature.match(content)), None)
    if media_type is None:
        what = "is empty" if not content else "is no PNG, JPEG, WebP or GIF by its first bytes"
        raise _Refused(f"{path} {what}", "save it as one of them")
    return InputFile(hashlib.sha256(content).hexdigest(), len(content), media_type)


def _too_much(key: str, parts: list[Json]) -> list[tuple[int, Finding]]:
    """Hold the files of one value against the limit for a request, in the size they are sent in: base64."""
    size = sum((file.bytes + 2) // 3 * 4 for part in parts if (file := InputFile.of(part)) is not None)
    if size <= MAX_REQUEST_BYTES:
        return []
    message = f"{key}: {len(parts)} files of {size / 1024**2:.0f} MiB as they are sent"
    return [(0, Finding(message, f"a request may hold {MAX_REQUEST_BYTES // 1024**2} MiB: make them smaller or fewer"))]
