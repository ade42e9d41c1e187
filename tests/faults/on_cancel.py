"""What a cancel meets: POST /v1/requests/{id}/cancel. Its answer is a claim; the result read after it is the proof."""

from __future__ import annotations

from dataclasses import replace

from faults.rows import (
    BREAKS_OFF,
    HANGS,
    HOUR,
    IN_PROGRESS,
    RESETS,
    TAKEN,
    TOLD_TOKEN,
    Row,
    always,
    cancels,
    code,
    html,
    once,
    refuses,
    says,
    stands,
    succeeded,
)
from support.faulty import Answer, Endpoint, Fault

ON = Endpoint.CANCEL
STILL = TAKEN.removesuffix(", ")


def meets(name: str, fault: Fault, does: str, told: str, *, exit_code: int = 0, asked: int = 1) -> Row:
    """One cancel that leaves the request in flight, of one request in the queue."""
    return Row(
        name=f"cancel {name}",
        endpoint=ON,
        fault=fault,
        does=does,
        ledger=(STILL,),
        exit=exit_code,
        told=told,
        posts=0,
        asked=asked,
        command=("cancel", "runs/m"),
        left=True,
    )


def cancelled(name: str, answer: Answer, *, real: bool = False) -> Row:
    """It is cancelled for certain."""
    does = "reads the result as proof; it is new again"
    row = meets(name, once(answer), does, "1 request cancelled before running")
    return replace(row, ledger=(f"{TAKEN}cancelled by us",), real=real)


def goes_on(name: str, answer: Answer, *results: Answer) -> Row:
    """It runs, or has run, whatever the answer says."""
    row = meets(name, once(answer), "leaves it in flight", "1 request could not be cancelled")
    return replace(row, also={Endpoint.RESULT: once(*results)} if results else {})


def unconfirmed(name: str, answer: Answer, *results: Answer) -> Row:
    """The server answers, and nobody knows more."""
    row = meets(name, once(answer), "claims nothing; leaves it in flight", "1 request unconfirmed")
    return replace(row, also={Endpoint.RESULT: always(*results)} if results else {})


def unanswered(name: str, answer: Answer, asked: int = 1) -> Row:
    """No usable answer at all."""
    does = "claims nothing; leaves it in flight"
    return meets(name, always(answer), does, "no usable answer from", exit_code=69, asked=asked)


def refused(name: str, answer: Answer) -> Row:
    """A token that is not taken."""
    return meets(name, always(answer), "stops; leaves it in flight", TOLD_TOKEN, exit_code=77)


ROWS = (
    cancelled("202", cancels(202, {"request_id": "{id}", "status": "cancelled", "outcome": "cancelled"}), real=True),
    cancelled("odd status", cancels(202, {"status": "completed", "outcome": "cancelled"})),
    cancelled("canceled", cancels(200, {"outcome": "Canceled"})),
    cancelled("wish granted", cancels(202, {"status": "cancellation_requested"})),
    cancelled("no outcome", cancels(200, {"status": "cancelled"})),
    goes_on("not cancellable", says(202, {"status": "in_progress", "outcome": "not_cancellable"})),
    goes_on("409", says(409, {"outcome": "not_cancellable"})),
    goes_on("false claim", says(202, {"outcome": "cancelled"}), IN_PROGRESS),
    goes_on("too late", says(202, {"outcome": "cancelled"}), succeeded({"image": "{files}/1.png"})),
    goes_on("failed meanwhile", says(202, {"outcome": "cancellation_requested"}), stands("failed")),
    unconfirmed("wish", says(202, {"status": "cancellation_requested"})),
    unconfirmed("empty object", says(200, {})),
    unconfirmed("404", says(404)),
    unconfirmed("404 404001", code(404, 404001)),
    unconfirmed("result fails", cancels(202, {"outcome": "cancelled"}), html(503)),
    unconfirmed("result hangs", cancels(202, {"outcome": "cancelled"}), HANGS),
    unanswered("202 empty", says(202)),
    unanswered("200 html", html(200)),
    unanswered("500", html(500)),
    unanswered("502", html(502)),
    unanswered("429", says(429, Retry_After="10")),
    unanswered("200 500001", code(200, 500001)),
    unanswered("301", says(301, Location="/v1/other")),
    unanswered("reset", RESETS),
    unanswered("reset when done", replace(RESETS, taken=True, words="cancels it and resets the connection")),
    unanswered("breaks off", BREAKS_OFF),
    unanswered("hangs", HANGS),
    unanswered("refused", refuses(HOUR), asked=0),
    refused("401", says(401)),
    refused("403 403001", code(403, 403001)),
    refused("400 400004", code(400, 400004, "message")),
    refused("200 401001", code(200, 401001, "error")),
)
