"""A POST is money: what each way of failing, over real sockets, says about whether the server may have taken it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from support.wire import Act, Seen, Wire, hang, http, reset

from batchgen import errors
from batchgen.errors import Stage
from batchgen.job import Job, make_job
from batchgen.runcomfy import verdicts
from batchgen.runcomfy.client import Client
from batchgen.runcomfy.envelope import Reply, open_envelope
from batchgen.runcomfy.transport import Timeouts
from batchgen.runcomfy.uploads import Uploads

TOKEN = "tok_3fA9-secret/with+signs"
JOB = make_job(1, "google/nano-banana-2/text-to-image", {"prompt": "a red fox, 雪", "seed": 7, "wide": 2**70})
QUICK = Timeouts(connect=2, submit=1, read=1, file_idle=1)
ID = {"request_id": "9f2c7a10-1111"}


async def submit(base: str, job: Job = JOB, timeouts: Timeouts = QUICK) -> str:
    async with Client(base=base, token=TOKEN, timeouts=timeouts) as client:
        return await client.submit(job)


def outcome(*answers: bytes | Act, greet: Act | None = None) -> tuple[str | errors.BatchgenError, Wire]:
    """Submit once against a script and return the id or the error, and what the server saw."""

    async def run() -> tuple[str | errors.BatchgenError, Wire]:
        async with Wire(*answers, greet=greet) as wire:
            try:
                return await submit(wire.origin), wire
            except errors.BatchgenError as error:
                assert TOKEN not in f"{error!r} {error} {error.__cause__!r} {getattr(error, 'info', '')!r}"
                return error, wire

    return asyncio.run(run())


def failure(*answers: bytes | Act) -> errors.BatchgenError:
    found, wire = outcome(*answers)
    assert isinstance(found, errors.BatchgenError)
    assert len(wire.seen) == 1, "a POST was sent more than once"
    return found


def attempt_failure(*answers: bytes | Act) -> errors.AttemptError:
    found = failure(*answers)
    assert isinstance(found, errors.AttemptError)
    return found


def test_an_accepted_post_sends_the_input_itself_and_returns_the_id() -> None:
    found, wire = outcome(http(200, ID))
    assert found == "9f2c7a10-1111"
    (seen,) = wire.seen
    assert (seen.method, seen.target) == ("POST", "/v1/models/google/nano-banana-2/text-to-image")
    assert json.loads(seen.body) == dict(JOB.input)
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"
    assert seen.headers["content-type"] == "application/json"


def test_every_post_travels_on_a_connection_of_its_own() -> None:
    async def run() -> list[int]:
        async with Wire(http(200, ID)) as wire, Client(base=wire.origin, token=TOKEN) as client:
            for _ in range(3):
                await client.submit(JOB)
            return [seen.connection for seen in wire.seen]

    assert asyncio.run(run()) == [1, 2, 3]


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_with_an_id_is_accepted(status: int) -> None:
    assert outcome(http(status, ID))[0] == "9f2c7a10-1111"


def test_an_id_beside_an_error_code_is_never_lost() -> None:
    assert outcome(http(200, {**ID, "error_code": 400002, "error_message": "no funds"}))[0] == "9f2c7a10-1111"


@pytest.mark.parametrize("given", ["has space", "../../x", "x" * 129, 12345])
def test_an_id_of_unknown_form_is_ambiguous_and_stands_in_the_message(given: object) -> None:
    found = attempt_failure(http(200, {"request_id": given}))
    assert isinstance(found, errors.Ambiguous)
    assert str(given) in found.info.message


@pytest.mark.parametrize("given", [["a"], {"id": "a"}, [[[[]]]] * 3, True, ""])
def test_an_id_that_is_no_text_is_ambiguous(given: object) -> None:
    assert isinstance(failure(http(200, {"request_id": given})), errors.Ambiguous)


def test_an_id_in_an_ambiguous_error_stands_in_the_message() -> None:
    found = attempt_failure(http(500, {**ID, "message": "oops"}))
    assert isinstance(found, errors.Ambiguous)
    assert '"9f2c7a10-1111"' in found.info.message


def test_a_token_echoed_as_id_does_not_show() -> None:
    assert isinstance(failure(http(200, {"request_id": TOKEN})), errors.Ambiguous)


@pytest.mark.parametrize("token", ["x", "1", "9f2c", "request", "-"])
def test_a_short_stand_in_for_a_token_leaves_ids_as_they_are(token: str) -> None:
    """A request without its id is paid for and lost."""

    async def run() -> str:
        async with Wire(http(200, ID)) as wire, Client(base=wire.origin, token=token) as client:
            return await client.submit(JOB)

    assert asyncio.run(run()) == ID["request_id"]


def test_a_refused_connection_was_certainly_not_taken() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(errors.Refused, match="nothing was sent") as caught:
            asyncio.run(submit(f"http://127.0.0.1:{port}"))
    assert not caught.value.reached


def test_an_unknown_host_name_was_certainly_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(errors.Refused) as caught:
        asyncio.run(submit("https://api.invalid"))
    assert not caught.value.reached


def test_a_failed_tls_handshake_was_certainly_not_taken() -> None:
    async def run() -> Wire:
        async with Wire(http(200, ID), greet=plain) as wire:
            with pytest.raises(errors.Refused) as caught:
                await submit(wire.origin.replace("http:", "https:"))
            assert not caught.value.reached
            return wire

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"this is no TLS\r\n\r\n")

    assert asyncio.run(run()).seen == []


def test_a_tls_handshake_that_hangs_was_certainly_not_taken() -> None:
    async def run() -> None:
        async with Wire(http(200, ID), greet=hang) as wire:
            with pytest.raises(errors.Refused):
                await submit(wire.origin.replace("http:", "https:"))

    asyncio.run(run())


def test_a_connection_that_is_never_accepted_was_certainly_not_taken() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for other in (first, second):
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        with pytest.raises(errors.Refused) as caught:
            asyncio.run(submit(f"http://127.0.0.1:{full.getsockname()[1]}", timeouts=Timeouts(connect=0.1)))
    assert not caught.value.reached


def test_a_total_limit_that_ends_while_connecting_was_certainly_not_taken() -> None:
    async def run() -> None:
        async with Wire(http(200, ID), greet=hang) as wire:
            with pytest.raises(errors.Refused):
                await submit(wire.origin.replace("http:", "https:"), timeouts=Timeouts(connect=5, submit=0.1))

    asyncio.run(run())


async def half_an_answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"request_id":"9f2c')


async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01 what is this\r\n\r\n")


async def silence(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


AMBIGUOUS: list[tuple[str, bytes | Act]] = [
    ("reset after the request", reset),
    ("closed without an answer", silence),
    ("no answer in time", hang),
    ("half an answer", half_an_answer),
    ("no HTTP", nonsense),
    ("empty", http(200)),
    ("no JSON", http(200, b"<html>OK</html>")),
    ("no object", http(200, [1])),
    ("no id", http(200, {"status": "in_queue"})),
    ("null id", http(200, {"request_id": None})),
    ("empty id", http(200, {"request_id": ""})),
    ("too large", http(200, b'{"request_id": "a", "x": "' + b"x" * (8 * 1024 * 1024) + b'"}')),
    ("gzip that is none", http(200, ID, Content_Encoding="gzip")),
    ("408", http(408)),
    ("425", http(425)),
    ("500", http(500, {"message": "oops"})),
    ("HTML 502", http(502, b"<html><body><h1>Bad gateway</h1></body></html>")),
    ("503 with Retry-After", http(503, Retry_After="5")),
    ("504", http(504)),
    ("500001 in a 500", http(500, {"error_code": 500001})),
    ("500001 in a 400", http(400, {"error_code": 500001})),
    ("500001 in a 200", http(200, {"error_code": 500001})),
    ("a code of no known class in a 200", http(200, {"error_code": 7})),
    ("429 only in the code", http(200, {"error_code": 429001})),
]


@pytest.mark.parametrize("answer", [answer for _, answer in AMBIGUOUS], ids=[name for name, _ in AMBIGUOUS])
def test_after_bytes_left_no_clear_answer_is_ambiguous(answer: bytes | Act) -> None:
    found = attempt_failure(answer)
    assert isinstance(found, errors.Ambiguous)
    assert found.info.stage is errors.Stage.SUBMIT


def test_a_server_that_resets_before_reading_leaves_it_open() -> None:
    found, _ = outcome(http(200, ID), greet=reset)
    # The connection stood when the POST was handed to it: what the kernel had sent by then cannot be known.
    assert isinstance(found, errors.Ambiguous | errors.Refused)
    if isinstance(found, errors.Refused):
        assert not found.reached


ENVELOPES: list[Callable[[int], dict[str, object]]] = [
    lambda code: {"error_code": code, "error_message": "in words"},
    lambda code: {"http_code": 400, "error_code": code, "message": "in words"},
    lambda code: {"error_code": str(code), "error": {"message": "in words"}},
    lambda code: {"error_code": code, "detail": [{"loc": ["body", "seed"], "msg": "in words", "type": "t"}]},
]


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 500])
@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400002, errors.BalanceError),
        (10001, errors.BalanceError),
        (400004, errors.TokenError),
        (401001, errors.TokenError),
        (400001, errors.ModelRejected),
        (404001, errors.ModelRejected),
        (403001, errors.Forbidden),
        (403003, errors.Forbidden),
        (422001, errors.Rejected),
    ],
)
def test_the_error_code_comes_before_the_status(
    code: int, kind: type[errors.BatchgenError], envelope: Callable[[int], dict[str, object]], status: int
) -> None:
    reply = Reply(status, {}, json.dumps(envelope(code)).encode())
    with pytest.raises(kind) as caught:
        verdicts.accepted(open_envelope(reply, TOKEN, datetime.now(UTC)))
    assert type(caught.value) is kind
    assert "in words" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "word"),
    [
        (401, errors.TokenError, None),
        (402, errors.BalanceError, None),
        (403, errors.Forbidden, "forbidden"),
        (404, errors.ModelRejected, "model"),
        (400, errors.Rejected, "invalid_input"),
        (422, errors.Rejected, "invalid_input"),
        (413, errors.Rejected, "too_large"),
        (409, errors.Rejected, "invalid_input"),
        (301, errors.Rejected, "redirect"),
        (307, errors.Rejected, "redirect"),
        (308, errors.Rejected, "redirect"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"plain words", b"<html>page</html>", {"message": "words"}])
def test_without_a_code_the_status_decides(
    status: int, kind: type[errors.BatchgenError], word: str | None, body: object
) -> None:
    found = failure(http(status, body, Location="http://127.0.0.1:1/"))
    assert type(found) is kind
    if isinstance(found, errors.JobError):
        assert (found.info.kind, found.info.http_status) == (word, status)


def test_a_redirect_is_never_followed() -> None:
    async def run() -> None:
        async with Wire(http(200, ID)) as other, Wire(http(307, Location=f"{other.origin}/v1/x")) as wire:
            with pytest.raises(errors.Rejected, match="redirect"):
                await submit(wire.origin)
            assert other.seen == []

    asyncio.run(run())


def test_a_clear_no_stays_clear_when_its_body_breaks_off() -> None:
    async def broken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 429 Slow\r\nContent-Length: 100\r\nRetry-After: 3\r\n\r\n{")

    found = attempt_failure(broken)
    assert isinstance(found, errors.Refused)
    assert found.retry_after == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": " 1.5 "}, 1.5),
        ({"Retry_After": "86400"}, 300.0),
        ({"Retry_After": "-3"}, None),
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "9" * 400}, None),
        ({"Retry_After": "Wed, 21 Oct 2026 07:28:20 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 20.0),
        ({"Retry_After": "Wed, 21 Oct 2026 09:28:20 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 300.0),
        ({"Retry_After": "Wed, 21 Oct 2026 07:27:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"Retry_After": "Wed, 21 Oct 1998 07:27:00 GMT"}, None),
    ],
)
def test_a_real_429_was_not_taken_and_its_wish_is_bounded(headers: dict[str, str], seconds: float | None) -> None:
    found = attempt_failure(http(429, {"message": "slow down"}, **headers))
    assert isinstance(found, errors.Refused)
    assert found.reached
    assert found.retry_after == seconds


@pytest.mark.parametrize(
    "model", ["../requests/x/cancel", "a/../b", "a b", "a?x=1", "a#b", "a//b", "", "a/%2e%2e", "é"]
)
def test_a_model_id_that_would_change_the_path_is_not_sent(model: str) -> None:
    async def run() -> None:
        async with Wire(http(200, ID)) as wire:
            with pytest.raises(errors.ModelRejected):
                await submit(wire.origin, make_job(1, model, {}))
            assert wire.seen == []

    asyncio.run(run())


def test_a_post_cancelled_before_anything_was_sent_was_certainly_not_taken() -> None:
    async def run() -> list[Seen]:
        connected = asyncio.Event()

        async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connected.set()
            await hang(reader, writer)

        async with Wire(http(200, ID), greet=handshake) as wire:
            post = asyncio.create_task(submit(wire.origin.replace("http:", "https:"), timeouts=Timeouts()))
            await connected.wait()
            await cancelled_as_refused(post)
            return wire.seen

    assert asyncio.run(run()) == []


def test_a_post_cancelled_while_its_input_is_read_was_certainly_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[Seen]:
        reading = asyncio.Event()

        async def never(*_: object) -> bytes:
            reading.set()
            await asyncio.Event().wait()
            raise AssertionError

        monkeypatch.setattr(Uploads, "body", never)
        async with Wire(http(200, ID)) as wire:
            post = asyncio.create_task(submit(wire.origin))
            await reading.wait()
            await cancelled_as_refused(post)
            return wire.seen

    assert asyncio.run(run()) == []


async def cancelled_as_refused(post: asyncio.Task[str]) -> None:
    """Cancel a POST of which nothing was sent, and hold it to what a caller may rely on."""
    post.cancel()
    with pytest.raises(errors.Refused, match="left before anything was sent") as caught:
        await post
    assert (caught.value.reached, caught.value.info.kind, caught.value.info.stage) == (False, "left", Stage.SUBMIT)
    assert post.cancelling() == 0, "the cancellation was swallowed but still counts"


def test_a_cancelled_post_stays_a_cancellation() -> None:
    async def run() -> None:
        arrived = asyncio.Event()

        async def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set()
            await hang(reader, writer)

        async with Wire(arrive) as wire, Client(base=wire.origin, token=TOKEN) as client:
            post = asyncio.create_task(client.submit(JOB))
            await arrived.wait()
            post.cancel()
            with pytest.raises(asyncio.CancelledError):
                await post
            assert post.cancelled()

    asyncio.run(run())


def test_the_servers_words_are_kept_and_the_token_is_not() -> None:
    found = failure(http(422, {"detail": [{"loc": ["body", "seed"], "msg": f"\x1b[31mbad, {TOKEN}", "type": "x"}]}))
    assert "seed: \ufffd[31mbad, [token]" in str(found)
    found = failure(http(400, ("x" * 2040 + TOKEN).encode()))
    assert TOKEN[:6] not in str(found)
