"""GETs and cancel: no failure of theirs gives up a request, and only the API's origin ever sees the token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from support.wire import Act, Wire, hang, http, reset

from batchgen import errors
from batchgen.job import CancelOutcome, Phase, Reading
from batchgen.runcomfy.client import Client
from batchgen.runcomfy.transport import Timeouts

TOKEN = "tok_3fA9-secret"
QUICK = Timeouts(connect=2, submit=1, read=1, file_idle=1)
DONE = {"status": "succeeded", "output": {"image": "https://cdn.runcomfy.net/a.png"}, "cost": 0.08}

Ask = Callable[[Client], Awaitable[object]]
READS: dict[str, Ask] = {
    "status": lambda client: client.status("id-1"),
    "result": lambda client: client.result("id-1"),
    "cancel": lambda client: client.cancel("id-1"),
}


def ask(question: Ask, *answers: bytes | Act, suffix: str = "") -> tuple[object, Wire]:
    """Ask once against a script; return the answer or the error, and what the server saw."""

    async def run() -> tuple[object, Wire]:
        async with (
            Wire(*answers) as wire,
            Client(base=wire.origin + suffix, token=TOKEN, timeouts=QUICK) as client,
        ):
            try:
                return await question(client), wire
            except errors.BatchgenError as error:
                assert TOKEN not in f"{error!r} {error} {getattr(error, 'info', '')!r}"
                return error, wire

    return asyncio.run(run())


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/gate/way", "/gate/way/v1"])
def test_addresses_are_built_from_the_base_and_the_id(suffix: str) -> None:
    prefix = "/gate/way" if "gate" in suffix else ""
    _, wire = ask(READS["status"], http(200, {"status": "in_queue"}), suffix=suffix)
    assert [(seen.method, seen.target) for seen in wire.seen] == [("GET", f"{prefix}/v1/requests/id-1/status")]
    assert wire.seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert wire.seen[0].headers["user-agent"].startswith("batchgen/")


@pytest.mark.parametrize(
    "answer",
    [
        http(502, f"{'x ' * 140}{'y' * 12}{TOKEN}{'z' * 99}".encode()),
        http(500, {"error_message": "x" * 2030 + TOKEN}),
        http(200, {"status": "failed", "error": "x" * 2035 + TOKEN}),
        http(200, {**DONE, "status": TOKEN}),
        http(200, {**DONE, "model_id": TOKEN, "created_at": TOKEN, "finished_at": f"{'x' * 295}{TOKEN}"}),
        http(200, {**DONE, "output": {"image": f"https://cdn.runcomfy.net/a.png?key={TOKEN}"}}),
        http(500, b'{"error_message": "' + "".join(f"\\u{ord(one):04x}" for one in TOKEN).encode() + b'"}'),
    ],
)
def test_no_part_of_an_echoed_token_gets_into_words_or_addresses(answer: bytes) -> None:
    """A token cut in half is a leak too; one in an output's address would travel to a file host."""
    found, _ = ask(READS["result"], answer, answer)
    assert TOKEN[:5] not in f"{found!r} {getattr(found, 'info', '')!r}"


def test_gets_share_a_connection_and_send_no_cookies() -> None:
    async def run() -> Wire:
        answer = http(200, {"status": "in_queue"}, Set_Cookie="a=b; Path=/")
        async with Wire(answer) as wire, Client(base=wire.origin, token=TOKEN) as client:
            for _ in range(3):
                await client.status("id-1")
            return wire

    wire = asyncio.run(run())
    assert {seen.connection for seen in wire.seen} == {1}
    assert not any("cookie" in seen.headers for seen in wire.seen)


TRANSIENT: list[tuple[str, bytes | Act]] = [
    ("reset", reset),
    ("hang", hang),
    ("429", http(429, Retry_After="4")),
    ("408", http(408)),
    ("425", http(425)),
    ("400", http(400, {"error_code": 400001})),
    ("no balance", http(402, {"error_code": 400002})),
    ("422", http(422)),
    ("500", http(500, {"error_code": 500001})),
    ("HTML 502", http(502, b"<html>bad gateway</html>")),
    ("redirect", http(302, Location="http://127.0.0.1:1/")),
    ("empty", http(200)),
    ("HTML", http(200, b"<html>hello</html>")),
    ("not an object", http(200, ["succeeded"])),
    ("too large", http(200, b'{"status": "succeeded", "x": "' + b"x" * (8 * 1024 * 1024) + b'"}')),
    ("too deep", http(200, b"[" * 100_000)),
    ("NaN", http(200, b'{"status": "succeeded", "cost": NaN}')),
    ("error_code in a 200", http(200, {"error_code": 500001, "error_message": "later"})),
]


@pytest.mark.parametrize("question", READS.values(), ids=READS.keys())
@pytest.mark.parametrize("answer", [answer for _, answer in TRANSIENT], ids=[name for name, _ in TRANSIENT])
def test_what_says_nothing_about_the_request_is_transient(answer: bytes | Act, question: Ask) -> None:
    found, _ = ask(question, answer)
    assert isinstance(found, errors.Transient)
    assert found.reached is (answer not in (reset, hang))
    assert found.retry_after == (4.0 if found.info.kind == "rate_limited" else None)


@pytest.mark.parametrize("name", ["status", "result"])
def test_an_answer_without_a_status_is_transient(name: str) -> None:
    assert isinstance(ask(READS[name], http(200, {"request_id": "id-1"}))[0], errors.Transient)


@pytest.mark.parametrize("question", READS.values(), ids=READS.keys())
@pytest.mark.parametrize(
    "answer",
    [
        http(401),
        http(403, {"message": "no"}),
        http(400, {"error_code": 400004}),
        http(200, {"error_code": 400004, "error_message": "expired"}),
        http(400, {"error_code": 401001}),
        http(200, {"error_code": 403001}),
        http(200, {"status": "error", "error_code": 400004}),
        http(200, {"status": "in_progress", "error_code": 401001}),
        http(200, {"status": "expired", "error_code": "403003"}),
    ],
)
def test_a_token_that_is_not_taken_stops_the_run(answer: bytes, question: Ask) -> None:
    found, _ = ask(question, answer)
    assert isinstance(found, errors.TokenError)
    assert "RUNCOMFY_TOKEN" in str(found)


@pytest.mark.parametrize("question", READS.values(), ids=READS.keys())
@pytest.mark.parametrize(
    "answer",
    [
        http(404),
        http(410),
        http(404, b"<html>"),
        http(400, {"error_code": 404001}),
        http(200, {"error_code": 404001}),
        http(200, {"status": "error", "error_code": 404001}),
        http(200, {"status": "in_queue", "error_code": 404001}),
    ],
)
def test_a_request_the_server_does_not_know_is_gone(answer: bytes, question: Ask) -> None:
    assert isinstance(ask(question, answer)[0], errors.Gone)


def test_nobody_answering_is_not_reached() -> None:
    async def run() -> None:
        async with Wire(http(200)) as wire:
            port = wire.origin
        async with Client(base=port, token=TOKEN, timeouts=QUICK) as client:
            with pytest.raises(errors.Transient) as caught:
                await client.status("id-1")
            assert not caught.value.reached

    asyncio.run(run())


def test_a_failed_run_with_an_error_code_is_an_answer() -> None:
    body = {"status": "failed", "error_code": 500001, "error_message": f"gpu died, {TOKEN}"}
    found, _ = ask(READS["result"], http(200, body))
    assert not isinstance(found, errors.BatchgenError)
    assert getattr(found, "phase", None) is Phase.FAILED
    assert TOKEN not in repr(found)


@pytest.mark.parametrize("code", [400004, 401001, 403001, 404001, 422001])
@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("failed", Phase.FAILED),
        ("Failed", Phase.FAILED),
        ("succeeded", Phase.SUCCEEDED),
        ("completed", Phase.SUCCEEDED),
        ("cancelled", Phase.CANCELLED),
        ("canceled", Phase.CANCELLED),
    ],
)
def test_a_documented_end_stands_whatever_code_the_run_brings_along(word: str, phase: Phase, code: int) -> None:
    found, _ = ask(READS["result"], http(200, {"status": word, "error_code": code}))
    assert isinstance(found, Reading)
    assert found.phase is phase


@pytest.mark.parametrize(("word", "phase"), [("error", Phase.FAILED), ("in_progress", Phase.PENDING)])
def test_a_status_beside_a_code_is_an_answer_where_it_names_the_request(word: str, phase: Phase) -> None:
    """Without a request id it may be the API's word for trouble of its own: nothing is known then."""
    body = {"status": word, "error_code": 500001}
    found, _ = ask(READS["result"], http(200, {**body, "request_id": "id-1"}))
    assert isinstance(found, Reading)
    assert (found.phase, found.documented) == (phase, phase is Phase.PENDING)
    assert isinstance(ask(READS["result"], http(200, body))[0], errors.Transient)


def test_the_cost_is_asked_for() -> None:
    found, wire = ask(READS["result"], http(200, DONE))
    assert wire.seen[0].target == "/v1/requests/id-1/result?include_cost=true"
    assert getattr(found, "cost_usd", None) == Decimal("0.08")


def targets_of_two_results(*answers: bytes) -> list[str]:
    async def run() -> list[str]:
        async with Wire(*answers) as wire, Client(base=wire.origin, token=TOKEN) as client:
            for _ in range(2):
                try:
                    await client.result("i")
                except (errors.BatchgenError, errors.Transient):
                    continue
            return [seen.target.removeprefix("/v1/requests/i/") for seen in wire.seen]

    return asyncio.run(run())


def test_an_api_that_refuses_the_cost_parameter_is_asked_without_it_from_then_on() -> None:
    assert targets_of_two_results(http(422), http(200, DONE)) == ["result?include_cost=true", "result", "result"]


def test_a_request_that_fails_either_way_does_not_cost_the_others_their_price() -> None:
    found = targets_of_two_results(http(400), http(400), http(200, DONE))
    assert found == ["result?include_cost=true", "result", "result?include_cost=true"]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 408, 500])
def test_an_answer_that_is_not_about_the_parameter_is_not_asked_again(status: int) -> None:
    assert targets_of_two_results(http(status)) == ["result?include_cost=true"] * 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (http(202, {"status": "cancelled", "outcome": "cancelled"}), CancelOutcome.CANCELLED),
        (http(202, {"status": "completed", "outcome": "cancelled"}), CancelOutcome.CANCELLED),
        (http(200, {"outcome": "Canceled"}), CancelOutcome.CANCELLED),
        (http(202, {"status": "in_progress", "outcome": "not_cancellable"}), CancelOutcome.NOT_CANCELLABLE),
        (http(409, {"outcome": "not_cancellable"}), CancelOutcome.NOT_CANCELLABLE),
        (http(202, {"outcome": "cancellation_requested"}), CancelOutcome.REQUESTED),
        (http(202, {"status": "cancellation_requested"}), CancelOutcome.REQUESTED),
        (http(202, {"status": "cancelled"}), CancelOutcome.REQUESTED),
        (http(202, {"outcome": 7}), CancelOutcome.REQUESTED),
    ],
)
def test_cancel_trusts_the_outcome_alone(answer: bytes, outcome: CancelOutcome) -> None:
    found, wire = ask(READS["cancel"], answer)
    assert found is outcome
    assert (wire.seen[0].method, wire.seen[0].target, wire.seen[0].body) == ("POST", "/v1/requests/id-1/cancel", b"")


@pytest.mark.parametrize("request_id", ["", "a/b", "a?b", "..", "x" * 129, "ä"])
def test_a_text_that_is_no_request_id_goes_into_no_path(request_id: str) -> None:
    found, wire = ask(lambda client: client.status(request_id), http(200, DONE))
    assert isinstance(found, errors.UsageError)
    assert wire.seen == []


def test_a_model_is_read_by_its_id() -> None:
    body = {"model_id": "a/b", "base_price_usd": 0.08, "input_schema": {"type": "object"}}
    found, wire = ask(lambda client: client.model("a/b"), http(200, body))
    assert found == body
    assert wire.seen[0].target == "/v1/models/a/b"


@pytest.mark.parametrize("answer", [http(404), http(400, {"error_code": 400001}), http(200, {"error_code": 400001})])
def test_an_unknown_model_is_told_from_trouble(answer: bytes) -> None:
    assert isinstance(ask(lambda client: client.model("a/b"), answer)[0], errors.ModelRejected)
    assert isinstance(ask(lambda client: client.model("a/b"), http(503))[0], errors.Transient)


def test_the_catalog_is_read_in_pages() -> None:
    found, wire = ask(
        lambda client: client.models(search="nano & co", limit=5, offset=10, include_schema=True),
        http(200, {"models": [], "total": 0}),
    )
    assert found == {"models": [], "total": 0}
    assert wire.seen[0].target == "/v1/models?limit=5&offset=10&search=nano+%26+co&include_schema=true"


def test_the_balance_is_dollars() -> None:
    async def run(body: object) -> Decimal:
        async with Wire(http(200, body)) as wire, Client(base=wire.origin, token=TOKEN) as client:
            return await client.balance(f"{wire.origin}/prod/v2/")

    assert asyncio.run(run({"balance_usd": 64.10641})) == Decimal("64.10641")
    for body in ({}, {"balance_usd": True}, {"balance_usd": "64"}):
        with pytest.raises(errors.Transient):
            asyncio.run(run(body))


@pytest.mark.parametrize("base", ["https://example.com/v2", "http://api.runcomfy.net", "https://u@api.runcomfy.net"])
def test_the_balance_is_asked_nowhere_but_at_runcomfy(base: str) -> None:
    found, wire = ask(lambda client: client.balance(base), http(200, {"balance_usd": 1}))
    assert isinstance(found, errors.UsageError)
    assert wire.seen == []


def test_the_environments_proxies_and_passwords_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    found, _ = ask(READS["status"], http(200, {"status": "in_queue"}))
    assert not isinstance(found, errors.BatchgenError)


def test_the_origin_is_the_apis_or_the_name_it_was_given() -> None:
    assert Client(base="https://model-api.runcomfy.net/v1", token=TOKEN).origin == "https://model-api.runcomfy.net"
    assert Client(base="http://127.0.0.1:8080", token=TOKEN, name="sandbox").origin == "sandbox"
