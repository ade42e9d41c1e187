"""What files are called: a template rendered into a stem that is safe on every file system, then made unique.

A value is sanitised by itself before it is put in, so that only a `/` of the template makes a folder. Stems are
compared as case-insensitive, normalising file systems do, and none can meet the numbered outputs of another one.
"""

from __future__ import annotations

import functools
import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping

from batchgen.job import canonical
from batchgen.store.fingerprints import Fingerprints

MAX_COMPONENT = 120
"""Bytes of UTF-8 for a folder or a stem: leaves room for `_<job>`, attempt, number and extension below 255."""

MAX_SLUG = 48
"""Characters of a prompt's slug."""

MAX_FOLDERS = 8

_MAX_WIDTH = 200
_REPLACEMENT = "-"
_FORBIDDEN = frozenset('/\\:*?"<>|')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9_-]*")
_OUTPUT_NUMBER = re.compile(r"(.+)_[1-9][0-9]{0,3}", re.DOTALL)


def field_names(template: str) -> tuple[str, ...]:
    """Return the names of a template's fields, in order.

    Raises ValueError, with the reason in words for people, for a template that cannot be rendered: unbalanced braces,
    attributes, indexes, conversions or nested fields, absurd widths, or too many folders.
    """
    return tuple(name for _, name, _ in _fields(template) if name is not None)


def render(template: str, fields: Mapping[str, object]) -> str:
    """Return the stem that a template makes of one job, with forward slashes between folders.

    `fields` holds the values by name; under `slug` stands the prompt itself. A name without a value is an empty text.
    Raises ValueError where the template is wrong, or a format spec does not fit its value.
    """
    text = "".join(
        literal + ("" if name is None else _value(name, fields.get(name), spec))
        for literal, name, spec in _fields(template)
    )
    return "/".join(component(part) for part in text.split("/"))


def slug(prompt: str) -> str:
    """Return a prompt as a short name: its words in lower case joined by hyphens, cut at a word's end; never empty."""
    folded = unicodedata.normalize("NFKC", prompt).lower()
    words = "".join(character if _in_word(character) else " " for character in folded).split()
    text = "-".join(words)
    if len(text) > MAX_SLUG:
        cut = text[: MAX_SLUG + 1].rpartition("-")[0]
        text = cut or text[:MAX_SLUG]
    return text or "prompt"


def component(text: str) -> str:
    """Return a text as one path component: visible, portable, NFC, of 1 to `MAX_COMPONENT` bytes."""
    safe = unicodedata.normalize("NFC", _sanitised(text))
    if _RESERVED.match(safe):
        safe = "_" + safe
    return safe.encode()[:MAX_COMPONENT].decode(errors="ignore").rstrip(". ") or "_"


class Names:
    """The names of one ledger. `reserve` never gives the same one twice, nor one that another's files could meet.

    `occupied` tells of files that stand under a name without the ledger's knowing: those are left alone.
    """

    def __init__(self, taken: Iterable[str] = (), occupied: Callable[[str], bool] = lambda name: False) -> None:
        self._occupied = occupied
        self._taken = Fingerprints()
        self._numbered = Fingerprints()
        for name in taken:
            self.add(name)

    def add(self, name: str) -> None:
        """Note a name that the ledger has."""
        known = key(name)
        self._taken.add(known)
        if number := _OUTPUT_NUMBER.fullmatch(known):
            self._numbered.add(number[1])

    def reserve(self, stem: str, job: str, attempt: int) -> str:
        """Return the name for an attempt's files and note it: the stem, with as much of the job's id as it needs."""
        name = next(name for name in _candidates(stem, job, attempt) if self._is_free(name))
        self.add(name)
        return name

    def _is_free(self, name: str) -> bool:
        wanted = key(name)
        number = _OUTPUT_NUMBER.fullmatch(wanted)
        known = wanted in self._taken or wanted in self._numbered or bool(number and number[1] in self._taken)
        return not known and not self._occupied(name)


def _candidates(stem: str, job: str, attempt: int) -> Iterator[str]:
    suffix = f"-{attempt}" if attempt > 1 else ""
    yield stem + suffix
    yield f"{stem}_{job:.8}{suffix}"
    yield f"{stem}_{job}{suffix}"
    number = 2
    while True:
        yield f"{stem}_{job}x{number}{suffix}"
        number += 1


def key(name: str) -> str:
    """Return what two names have in common that may be the same file.

    Canonical caseless matching, Unicode 15 D145: what the strictest file systems take for the same name.
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


@functools.lru_cache(maxsize=64)
def _fields(template: str) -> tuple[tuple[str, str | None, str], ...]:
    """Return literal text, field name and format spec of each part. Raises ValueError."""
    return tuple(_parsed(template))


def _parsed(template: str) -> Iterator[tuple[str, str | None, str]]:
    if template.count("/") > MAX_FOLDERS:
        raise ValueError(f"more than {MAX_FOLDERS} folders")
    for literal, name, spec, conversion in string.Formatter().parse(template):
        if name is not None and (not name or re.search(r"[\[\].!{}]", name)):
            raise ValueError(f'"{{{name}}}" is not the name of a field')
        if conversion is not None:
            raise ValueError(f'"!{conversion}" is not known in a name; write {{{name}}}')
        if "{" in (spec or "") or any(len(run) > 9 or int(run) > _MAX_WIDTH for run in re.findall(r"\d+", spec or "")):
            raise ValueError(f'the format "{spec}" of {{{name}}} is too wide, or not plain')
        yield literal, name, spec or ""


def _value(name: str, value: object, spec: str) -> str:
    if name == "slug":
        value = slug(str(value))
    elif value is None or value == "":
        return ""
    elif isinstance(value, bool | list | dict):
        value = canonical(value).decode()
    try:
        return _sanitised(format(value, spec))
    except (ValueError, TypeError, OverflowError) as problem:
        raise ValueError(f'{{{name}:{spec}}} does not fit "{value}": {problem}') from None


def _sanitised(text: str) -> str:
    """Replace what no file name should hold: separators, wildcards, control and bidirectional characters."""
    if _PLAIN.fullmatch(text):
        return text
    shown = "".join(
        " " if character.isspace() else _REPLACEMENT if _is_unsafe(character) else character for character in text
    )
    return shown.strip(". ")


def _is_unsafe(character: str) -> bool:
    return character in _FORBIDDEN or unicodedata.category(character).startswith("C")


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")
