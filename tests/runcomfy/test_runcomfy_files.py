"""Outputs: fetched without the token, from allowed hosts alone, and whole or not at all."""

from __future__ import annotations

import asyncio

import pytest
from support.wire import Act, Wire, hang, http, reset

from batchgen import errors
from batchgen.errors import Stage
from batchgen.runcomfy.client import Client
from batchgen.runcomfy.transport import Timeouts

TOKEN = "tok_3fA9-secret"
QUICK = Timeouts(connect=2, file_idle=1)
KEY = "/eNoza%3D/a%2Fb/output/x_output.png?sig=k%2F2%3D&e=1"


async def fetch(wire: Wire, path: str = "/x.png", max_file_bytes: int = 1000) -> bytes:
    async with Client(base=wire.origin, token=TOKEN, timeouts=QUICK, max_file_bytes=max_file_bytes) as client:
        url = path if path.startswith("http") else wire.origin + path
        async with client.open(url) as stream:
            return b"".join([piece async for piece in stream])


def fetched(*answers: bytes | Act, path: str = "/x.png") -> tuple[bytes | errors.BatchgenError, Wire]:
    async def run() -> tuple[bytes | errors.BatchgenError, Wire]:
        async with Wire(*answers) as wire:
            try:
                return await fetch(wire, path), wire
            except errors.BatchgenError as error:
                return error, wire

    return asyncio.run(run())


def test_a_file_arrives_whole_from_exactly_the_url_that_was_given() -> None:
    found, wire = fetched(http(200, b"\x89PNG" * 100), path=KEY)
    assert found == b"\x89PNG" * 100
    assert wire.seen[0].target == KEY


def test_a_file_host_never_sees_the_token() -> None:
    _, wire = fetched(http(302, Location="/y.png"), http(200, b"x"))
    assert len(wire.seen) == 2
    for seen in wire.seen:
        assert TOKEN not in repr(seen)
        assert not {"authorization", "cookie", "referer"} & set(seen.headers)


@pytest.mark.parametrize("target", ["y%3D.png?a=%2F", "/y%3D.png?a=%2F"])
def test_a_redirect_within_the_rule_is_followed_as_written(target: str) -> None:
    found, wire = fetched(http(302, Location=target), http(200, b"x"))
    assert (found, wire.seen[1].target) == (b"x", "/y%3D.png?a=%2F")


def test_three_redirects_are_followed_and_no_more() -> None:
    hop = http(307, Location="/again")
    assert fetched(hop, hop, hop, http(200, b"x"))[0] == b"x"
    found, wire = fetched(hop)
    assert isinstance(found, errors.FileError)
    assert len(wire.seen) == 4


@pytest.mark.parametrize(
    "target",
    ["https://example.com/x", "//example.com/x", "http://127.0.0.1:1/x", "http://localhost/x", "file:///etc/passwd",
     "https://u:p@cdn.runcomfy.net/x", "https://cdn.runcomfy.net:8443/x", "http://[", "https://\xe4.runcomfy.net/"],
)  # fmt: skip
def test_every_hop_passes_the_same_rule(target: str) -> None:
    found, wire = fetched(http(302, Location=target), http(200, b"x"))
    assert isinstance(found, errors.FileError)
    assert (found.info.kind, found.info.stage) == ("host", Stage.OUTPUT)
    assert len(wire.seen) == 1


def test_a_refused_host_is_named_and_not_contacted() -> None:
    found, wire = fetched(http(200, b"x"), path="https://files.example.com/x.png?sig=hidden")
    assert isinstance(found, errors.FileError)
    assert "--allow-host files.example.com" in found.info.message
    assert "hidden" not in found.info.message
    assert wire.seen == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_dead_link_is_told_from_a_dead_file(status: int) -> None:
    assert isinstance(fetched(http(status))[0], errors.LinkExpired)


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 416])
def test_only_a_200_brings_a_whole_file(status: int) -> None:
    found, _ = fetched(http(status, b"" if status in (204, 304) else b"x"))
    assert isinstance(found, errors.FileError)
    assert (found.info.http_status, found.again) == (status, False)


async def short(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")


async def cut_chunks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")


async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
    await reader.read()


@pytest.mark.parametrize(
    ("answer", "reached"),
    [
        (http(429, Retry_After="9"), True),
        (http(500), True),
        (http(503), True),
        (short, True),
        (cut_chunks, True),
        (stall, True),
        (reset, False),
        (hang, False),
    ],
)
def test_what_may_pass_is_transient(answer: bytes | Act, reached: bool) -> None:
    found, _ = fetched(answer)
    assert isinstance(found, errors.Transient)
    assert (found.reached, found.info.stage) == (reached, Stage.FILE)
    assert found.retry_after == (9.0 if found.info.http_status == 429 else None)


async def far_too_long(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send thousands of times the cap, and say nothing of it beforehand."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _chunk in range(4000):
        if writer.is_closing():
            return
        writer.write(b"400\r\n" + b"x" * 0x400 + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")


@pytest.mark.parametrize("answer", [http(200, b"x" * 1001), far_too_long])
def test_a_file_over_the_cap_is_not_read_to_its_end(answer: bytes | Act) -> None:
    found, _ = fetched(answer)
    assert isinstance(found, errors.FileError)
    assert found.info.kind == "too_big"


def test_a_file_of_exactly_the_cap_is_taken() -> None:
    assert fetched(http(200, b"x" * 1000))[0] == b"x" * 1000


def test_leaving_early_raises_nothing_and_an_error_inside_passes() -> None:
    async def run() -> None:
        async with Wire(stall) as wire, Client(base=wire.origin, token=TOKEN) as client:
            with pytest.raises(LookupError):
                async with client.open(f"{wire.origin}/x") as stream:
                    async for _ in stream:
                        raise LookupError

    asyncio.run(run())
