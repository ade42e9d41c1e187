"""What downloads meet: the outputs' own addresses. Nothing is saved that is not whole and what it says it is."""

from __future__ import annotations

import asyncio
import struct
import zlib

from faults.rows import (
    CLOSES,
    DONE,
    HANGS,
    HOUR,
    RESETS,
    TAKEN,
    Row,
    always,
    code,
    goes,
    html,
    once,
    says,
    stands,
    succeeded,
)
from support.faulty import Answer, Endpoint, Fault, picture
from support.wire import http

ON = Endpoint.FILE
OLD = succeeded({"image": "{files}/old.png"})


def fetches_again(name: str, *answers: Answer, done: str = "done", asked: int | None = None, real: bool = False) -> Row:
    """A fault that passes."""
    return Row(
        name=f"file {name}",
        endpoint=ON,
        fault=once(*answers),
        does="fetches it again",
        ledger=(f"{TAKEN}{done}",),
        exit=0,
        told="1 of 1 job done",
        asked=len(answers) + 1 if asked is None else asked,
        real=real,
    )


def rereads(name: str, answer: Answer, *results: Answer, real: bool = False) -> Row:
    """A link that is dead: the result is read again, which may not help."""
    return Row(
        name=f"file {name}",
        endpoint=ON,
        fault=once(answer),
        also={Endpoint.RESULT: once(OLD, *results)},
        does="reads the result again, and fetches what it names",
        ledger=(DONE,),
        exit=0,
        told="1 of 1 job done",
        asked=2,
        real=real,
    )


def fails(name: str, fault: Fault, kind: str, told: str, asked: int | None = 1, *, does: str = "") -> Row:
    """A file that does not come."""
    return Row(
        name=f"file {name}",
        endpoint=ON,
        fault=fault,
        does=does or "fails it, made and paid for",
        ledger=(f"{TAKEN}failed {kind} (file)",),
        exit=1,
        told=told,
        asked=asked,
    )


def too_late(name: str, answer: Answer, kind: str, told: str) -> Row:
    """A fault that does not pass within five minutes."""
    does = "fetches again for five minutes, then fails it, made and paid for"
    return fails(f"{name} always", always(answer), kind, told, None, does=does)


def leads_astray(name: str, target: str, told: str) -> Row:
    """A redirect to where no output may come from."""
    return Row(
        name=f"file {name}",
        endpoint=ON,
        fault=always(says(302, Location=target)),
        does="does not go there; fails it, made and paid for",
        ledger=(f"{TAKEN}failed host (output)",),
        exit=1,
        told=told,
        asked=1,
    )


def file(what: str, content: bytes, status: int = 200) -> Answer:
    """Return a file as it comes."""
    return Answer(f"answers {status} with {what}", status, content)


def wide(width: int, height: int) -> bytes:
    """Return a PNG that says it is so large; not much of it follows."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return picture()[:8] + chunk + picture()[33:]


async def _short(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(http(200, picture())[:-20])


async def _dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + picture()[:8])
    while not writer.is_closing():
        writer.write(b"\0")
        await asyncio.sleep(30)


async def _vast(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3221225472\r\n\r\n" + picture())


SHORT = Answer("closes the connection before the file's end", act=_short)
DRIPS = Answer("sends one byte every 30 s", act=_dripping)
VAST = Answer("says that 3 GiB will come", act=_vast)
CUT = file("a picture without its end, as long as it says", picture()[:-20])
LINKS = "tries six links in half a minute, then fails it, made and paid for"
EMPTY = file("an empty file", b"")

ROWS = (
    fetches_again("500", html(500)),
    fetches_again("502 html", html(502), real=True),
    fetches_again("503", html(503, Retry_After="90")),
    fetches_again("504", html(504)),
    fetches_again("408", says(408)),
    fetches_again("429", says(429)),
    fetches_again("429 seconds", says(429, Retry_After="100")),
    fetches_again("reset", RESETS),
    fetches_again("closed", CLOSES),
    fetches_again("hangs", HANGS),
    fetches_again("goes for a minute", goes(60), asked=2),
    fetches_again("short", SHORT),
    fetches_again("cut", CUT),
    fetches_again("empty", EMPTY),
    fetches_again("redirect", says(302, Location="/files/moved.png")),
    fetches_again("redirect thrice", *[says(307, Location="{files}/moved.png")] * 3),
    rereads("404", says(404), real=True),
    rereads("403", html(403)),
    rereads("410", says(410)),
    rereads("404, result empty", says(404), succeeded({}), succeeded({})),
    rereads("404, result gone", says(404), says(404)),
    rereads("404, result of another model", says(404), succeeded({"image": "https://cdn.example/"}, model_id="a/b")),
    rereads("404, result failed", says(404), stands("failed", error="no more")),
    rereads("404, result html", says(404), html(502)),
    fetches_again("jpeg for png", file("a JPEG named .png", picture("JPEG")), asked=1),
    fails("html", once(html(200)), "bad_file", "the output is an HTML page"),
    fails("json", once(code(200, 404001)), "bad_file", "the output is a JSON text"),
    fails("text", once(file("a text", b"expired")), "bad_file", "the output is a plain text"),
    fails("svg", once(file("an SVG", b"<svg/>")), "bad_file", "the output is an XML text"),
    fails("noise", once(file("noise", b"\0\1\2")), "bad_file", "bytes of no known format"),
    fails("bomb", once(file("a PNG of 60,000 by 60,000", wide(60000, 60000))), "bad_file", "far too many pixels"),
    fails("3 GiB", once(VAST), "too_big", "is larger than 2,147,483,648 bytes"),
    fails("204", once(says(204)), "http", "HTTP 204"),
    fails("206", once(file("a part", picture(), 206)), "http", "HTTP 206"),
    fails("400", once(html(400)), "http", "HTTP 400"),
    fails("401", once(html(401)), "http", "HTTP 401"),
    fails("redirect nowhere", once(says(302)), "http", "HTTP 302"),
    fails("redirect loop", always(says(302, Location="{files}/again.png")), "http", "more than 3 redirects", 4),
    fails(
        "404 always",
        always(says(404)),
        "link_expired",
        "not there any more: HTTP 404",
        6,
        does=LINKS,
    ),
    fails("403 always", always(html(403)), "link_expired", "not there any more: HTTP 403", 6, does=LINKS),
    leads_astray("redirect abroad", "https://cdn.example/1.png", "--allow-host cdn.example"),
    leads_astray("redirect to http", "http://cdn.runcomfy.net/1.png", "is not https on port 443"),
    leads_astray("redirect to a number", "https://169.254.169.254/latest", "169.254.169.254"),
    too_late("503", html(503), "server_error", "HTTP 503"),
    too_late("429", says(429, Retry_After="100"), "too_slow", "within 300 s; before that: HTTP 429"),
    too_late("short", SHORT, "no_answer", "the connection broke"),
    too_late("cut", CUT, "bad_file", "a damaged or cut png"),
    too_late("empty", EMPTY, "bad_file", "the output is an empty file"),
    too_late("hangs", HANGS, "too_slow", "within 300 s; before that: 127.0.0.1: no answer in time"),
    too_late("drips", DRIPS, "too_slow", "did not arrive whole within 300 s"),
    too_late("goes", goes(HOUR), "unreachable", "cannot connect"),
    Row(
        name="file 404, token refused",
        endpoint=ON,
        fault=always(says(404)),
        also={Endpoint.RESULT: once(OLD, code(401, 401001))},
        does="stops; leaves it in flight",
        ledger=(TAKEN.removesuffix(", "),),
        exit=77,
        told="the API does not take the token",
        asked=1,
    ),
)
