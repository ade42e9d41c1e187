"""What a file is, by its first bytes, whatever its name, its media type or the request said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

HEAD_BYTES = 64
"""How many first bytes are enough to tell."""


class Medium(Enum):
    """What kind of thing a format holds; pictures are decoded, the others known by signature and length alone."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: `name` as the ledger keeps it, the extension without its dot."""

    name: str
    extension: str
    medium: Medium


PNG = Format("png", "png", Medium.IMAGE)
JPEG = Format("jpeg", "jpg", Medium.IMAGE)
WEBP = Format("webp", "webp", Medium.IMAGE)
GIF = Format("gif", "gif", Medium.IMAGE)
AVIF = Format("avif", "avif", Medium.IMAGE)
HEIC = Format("heic", "heic", Medium.IMAGE)
MP4 = Format("mp4", "mp4", Medium.VIDEO)
MOV = Format("mov", "mov", Medium.VIDEO)
WEBM = Format("webm", "webm", Medium.VIDEO)
MKV = Format("mkv", "mkv", Medium.VIDEO)
M4A = Format("m4a", "m4a", Medium.AUDIO)
MP3 = Format("mp3", "mp3", Medium.AUDIO)
WAV = Format("wav", "wav", Medium.AUDIO)
OGG = Format("ogg", "ogg", Medium.AUDIO)
FLAC = Format("flac", "flac", Medium.AUDIO)

EXTENSIONS = tuple(
    kind.extension for kind in (PNG, JPEG, WEBP, GIF, AVIF, HEIC, MP4, MOV, WEBM, MKV, M4A, MP3, WAV, OGG, FLAC)
)

_SIGNATURES: tuple[tuple[re.Pattern[bytes], Format], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PNG),
    (re.compile(rb"\xff\xd8\xff"), JPEG),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WEBP),
    (re.compile(rb"GIF8[79]a"), GIF),
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), AVIF),
    (re.compile(rb"....ftyp(?:hei[cxms]|hev[cx]|mif1|msf1)", re.DOTALL), HEIC),
    (re.compile(rb"....ftypqt  ", re.DOTALL), MOV),
    (re.compile(rb"....ftypM4A ", re.DOTALL), M4A),
    (re.compile(rb"....ftyp", re.DOTALL), MP4),
    (re.compile(rb"\x1a\x45\xdf\xa3.{0,56}webm", re.DOTALL), WEBM),
    (re.compile(rb"\x1a\x45\xdf\xa3"), MKV),
    (re.compile(rb"ID3|\xff[\xf2\xf3\xfa\xfb]"), MP3),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), WAV),
    (re.compile(rb"OggS"), OGG),
    (re.compile(rb"fLaC"), FLAC),
)


def sniff(head: bytes) -> Format | None:
    """Return the format that the first bytes are the signature of, or None."""
    head = head[:HEAD_BYTES]
    return next((known for signature, known in _SIGNATURES if signature.match(head)), None)


def describe(head: bytes) -> str:
    """Return in words what a file is that has no signature of ours."""
    if not head:
        return "an empty file"
    start = head[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if re.match(rb"<(!doctype html|html|head|body)", start, re.IGNORECASE):
        return "an HTML page"
    if start.startswith(b"<"):
        return "an XML text"
    if start.startswith((b"{", b"[")):
        return "a JSON text"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head[:HEAD_BYTES]):
        return "a plain text"
    return f"bytes of no known format ({head[:8].hex(' ')})"
