"""Text that fits a box: the face that can show it, the largest size that fits, and the lines. Measures, does not draw.

Pillow's own font is everywhere but knows little beyond English. Text it lacks is set in the first of a few common
system fonts that shows more of it; what no font here has becomes a small mark.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageFont

OWN = ""  # the face that comes with Pillow
_OTHERS = ("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "PingFang.ttc", "Arial.ttf")
_MEASURE = 64  # widths grow with the size, so one measured size serves all
_LINE = 1.25
_ABSENT = "\U0010fffe"  # a code point no font has: its glyph is the font's "missing" box
_LONGEST = 4000  # characters: more than any picture has room for


@dataclass(frozen=True, slots=True)
class Setting:
    """Text set into lines in one face and size, in pixels; `height` is that of all lines."""

    lines: tuple[str, ...]
    size: int
    face: str = OWN

    @property
    def step(self) -> float:
        """Pixels from one line to the next."""
        return self.size * _LINE

    @property
    def height(self) -> int:
        """Pixels of all lines together."""
        return round(len(self.lines) * self.step)


@lru_cache(maxsize=128)
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """A face at a size in pixels. Raises OSError if the system does not have the face."""
    made = ImageFont.truetype(face, size) if face else ImageFont.load_default(size)
    if not isinstance(made, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType, which the sandbox's pictures need")
    return made


def printable(text: str) -> tuple[str, str]:
    """What can be shown of `text`, and the face that shows most of it.

    Controls go; a character the face lacks becomes its base letter if it has one, else a small mark.
    """
    spaced = " ".join(unicodedata.normalize("NFC", text[:_LONGEST]).split())
    composed = "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
    characters = set(composed) - {" "}
    best, most = OWN, sum(_has(OWN, character) for character in characters)
    for face in _system_faces() if most < len(characters) else ():
        shown = sum(_has(face, character) for character in characters)
        if shown > most:
            best, most = face, shown
    return "".join(_shown(best, character) for character in composed), best


def fit(text: str, face: str, width: int, height: int, largest: int, smallest: int) -> Setting:
    """Set `text` at the largest size whose lines fit; at the smallest, what does not fit ends in an ellipsis."""
    size = largest
    while (setting := _set(text, face, width, size)).height > height and size > smallest:
        size = max(smallest, size * 7 // 8)
    room = max(1, int(height / setting.step))
    if len(setting.lines) <= room:
        return setting
    last = setting.lines[room - 1]
    return Setting((*setting.lines[: room - 1], last[: max(0, len(last) - 2)] + "..."), size, face)


@lru_cache(maxsize=1)
def _system_faces() -> tuple[str, ...]:
    """Those of _OTHERS that this system has: looking for one walks its font folders."""
    found = []
    for face in _OTHERS:
        with contextlib.suppress(OSError):
            font(face, _MEASURE)
            found.append(face)
    return tuple(found)


@lru_cache(maxsize=4096)
def _shown(face: str, character: str) -> str:
    if character == " " or _has(face, character):
        return character
    base = unicodedata.normalize("NFKD", character)
    kept = "".join(part for part in base if not unicodedata.combining(part) and _has(face, part))
    if kept:
        return kept
    return "" if unicodedata.combining(character) else "·"


@lru_cache(maxsize=16384)
def _has(face: str, character: str) -> bool:
    return _glyph(face, character) != _glyph(face, _ABSENT)


def _glyph(face: str, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font(face, _MEASURE).getmask(character)
    return mask.size, bytes(mask)


@lru_cache(maxsize=4096)
def _width(face: str, word: str) -> float:
    """The width of a word in units of the font's size."""
    return font(face, _MEASURE).getlength(word) / _MEASURE


def _set(text: str, face: str, width: int, size: int) -> Setting:
    room, space = width / size, _width(face, " ")
    lines, line, used = [], "", 0.0
    for word in _pieces(text, face, room):
        needed = _width(face, word)
        if line and used + space + needed > room:
            lines.append(line)
            line, used = word, needed
        else:
            used += needed + (space if line else 0)
            line = f"{line} {word}" if line else word
    return Setting((*lines, line) if line else tuple(lines), size, face)


def _pieces(text: str, face: str, room: float) -> Iterator[str]:
    """The words, those too long for a line cut to lengths that fit."""
    for word in text.split():
        rest = word
        while len(rest) > 1 and (width := _width(face, rest)) > room:
            share = max(1, min(len(rest) - 1, int(len(rest) * room / width * 0.9)))
            yield rest[:share]
            rest = rest[share:]
        yield rest
