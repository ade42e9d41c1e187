"""What a row of the fault matrix is, and the words that rows are written in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from support.faulty import Answer, Endpoint, Fault
from support.sandboxed import MODEL, PRICE
from support.wire import hang, reset

SENT = "submitting, "
TAKEN = "submitting, submitted, "
DONE = f"{TAKEN}done"
AND_SO_ON = ", ..."
"""Ends a text whose lines repeat, how often depends on the pauses in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault of one endpoint, and what comes of it.

    `name` is unique. `does` is what batchgen does, for the page. `ledger` holds the lines of each job in order, as
    `lines_of` spells them; one text stands for all jobs. `posts` are the submissions that reached the server, `asked`
    how often the endpoint was asked in all; None where that depends on how often polling, or aiohttp, asks again.
    `told` stands in what the command says, or in an error of the ledger.

    The manifest has `jobs` prompts, worked on one at a time, and the sections of `manifest` and `limits` replaced.
    `also` are faults of other endpoints. With `left` the command meets requests that an earlier run left in the queue.
    `when` says, for the page, what is special about the command or its manifest.
    `real` rows are also run as a process of their own, in real time.
    """

    name: str
    endpoint: Endpoint
    fault: Fault
    does: str
    ledger: tuple[str, ...]
    exit: int
    told: str
    posts: int = 1
    asked: int | None = None
    jobs: int = 1
    command: tuple[str, ...] = ("run", "m.yaml")
    manifest: Mapping[str, object] = field(default_factory=dict)
    limits: Mapping[str, object] = field(default_factory=dict)
    also: Mapping[Endpoint, Fault] = field(default_factory=dict)
    left: bool = False
    when: str = ""
    real: bool = False

    @property
    def faults(self) -> dict[Endpoint, Fault]:
        """All that goes wrong at the server."""
        return {self.endpoint: self.fault, **self.also}

    @property
    def server(self) -> str:
        """What the server does, as the page says it."""
        others = [f"{endpoint}: {fault.words}" for endpoint, fault in self.also.items()]
        return "; ".join([self.fault.words, *others])


def once(*answers: Answer) -> Fault:
    """Return the fault that passes: these answers in turn, then the ordinary ones."""
    return Fault(answers)


def always(*answers: Answer) -> Fault:
    """Return the fault that stays: these answers in turn, the last again and again."""
    return Fault(answers, for_good=True)


def says(status: int, body: object = b"", **headers: str) -> Answer:
    """Return an HTTP answer with a JSON body; bytes are sent as they are. Header names take `_` for `-`."""
    shown = [json.dumps(body)] if not isinstance(body, bytes) else [body.decode()] if body else []
    shown += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    words = " and ".join(f"`{text}`" for text in shown)
    return Answer(f"answers {status} with {words}" if words else f"answers {status}", status, body, headers)


def cancels(status: int, body: object) -> Answer:
    """Return the answer to a cancel that the server carries out."""
    answer = says(status, body)
    return replace(answer, taken=True, words=f"cancels it and {answer.words}")


def takes(status: int, body: object) -> Answer:
    """Return the answer to a submission that the server takes in."""
    return replace(says(status, body), taken=True)


def stands(status: object, **more: object) -> Answer:
    """Return an answer that says how a request stands; `request_id=None` leaves the id out."""
    fields = {"request_id": "{id}", "status": status, **more}
    shown = {key: value for key, value in fields.items() if key != "request_id"}
    words = " and no `request_id`" if fields["request_id"] is None else ""
    body = {key: value for key, value in fields.items() if value is not None or key == "error"}
    return Answer(f"answers `{json.dumps(shown)}`{words}", body=body)


def succeeded(output: object, *, status: str = "succeeded", cost: object = PRICE, **more: object) -> Answer:
    """Return a success with these outputs."""
    shown = {"output": output} | more | ({} if cost == PRICE else {"cost": cost})
    words = json.dumps(shown).replace("{files}", "https://...").replace("{id}", "...")
    body = {"request_id": "{id}", "status": status, "output": output, "cost": cost, **more}
    return Answer(f"says `{status}` with `{words}`", body=body)


IN_PROGRESS = stands("in_progress")


def html(status: int, **headers: str) -> Answer:
    """Return a page where JSON was to be."""
    answer = says(status, **headers)
    with_page = answer.words.replace(" with ", " with an HTML page and ")
    words = with_page if headers else f"{answer.words} with an HTML page"
    return replace(answer, words=words, body=b"<html><h1>Bad gateway</h1></html>")


def code(status: int, number: int, envelope: str = "error_message") -> Answer:
    """Return an error code in one of the spellings of its envelope."""
    return says(status, {**({"http_code": 400} if envelope == "message" else {}), **_spelt(number, envelope)})


def _spelt(number: int, envelope: str) -> dict[str, object]:
    problem = {"loc": ["body", "seed"], "msg": WORDS, "type": "value_error"}
    texts: dict[str, object] = {
        "error_message": WORDS,
        "message": WORDS,
        "error": WORDS,
        "error object": {"message": WORDS},
        "detail": WORDS,
        "detail list": [problem],
    }
    return {"error_code": number, envelope.partition(" ")[0]: texts[envelope]}


WORDS = "no luck today"

ENVELOPES = frozenset(("error_message", "message", "error", "error object", "detail", "detail list"))
CODES = frozenset((400001, 400002, 400004, 403001, 404001, 401001, 403003, 422001, 500001, 10001))


async def _half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"request_id": "requ')


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01 this is not HTTP\r\n\r\n")


async def _flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n{")
    for _megabyte in range(9):
        writer.write(b" " * 1_000_000)
        await writer.drain()


RESETS = Answer("resets the connection when it has read the request", act=reset)
RESETS_TAKEN = Answer("takes the request and resets the connection", act=reset, taken=True)
RESETS_AT_ONCE = Answer("accepts the connection and resets it, reading nothing", act=reset, on_connect=True)
CLOSES = Answer("closes the connection without an answer", act=_close)
HANGS = Answer("never answers", act=hang)
HANGS_TAKEN = Answer("takes the request and never answers", act=hang, taken=True)
BREAKS_OFF = Answer("breaks off in the middle of its JSON", act=_half, taken=True)
BABBLES = Answer("answers something that is not HTTP", act=_babble)
FLOODS = Answer("answers with more than 8 MiB", act=_flood)


HOUR = 3600.0


def refuses(seconds: float) -> Answer:
    """Return that connections are refused for so long from the command's start."""
    return Answer(f"refuses connections for {_shown(seconds)}", deaf=seconds)


def goes(seconds: float) -> Answer:
    """Return that the server goes away for so long when it is asked."""
    return Answer(f"resets the connection and refuses others for {_shown(seconds)}", away=seconds)


def _shown(seconds: float) -> str:
    return "an hour" if seconds == HOUR else f"{seconds:g} s"


def two_models() -> dict[str, object]:
    """Return the sections of a manifest that makes every prompt with two models."""
    return {"model": [{"id": MODEL}, {"id": "google/nano-banana-2/edit", "settings": {"image_urls": [_PICTURE]}}]}


_PICTURE = "https://playgrounds-storage-public.runcomfy.net/a.png"


def left_running(endpoint: Endpoint, name: str, answer: Answer) -> Row:
    """Return the row of a read that never comes to anything."""
    return Row(
        name=f"{endpoint} {name}",
        endpoint=endpoint,
        fault=always(answer),
        does="asks again, for `limits.wait`; leaves it in flight",
        ledger=(TAKEN.removesuffix(", "),),
        exit=3,
        told="after 60 s are left to the server",
        limits={"wait": "60s"},
        when="`limits: {wait: 60s}`",
    )


def stops_for_token(endpoint: Endpoint, name: str, answer: Answer) -> Row:
    """Return the row of a read that is refused access."""
    return Row(
        name=f"{endpoint} {name}",
        endpoint=endpoint,
        fault=always(answer),
        does="stops; leaves it in flight",
        ledger=(TAKEN.removesuffix(", "), ""),
        exit=77,
        told=TOLD_TOKEN,
        jobs=2,
        asked=1,
    )


TOLD_TOKEN = "the API does not take the token"


def lines_of(line: Mapping[str, object]) -> str:
    """Return what a row says of one line of the ledger."""
    match line:
        case {"event": "done", "files": list(files), **more}:
            notes = [f"{len(files)} files"] * (len(files) != 1) + ["no cost"] * (more.get("cost_usd") is None)
            return f"done ({', '.join(notes)})" if notes else "done"
        case {"event": str(word), "error": {"kind": str(kind), "stage": str(stage)}}:
            return f"{word} {kind} ({stage})"
        case {"event": "cancelled", "by": str(who)}:
            return f"cancelled by {who}"
    return str(line["event"])
