"""Material for fuzzing: the kept corpus, real files of the project, and random changes to both."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from fuzz.worker import CORPUS, FOUND, LONGEST
from PIL import Image

PROJECT = Path(__file__).resolve().parents[2]

_ANYWHERE = (
    b"\x00",
    b"\xff",
    b"\xc2\x9b31m",
    b"\x1b[31m",
    b"\xe2\x80\xae",
    b"\xed\xa0\x80",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
)
_NUMBERS = (b"0", b"-1", b"1e999", b"9" * 30, b"9" * 5000, b"0x" + b"f" * 50, b"1.5", b".5", b"-0")
_JSON = (b'"', b"\\u0000", b"\\ud800", b"null", b"true", b"NaN", b"[", b"]", b"{", b"}", b",", b":", b"[" * 2000)
_YAML = (
    *(b"&a ", b"*a", b"<<: ", b"!!python/object:os.system ", b"---\n", b"...\n", b"%TAG ! x\n", b"%YAML 1.1\n", b"- "),
    *(b"? ", b"|\n", b">-\n", b"#", b"'", b"seeds: ", b"grid:\n", b"zip:\n", b"exclude:\n", b"limits: {", b"repeats: "),
    *(b"max_cost_usd: ", b"output: {name: '", b"pricing: {base_usd: ", b"prompts:\n", b"text: ", b"vars: ", b"file: "),
)
_WORDS = (
    b"run_started",
    b"submitting",
    b"refused",
    b"submitted",
    b"done",
    b"failed",
    b"unknown",
    b"cancelled",
    b"lost",
)
_FIELDS = (
    b'"v":2',
    b'"v":1',
    b'"attempt":-1',
    b'"pid":1e9',
    b'"cost_usd":1e400',
    b'"files":[]',
    b'"time":""',
    b'"job":',
)
_ANSWER = (
    *(
        b"tok-9f8e7d6c5b4a39281706",
        b"request_id",
        b"error_code",
        b"error_message",
        b"message",
        b"detail",
        b"msg",
        b"loc",
    ),
    *(
        b"status",
        b"completed",
        b"succeeded",
        b"failed",
        b"cancelled",
        b"output",
        b"images",
        b"https://cdn.runcomfy.net/a",
    ),
    *(
        b"Retry-After: ",
        b"Date: ",
        b"400002",
        b"401001",
        b"429",
        b"502",
        b"\n\n",
        b"cost",
        b"base_price_usd",
        b"input_schema",
    ),
    *(
        b"properties",
        b"$ref",
        b"http://evil.example/s",
        b"pattern",
        b"(a+)+$",
        b"<script>",
        b"<",
        b"outcome",
        b"queue_position",
    ),
)
_NAMING = (
    *(
        b"{index}",
        b"{slug}",
        b"{job:.6}",
        b"{index:05}",
        b"{seed:c}",
        b"{x}",
        b"{x!r}",
        b"{x.y}",
        b"{x[0]}",
        b"{x:{y}}",
    ),
    *(
        b"/",
        b"..",
        b"\\",
        b"CON",
        b"nul.txt",
        b"COM\xc2\xb9",
        b"e\xcc\x81",
        b"\xc3\xa9",
        b"\xc3\x9f",
        b"\xef\xac\x81",
        b"%s",
    ),
    *(
        b"{x:" + b"9" * 12 + b"}",
        b"{x:000000001000000000}",
        b"{x:>200}",
        b"{x:,}",
        b"{x:e}",
        b"{{",
        b"}}",
        b"x=",
        b"\nx=-1",
    ),
    *(
        b"\nx=\xed\xa0\x80",
        b"\nx=" + b"a" * 300,
        b"\nx=..",
        b"\nx=/etc/passwd",
        b"\nx=[[1]]",
        b"\nx=1e308",
        b"_1",
        b".",
    ),
)
_URLS = (
    *(
        b"https://",
        b"http://",
        b"HTTPS://",
        b"https:",
        b"//",
        b"runcomfy.net",
        b"cdn.runcomfy.net",
        b".runcomfy.com",
        b"evil.com",
    ),
    *(
        b"trusted.org",
        b"cdn.example.com",
        b"127.0.0.1:8123",
        b"[::1]",
        b"@",
        b"\\",
        b":443",
        b":80",
        b":0443",
        b":",
        b"/",
        b"?",
    ),
    *(
        b"#",
        b"%2f",
        b"%40",
        b"%00",
        b"..",
        b"/../",
        b"%2e",
        b"\xe3\x80\x82",
        b"\xef\xbd\x92uncomfy.net",
        b"xn--",
        b";",
        b"user",
    ),
    *(
        b"0x7f.1",
        b"2130706433",
        b"localhost",
        b"\t",
        b"&",
        b"=",
        b"\xc4\xb1",
        b"\xe2\x84\xaa",
        b"runcomfy.net.",
        b"-",
        b"_",
    ),
)
_TABLE = (
    b",",
    b'"',
    b'""',
    b"\r",
    b"prompt",
    b"\xef\xbb\xbf",
    b"{",
    b'{"prompt":',
    b"}",
    b"\x00",
    b"\x01",
    b"\x02",
    b"\x03",
)
_TEXT = (
    b"=1+1",
    b"+",
    b"-",
    b"@SUM(A1)",
    b"'",
    b"''=",
    b"\xef\xbc\x9d",
    b"\xc2\xa0=",
    b"\xe2\x80\x8b=",
    b"\xf3\xa0\x80\x81",
)

PIECES = {
    "manifest": (*_ANYWHERE, *_NUMBERS, *_YAML, *_NAMING, b"aspect_ratio: ", b"16:9", b"google/nano-banana-2/edit"),
    "table": (*_ANYWHERE, *_NUMBERS, *_JSON, *_TABLE),
    "ledger": (*_ANYWHERE, *_NUMBERS, *_JSON, *_WORDS, *_FIELDS, b"\x00" * 4096, b'{"v":1,"event":"x"}\n'),
    "response": (*_ANYWHERE, *_NUMBERS, *_JSON, *_ANSWER),
    "name": (*_ANYWHERE, *_NUMBERS, *_NAMING),
    "host": (*_ANYWHERE, *_URLS),
    "text": (*_ANYWHERE, *_TEXT),
    "picture": (
        *_ANYWHERE,
        b"IDAT",
        b"IHDR",
        b"acTL",
        b"ANMF",
        b"VP8X",
        b"ftyp",
        b"\xff\xd8",
        b"\xff\xda",
        b"\x7f\xff\xff\xff",
    ),
}
"""What a mutation may put in, by target."""


def kept(target: str) -> list[Path]:
    """Return the files of a target's corpus."""
    folder = CORPUS / target
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


@cache
def seeds(target: str) -> tuple[bytes, ...]:
    """Return what a search starts from: the corpus without what is still broken, and real material."""
    sound = (path for path in kept(target) if not path.name.startswith(FOUND))
    return (*(path.read_bytes() for path in sound), *_real(target), b"")


def _real(target: str) -> list[bytes]:
    samples = sorted((PROJECT / "sample_manifests").glob("*.*"))
    if target == "manifest":
        return [path.read_bytes() for path in samples if path.suffix == ".yaml"]
    if target == "table":
        kinds = (".txt", ".csv", ".tsv", ".jsonl")
        return [bytes([kinds.index(path.suffix)]) + path.read_bytes() for path in samples if path.suffix in kinds]
    return [_picture(form) for form in ("PNG", "JPEG", "WEBP", "GIF")] if target == "picture" else []


def _picture(form: str) -> bytes:
    file = io.BytesIO()
    frames = [Image.linear_gradient("L").resize((24, 16)).rotate(turn) for turn in (0, 90)]
    more = {"save_all": True, "append_images": frames[1:]} if form in ("PNG", "WEBP", "GIF") else {}
    frames[0].save(file, form, **more)
    return file.getvalue()


def mutated(chance: random.Random, pool: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    """Return a new input: pieces put together, or a few changes to one of the pool."""
    if chance.random() < 0.2:
        return b"".join(chance.choices(pieces, k=chance.randint(1, 10)))[:LONGEST]
    data = chance.choice(pool)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        data = chance.choice(_CHANGES)(chance, data, pool, pieces)
    return data[:LONGEST]


def _cut(chance: random.Random, data: bytes, pool: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    return data[: chance.randint(0, len(data))]


def _flip(chance: random.Random, data: bytes, pool: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _insert(chance: random.Random, data: bytes, pool: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(pieces) + data[at:]


def _replace(chance: random.Random, data: bytes, pool: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    at, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    return data[:at] + chance.choice(pieces) + data[min(end, at + 40) :]


def _remove(chance: random.Random, data: bytes, pool: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + data[at + chance.choice((1, 2, 8, 64)) :]


def _splice(chance: random.Random, data: bytes, pool: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    other = chance.choice(pool)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def _lines(chance: random.Random, data: bytes, pool: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    rows = data.splitlines(keepends=True)
    if rows:
        at = chance.randrange(len(rows))
        rows.insert(chance.randint(0, len(rows)), rows.pop(at) if chance.random() < 0.5 else rows[at])
    return b"".join(rows)


_CHANGES = (_cut, _flip, _insert, _insert, _replace, _replace, _remove, _splice, _lines)
