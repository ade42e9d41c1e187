"""What results say, and do not: GET /v1/requests/{id}/result. It alone decides how a request ended."""

from __future__ import annotations

from faults.rows import (
    BREAKS_OFF,
    CLOSES,
    DONE,
    FLOODS,
    HANGS,
    IN_PROGRESS,
    RESETS,
    TAKEN,
    WORDS,
    Row,
    always,
    code,
    html,
    left_running,
    once,
    says,
    stands,
    stops_for_token,
    succeeded,
)
from support.faulty import Answer, Endpoint, Fault
from support.sandboxed import PRICE

ON = Endpoint.RESULT
ONE = "{files}/1.png"
TWO = "{files}/2.png"


def asks_again(name: str, *answers: Answer, asked: int | None = None) -> Row:
    """Nothing is known from it, or it is not over after all."""
    return Row(
        name=f"result {name}",
        endpoint=ON,
        fault=once(*answers),
        does="asks again",
        ledger=(DONE,),
        exit=0,
        told="1 of 1 job done",
        asked=len(answers) + 1 if asked is None else asked,
    )


def collects(name: str, answer: Answer, done: str = "done", *, told: str = "1 of 1 job done", asked: int = 1) -> Row:
    """A success, however it is spelt."""
    return Row(
        name=f"result {name}",
        endpoint=ON,
        fault=always(answer),
        does="collects it",
        ledger=(f"{TAKEN}{done}",),
        exit=0,
        told=told,
        asked=asked,
    )


def fails(name: str, answer: Answer, told: str, kind: str = "run_failed", asked: int = 1, *, real: bool = False) -> Row:
    """The server says that the run failed."""
    return Row(
        name=f"result {name}",
        endpoint=ON,
        fault=always(answer),
        does="fails it, in the server's words",
        ledger=(f"{TAKEN}failed {kind} (run)",),
        exit=1,
        told=told,
        asked=asked,
        real=real,
    )


def uncollectable(name: str, fault: Fault, kind: str, told: str, asked: int = 1, *, real: bool = False) -> Row:
    """The server succeeded, and its outputs cannot be had."""
    return Row(
        name=f"result {name}",
        endpoint=ON,
        fault=fault,
        does="fails it, made and paid for",
        ledger=(f"{TAKEN}failed {kind} (output)",),
        exit=1,
        told=told,
        asked=asked,
        real=real,
    )


def failed(error: object, **more: object) -> Answer:
    """Return a failed run with this `error`."""
    return stands("failed", error=error, **more)


def elsewhere(url: str) -> Fault:
    """Return a success whose output is at this address."""
    return always(succeeded({"images": [url]}))


ROWS = (
    asks_again("500 html", html(500)),
    asks_again("502 html", html(502)),
    asks_again("503 html", html(503, Retry_After="50")),
    asks_again("504 html", html(504)),
    asks_again("429", says(429, Retry_After="200")),
    asks_again("408", says(408)),
    asks_again("500 500001", code(500, 500001, "error object")),
    asks_again("200 500001", code(200, 500001)),
    asks_again("200 10001", code(200, 10001, "error")),
    asks_again("400 400002", code(400, 400002, "message")),
    asks_again("400 400001", code(400, 400001)),
    asks_again("404 404001 once", code(404, 404001, "detail")),
    asks_again("reset", RESETS),
    asks_again("closed", CLOSES),
    asks_again("hangs", HANGS),
    asks_again("breaks off", BREAKS_OFF),
    asks_again("floods", FLOODS),
    asks_again("200 empty", says(200)),
    asks_again("200 html", html(200)),
    asks_again("301", says(301, Location="/v1/other")),
    asks_again("pending after completed", IN_PROGRESS, stands("in_queue"), IN_PROGRESS),
    asks_again("unknown word", stands("archiving")),
    asks_again("cancellation wished", stands("cancellation_requested")),
    asks_again("error code beside error", stands("error", error_code=500001, request_id=None)),
    asks_again("error, for a while", stands("error"), stands("error", error_code=500001)),
    asks_again("empty output, for a while", succeeded({}), succeeded({"images": []})),
    Row(
        name="result 422 422001",
        endpoint=ON,
        fault=once(code(422, 422001, "detail list")),
        does="asks without `include_cost`, from then on if that works",
        ledger=(DONE,),
        exit=0,
        told="1 of 1 job done",
        asked=2,
    ),
    left_running(ON, "503 always", html(503)),
    left_running(ON, "pending always", IN_PROGRESS),
    left_running(ON, "error code beside error always", stands("error", error_code=500001, request_id=None)),
    stops_for_token(ON, "400 400004", code(400, 400004, "detail")),
    stops_for_token(ON, "200 401001", code(200, 401001, "message")),
    stops_for_token(ON, "403 403001", code(403, 403001)),
    stops_for_token(ON, "403 403003", code(403, 403003, "error object")),
    stops_for_token(ON, "401", says(401)),
    fails("failed text", failed("gpu out of memory"), "gpu out of memory", real=True),
    fails("failed object", failed({"type": "OOM", "message": "gpu out of memory"}), "gpu out of memory"),
    fails("failed list", failed([{"errorCode": 17, "error": "node 3"}, {"error": "node 4"}]), "node 3; node 4"),
    fails("failed other object", failed({"reason": "bad weights", "node": 3}), '"reason":"bad weights"'),
    fails("failed number", failed(137), "137"),
    fails("failed null", failed(None), "the server gives no reason"),
    fails("failed missing", stands("failed"), "the server gives no reason"),
    fails("failed code", stands("failed", error_code=400004, error_message=WORDS), WORDS),
    fails("failed moderation", failed("blocked by the safety filter"), "safety filter", "moderation"),
    fails("failed with output", failed("half done", output={"images": [ONE]}), "half done"),
    fails("unknown end for good", stands("expired"), "the server gives no reason", asked=7),
    fails("error for good", stands("error", error_code=500001, error_message=WORDS), WORDS, asked=7),
    Row(
        name="result cancelled",
        endpoint=ON,
        fault=always(stands("cancelled")),
        does="counts it as cancelled",
        ledger=(f"{TAKEN}cancelled by server",),
        exit=1,
        told="cancelled",
        asked=1,
    ),
    collects("image", succeeded({"image": ONE})),
    collects("bare text", succeeded(ONE)),
    collects("bare list", succeeded([ONE, TWO]), "done (2 files)"),
    collects("nested objects", succeeded({"images": [{"url": ONE, "width": 8}, {"url": TWO}]}), "done (2 files)"),
    collects("duplicates", succeeded({"images": [ONE, ONE], "image": ONE})),
    collects("several keys", succeeded({"images": [ONE], "videos": [TWO]}), "done (2 files)"),
    collects("other keys", succeeded({"node_9": {"files": [{"path": ONE}]}})),
    collects("outputs", succeeded(None, outputs={"9": {"images": [{"url": ONE}]}})),
    collects("completed", succeeded({"image": ONE}, status="completed")),
    collects("success beside a code", succeeded({"image": ONE}, error_code=500001)),
    collects("no model", succeeded({"image": ONE}, model_id=7)),
    collects("no cost", succeeded({"image": ONE}, cost=None), "done (no cost)", asked=2),
    collects("text cost", succeeded({"image": ONE}, cost="0.06"), "done (no cost)", asked=2),
    collects("true cost", succeeded({"image": ONE}, cost=True), "done (no cost)", asked=2),
    collects("negative cost", succeeded({"image": ONE}, cost=-1), "done (no cost)", asked=2),
    collects("free", succeeded({"image": ONE}, cost=0), told="cost: $0.00"),
    collects("more than asked", succeeded({"images": [ONE, TWO]}), "done (2 files)"),
    Row(
        name="result late cost",
        endpoint=ON,
        fault=once(succeeded({"image": ONE}, cost=None)),
        does="looks once more when the files are there",
        ledger=(DONE,),
        exit=0,
        told=f"cost: ${PRICE:.2f}",
        asked=2,
    ),
    Row(
        name="result fewer than asked",
        endpoint=ON,
        fault=once(succeeded({"images": [ONE, TWO]})),
        does="keeps what came, and says so",
        ledger=(f"{TAKEN}done (2 files)",),
        exit=0,
        told="2 of 4 outputs",
        asked=1,
        manifest={"settings": {"num_images": 4}},
    ),
    uncollectable("no output", always(succeeded({})), "no_output", "says succeeded and names no output", 7),
    uncollectable("null output", always(succeeded(None)), "no_output", "says succeeded and names no output", 7),
    uncollectable("relative output", elsewhere("/files/1.png"), "no_output", "names no output", 7),
    uncollectable("data output", elsewhere("data:image/png;base64,AAAA"), "no_output", "names no output", 7),
    uncollectable(
        "foreign host", elsewhere("https://cdn.example/1.png?k=v"), "host", "--allow-host cdn.example", real=True
    ),
    uncollectable("plain http", elsewhere("http://cdn.runcomfy.net/1.png"), "host", "is not https on port 443"),
    uncollectable("other port", elsewhere("https://cdn.runcomfy.net:8443/1.png"), "host", "is not https on port 443"),
    uncollectable("user info", elsewhere("https://a@cdn.runcomfy.net/1.png"), "host", "is not a plain https URL"),
    uncollectable("backslash", elsewhere("https://a.example\\@cdn.runcomfy.net/"), "host", "is not a plain https URL"),
    uncollectable("one of two foreign", always(succeeded([ONE, "https://cdn.example/2.png"])), "host", "cdn.example"),
    uncollectable(
        "another model",
        always(succeeded({"image": ONE}, model_id="a/b")),
        "mismatch",
        "belongs to model a/b, not google",
    ),
)
