"""What submissions meet: POST /v1/models/{model_id}. A POST is money."""

from __future__ import annotations

from dataclasses import replace

from faults.rows import (
    AND_SO_ON,
    BABBLES,
    BREAKS_OFF,
    CLOSES,
    DONE,
    FLOODS,
    HANGS_TAKEN,
    HOUR,
    RESETS,
    RESETS_AT_ONCE,
    RESETS_TAKEN,
    SENT,
    WORDS,
    Row,
    always,
    code,
    html,
    once,
    refuses,
    says,
    takes,
    two_models,
)
from support.faulty import Answer, Endpoint, Fault

ON = Endpoint.SUBMIT
TOLD_BALANCE = "the account has no balance left"
TOLD_TOKEN = "the API does not take the token"


def stops_for_balance(name: str, answer: Answer, *, real: bool = False) -> Row:
    """No balance: the second job is not even tried."""
    return Row(
        name=name,
        endpoint=ON,
        fault=once(answer),
        does="stops, and collects what is in flight",
        ledger=(f"{SENT}refused balance (submit)", ""),
        exit=5,
        told=TOLD_BALANCE,
        jobs=2,
        real=real,
    )


def stops_for_token(name: str, answer: Answer, told: str = TOLD_TOKEN, kind: str = "token") -> Row:
    """A token that is not taken: everything stops."""
    return Row(
        name=name,
        endpoint=ON,
        fault=once(answer),
        does="stops",
        ledger=(f"{SENT}refused {kind} (submit)", ""),
        exit=77,
        told=told,
        jobs=2,
    )


def fails(name: str, kind: str, answer: Answer, told: str = WORDS, *, real: bool = False) -> Row:
    """A clear no to this input: the other job is made."""
    return Row(
        name=name,
        endpoint=ON,
        fault=once(answer),
        does="fails it, and goes on with the others",
        ledger=(f"{SENT}failed {kind} (submit)", DONE),
        exit=1,
        told=told,
        posts=2,
        jobs=2,
        real=real,
    )


def blocks(name: str, answer: Answer) -> Row:
    """A clear no to this model: its other jobs are not sent."""
    return Row(
        name=name,
        endpoint=ON,
        fault=once(answer),
        does="fails all jobs of this model, the later ones unsent",
        ledger=(f"{SENT}failed model (submit)", DONE, "failed model (submit)", DONE),
        exit=1,
        told="the server does not know this model",
        posts=3,
        jobs=2,
        manifest=two_models(),
    )


def holds(name: str, kind: str, answer: Answer, told: str, *, real: bool = False) -> Row:
    """Nobody can know whether it was taken."""
    return Row(
        name=name,
        endpoint=ON,
        fault=once(answer),
        does="holds it as unknown, and goes on with the others",
        ledger=(f"{SENT}unknown {kind} (submit)", DONE),
        exit=4,
        told=told,
        posts=2,
        jobs=2,
        real=real,
    )


def repeats(name: str, fault: Fault, kind: str, tries: int = 2, posts: int | None = None) -> Row:
    """Certainly not taken: sent again after a while."""
    return Row(
        name=name,
        endpoint=ON,
        fault=fault,
        does="waits, and sends it again: it was not taken",
        ledger=(f"{SENT}refused {kind} (submit), " * (tries - 1) + DONE,),
        exit=0,
        told="1 of 1 job done",
        posts=tries if posts is None else posts,
    )


def accepts(name: str, answer: Answer) -> Row:
    """An answer with an id, however odd."""
    return Row(
        name=name,
        endpoint=ON,
        fault=once(answer),
        does="takes the id and collects the request",
        ledger=(DONE,),
        exit=0,
        told="1 of 1 job done",
    )


ID = {"request_id": "{id}"}
DATE = {"Retry_After": "Sun, 06 Dec 2026 08:00:40 GMT", "Date": "Sun, 06 Dec 2026 08:00:00 GMT"}

ROWS = (
    stops_for_balance("submit 400 400002", code(400, 400002), real=True),
    stops_for_balance("submit 200 400002", code(200, 400002, "message")),
    stops_for_balance("submit 500 400002", code(500, 400002, "error")),
    stops_for_balance("submit 400 10001", code(400, 10001, "error object")),
    stops_for_balance("submit 200 10001", code(200, 10001, "detail")),
    stops_for_balance("submit 402", says(402)),
    stops_for_token("submit 400 400004", code(400, 400004)),
    stops_for_token("submit 200 400004", code(200, 400004, "error object")),
    stops_for_token("submit 401 401001", code(401, 401001, "detail")),
    stops_for_token("submit 200 401001", code(200, 401001, "error")),
    stops_for_token("submit 401", says(401, b"Unauthorized")),
    stops_for_token("submit 403 403001 first", code(403, 403001), "the API refuses access", "forbidden"),
    stops_for_token("submit 400 403003 first", code(400, 403003, "message"), "the API refuses access", "forbidden"),
    stops_for_token("submit 403 first", html(403), "the API refuses access", "forbidden"),
    Row(
        name="submit 403 403001 later",
        endpoint=ON,
        fault=once(takes(200, ID), code(403, 403001, "error")),
        does="fails it alone: the token was good before",
        ledger=(DONE, f"{SENT}failed forbidden (submit)"),
        exit=1,
        told=WORDS,
        posts=2,
        jobs=2,
    ),
    blocks("submit 400 400001", code(400, 400001)),
    blocks("submit 200 400001", code(200, 400001, "message")),
    blocks("submit 404 404001", code(404, 404001, "detail list")),
    blocks("submit 404", html(404)),
    fails("submit 422 422001", "invalid_input", code(422, 422001, "detail list"), f"seed: {WORDS}", real=True),
    fails("submit 400 422001", "invalid_input", code(400, 422001, "detail")),
    fails("submit 200 422001", "invalid_input", code(200, 422001, "error object")),
    fails("submit 400", "invalid_input", says(400, b"what is this"), "what is this"),
    fails("submit 409", "invalid_input", says(409, {"message": WORDS})),
    fails("submit 422 text", "invalid_input", says(422, {"detail": WORDS})),
    fails("submit 413", "too_large", html(413), "the input is too large"),
    fails("submit 301", "redirect", says(301, Location="https://elsewhere.example/"), "a redirect"),
    fails("submit 307", "redirect", says(307, Location="/v1/other"), "a redirect", real=True),
    fails("submit 308", "redirect", says(308), "a redirect"),
    holds("submit 500 500001", "server_error", code(500, 500001), "error_code 500001"),
    holds("submit 400 500001", "server_error", code(400, 500001, "message"), "error_code 500001"),
    holds("submit 200 500001", "bad_answer", code(200, 500001, "error"), "error_code 500001"),
    holds("submit 429 500001", "server_error", code(429, 500001), "error_code 500001"),
    holds("submit 500 html", "server_error", html(500), "HTTP 500"),
    holds("submit 502 html", "server_error", html(502), "HTTP 502, Bad gateway", real=True),
    holds("submit 503 html", "server_error", html(503, Retry_After="7"), "HTTP 503, Bad gateway"),
    holds("submit 504 html", "server_error", html(504), "HTTP 504, Bad gateway"),
    holds("submit 500 with id", "server_error", takes(500, ID), 'it names the request "request-1"'),
    holds("submit 408", "server_error", says(408), "HTTP 408"),
    holds("submit 425", "server_error", says(425), "HTTP 425"),
    # The first connection is to be the POST's: with -q the balance is not asked for before.
    replace(
        holds("submit reset before", "no_answer", RESETS_AT_ONCE, "after the POST was sent"),
        command=("run", "m.yaml", "-q"),
    ),
    holds("submit reset after", "no_answer", RESETS, "after the POST was sent"),
    holds("submit reset when taken", "no_answer", RESETS_TAKEN, "after the POST was sent", real=True),
    holds("submit closed", "no_answer", CLOSES, "the connection was closed without an answer"),
    holds("submit hangs", "no_answer", HANGS_TAKEN, "no answer in time"),
    holds("submit breaks off", "bad_answer", BREAKS_OFF, "an answer that broke off or was too large"),
    holds("submit floods", "bad_answer", FLOODS, "an answer that broke off or was too large"),
    holds("submit no HTTP", "no_answer", BABBLES, "the connection broke"),
    holds("submit 200 empty", "bad_answer", says(200), "an answer without a request id"),
    holds("submit 204", "bad_answer", says(204), "an answer without a request id"),
    holds("submit 200 html", "bad_answer", html(200), "an answer without a request id"),
    holds("submit 200 list", "bad_answer", takes(200, ["{id}"]), "an answer without a request id"),
    holds("submit 200 no id", "bad_answer", takes(200, {"status": "in_queue"}), "without a request id"),
    holds("submit 200 null id", "bad_answer", takes(200, {"request_id": None}), "without a request id"),
    holds("submit path id", "bad_answer", takes(200, {"request_id": "a/../b"}), 'unknown form, "a/../b"'),
    holds("submit number id", "bad_answer", takes(200, {"request_id": 4711}), 'unknown form, "4711"'),
    Row(
        name="submit ten unclear",
        endpoint=ON,
        fault=always(html(502)),
        does="stops after ten in a row without a clear answer",
        ledger=(*[f"{SENT}unknown server_error (submit)"] * 10, "", ""),
        exit=69,
        told="10 submissions in a row",
        posts=10,
        jobs=12,
    ),
    repeats("submit 429", once(says(429)), "rate_limited"),
    repeats("submit 429 twice", once(says(429), says(429, {"message": WORDS})), "rate_limited", 3),
    repeats("submit 429 seconds", once(says(429, Retry_After="40")), "rate_limited"),
    repeats("submit 429 date", once(says(429, **DATE)), "rate_limited"),
    repeats("submit refused", once(refuses(0.3)), "unreachable", posts=1),
    Row(
        name="submit 429 always",
        endpoint=ON,
        fault=always(says(429, Retry_After="100")),
        does="waits as told, and sends it again until your limit",
        ledger=(f"{SENT}refused rate_limited (submit){AND_SO_ON}",),
        exit=3,
        told="max_time (240 s) is over",
        when="`--max-time 4m`",
        posts=3,
        command=("run", "m.yaml", "--max-time", "4m"),
    ),
    Row(
        name="submit refused always",
        endpoint=ON,
        fault=once(refuses(HOUR)),
        does="tries for two minutes, then stops",
        ledger=(f"{SENT}refused unreachable (submit){AND_SO_ON}",),
        exit=69,
        told="nothing was sent: cannot connect",
        posts=0,
    ),
    accepts("submit 202 with id", takes(202, ID)),
    accepts("submit 201 extra", takes(201, {**ID, "status": "in_queue", "new": [1]})),
    accepts("submit id beside code", takes(200, {**ID, "error_code": 400002, "error_message": WORDS})),
)
