"""What servers and the environment may try: bombs, endless answers, proxies, credentials that are not asked for."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import ssl
import subprocess
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import pytest
from support.sandboxed import TOKEN, Workplace
from support.wire import Act, Wire, http

from batchgen import errors
from batchgen.catalog import schema
from batchgen.job import Json, make_job
from batchgen.runcomfy.client import Client
from batchgen.runcomfy.transport import Timeouts

QUICK = Timeouts(connect=5, submit=5, read=5, file_idle=2)
UNPACKED = 256 << 20
BOUND = 128 << 20
"""Far more than any answer needs, far less than a bomb unpacks to."""

OPENSSL = shutil.which("openssl") or ""


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


@pytest.mark.skipif(not OPENSSL, reason="needs openssl to make a certificate")
def test_a_server_without_a_certificate_for_its_name_is_told_nothing(tmp_path: Path) -> None:
    """TLS is what makes a name on the list mean the host of that name."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    subprocess.run([OPENSSL, *make, *names, "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def run() -> list[bytes]:
        heard: list[bytes] = []

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read(1000))
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
        base = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, Client(base=base, token=TOKEN, timeouts=QUICK) as client:
            with pytest.raises(errors.Transient, match="cannot connect"):
                await client.status("id-1")
            with pytest.raises(errors.Refused, match="nothing was sent"):
                await client.submit(make_job(1, "a/b", {"prompt": "x"}))
            with pytest.raises(errors.Transient, match="cannot connect"):
                await read_file(client, f"{base}/a.png")
        return heard

    assert asyncio.run(run()) == []


def test_no_redirect_of_the_api_is_followed() -> None:
    """It would take the token to wherever it points."""

    async def run() -> list[object]:
        async with Wire(http(200, {"status": "in_queue"})) as elsewhere:
            redirect = http(307, Location=f"{elsewhere.origin}/v1/requests/id-1/status")
            async with Wire(redirect) as wire, Client(base=wire.origin, token=TOKEN, timeouts=QUICK) as client:
                for question in (client.status("id-1"), client.cancel("id-1"), client.model("a/b")):
                    with pytest.raises(errors.Transient, match="redirect"):
                        await question
            return list(elsewhere.seen)

    assert asyncio.run(run()) == []


def test_a_schema_fetches_nothing() -> None:
    """A live schema, or a planted catalog.json, may refer to an address: it is not asked."""

    async def run() -> tuple[list[object], str]:
        async with Wire(http(200, {"type": "string"})) as wire:
            properties: dict[str, Json] = {
                "a": {"$ref": f"{wire.origin}/schema.json"},
                "b": {"$ref": "file:///etc/hostname"},
            }
            spec = await asyncio.to_thread(schema.build, "a/b", {"properties": properties})
            return list(wire.seen), " ".join(spec.notes)

    seen, notes = asyncio.run(run())
    assert seen == []
    assert "may not refer to" in notes
