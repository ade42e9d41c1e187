"""What servers and the environment may try: bombs, endless answers, proxies, credentials that are not asked for."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from functools import cache

import pytest
from support.sandboxed import TOKEN, Workplace
from support.wire import Act, Wire, http

from batchgen import errors
from batchgen.job import make_job
from batchgen.runcomfy.client import Client
from batchgen.runcomfy.transport import Timeouts

QUICK = Timeouts(connect=5, submit=5, read=5, file_idle=2)
UNPACKED = 256 << 20
BOUND = 128 << 20
"""Far more than any answer needs, far less than a bomb unpacks to."""

Ask = Callable[[Client], Awaitable[object]]


async def read_file(client: Client, url: str) -> int:
    """Read a file to its end and return its size."""
    async with client.open(url) as pieces:
        return sum([len(piece) async for piece in pieces])


@cache
def bomb(encoding: str) -> bytes:
    """Return a small body that unpacks to `UNPACKED` bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    piece = b"[" * (1 << 20)
    return b"".join(packer.compress(piece) for _ in range(UNPACKED >> 20)) + packer.flush()


def peak_of(
    question: Callable[[Wire, Client], Awaitable[object]],
    *answers: bytes | Act,
    timeouts: Timeouts = QUICK,
    max_file_bytes: int = 8 << 20,
) -> tuple[object, int]:
    """Ask once; return the answer, or our error, and the most memory that was in use."""

    async def run() -> object:
        async with (
            Wire(*answers) as wire,
            Client(base=wire.origin, token=TOKEN, timeouts=timeouts, max_file_bytes=max_file_bytes) as client,
        ):
            try:
                return await question(wire, client)
            except errors.BatchgenError as error:
                return error

    tracemalloc.start()
    try:
        return asyncio.run(run()), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_an_answer_that_unpacks_to_a_bomb_is_left_unread(encoding: str) -> None:
    answer = http(200, bomb(encoding), Content_Encoding=encoding)
    found, peak = peak_of(lambda wire, client: client.status("id-1"), answer)
    assert isinstance(found, errors.Transient)
    assert peak < BOUND


def test_a_post_answered_by_a_bomb_may_have_been_taken() -> None:
    answer = http(200, bomb("gzip"), Content_Encoding="gzip")
    found, peak = peak_of(lambda wire, client: client.submit(make_job(1, "a/b", {"prompt": "x"})), answer)
    assert isinstance(found, errors.Ambiguous)
    assert peak < BOUND


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_file_that_unpacks_to_a_bomb_stops_at_the_bound(encoding: str) -> None:
    answer = http(200, bomb(encoding), Content_Encoding=encoding)
    found, peak = peak_of(
        lambda wire, client: read_file(client, f"{wire.origin}/a.png"),
        answer,
    )
    assert isinstance(found, errors.FileError | errors.Transient)
    assert peak < BOUND


def endless(head: bytes, again: bytes) -> Act:
    """Return an answer that never ends."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(again)
            await writer.drain()

    return act


ENDLESS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"".join(b"X-%d: %s\r\n" % (number, b"a" * 500) for number in range(200))),
    "one header": (b"HTTP/1.1 200 OK\r\nX: ", b"a" * 65536),
    "status line": (b"HTTP/1.1 200 ", b"a" * 65536),
    "informational answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 1000),
    "chunk size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
    "chunk extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 65536),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n",
        b"X: %s\r\n" % (b"a" * 500) * 200,
    ),
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"[" * 65536),
}


@pytest.mark.parametrize("part", ENDLESS)
@pytest.mark.parametrize("what", ["answer", "file"])
def test_an_answer_without_end_is_given_up(part: str, what: str) -> None:
    """An exchange with the API has a time limit of its own; around a file stands the engine's, played here."""

    async def ask(wire: Wire, client: Client) -> object:
        if what == "answer":
            return await client.status("id-1")
        try:
            async with asyncio.timeout(1):
                return await read_file(client, f"{wire.origin}/a")
        except TimeoutError:
            raise errors.UnavailableError("the engine's limit") from None

    found, peak = peak_of(ask, endless(*ENDLESS[part]), timeouts=Timeouts(read=1))
    assert isinstance(found, errors.Transient | errors.FileError | errors.UnavailableError)
    assert peak < BOUND


def test_no_proxy_and_no_credentials_come_from_the_environment(place: Workplace) -> None:
    """A proxy would see prompts, and make POSTs that never left look sent; .netrc would put a password into a GET."""

    async def run() -> tuple[int, int]:
        async with Wire(http(502)) as proxy:
            names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
            place.environment.update(dict.fromkeys(names, proxy.origin), NO_PROXY="", no_proxy="")
            netrc = place.folder / "home" / ".netrc"
            netrc.write_text("default login somebody password something\n")
            netrc.chmod(0o600)
            place.environment["NETRC"] = str(netrc)
            for arguments in (["run", place.manifest(["a fox"])], ["models"], ["doctor"], ["fetch", "m.yaml"]):
                ended = await asyncio.to_thread(place.run, *arguments)
                assert ended.code == 0, ended.err
            return len(proxy.seen), place.book().count("done")

    assert asyncio.run(run()) == (0, 1)


def test_a_file_host_is_told_nothing_but_the_address() -> None:
    """No token, no cookie, no address that led there, and no offer to unpack anything."""
    picture = gzip.compress(b"x")

    async def run() -> dict[str, str]:
        async with Wire(http(200, picture, Set_Cookie="a=b; Path=/")) as wire:
            async with Client(base=wire.origin, token=TOKEN, timeouts=QUICK) as client:
                await read_file(client, f"{wire.origin}/a.png")
                await read_file(client, f"{wire.origin}/b.png")
            return wire.seen[-1].headers

    seen = asyncio.run(run())
    assert set(seen) == {"host", "accept", "accept-encoding", "user-agent"}
    assert seen["accept-encoding"] == "identity"
