"""What polling meets: GET /v1/requests/{id}/status. A request id is never given up without a clear end."""

from __future__ import annotations

from faults.rows import (
    BABBLES,
    BREAKS_OFF,
    CLOSES,
    DONE,
    FLOODS,
    HANGS,
    HOUR,
    IN_PROGRESS,
    RESETS,
    TAKEN,
    Row,
    always,
    code,
    goes,
    html,
    left_running,
    once,
    says,
    stands,
    stops_for_token,
)
from support.faulty import Answer, Endpoint

ON = Endpoint.STATUS
GONE = always(says(404))


def asks_again(name: str, *answers: Answer, real: bool = False) -> Row:
    """Nothing is known from it, or the request is still in the queue."""
    return Row(
        name=f"status {name}",
        endpoint=ON,
        fault=once(*answers),
        does="asks again",
        ledger=(DONE,),
        exit=0,
        told="1 of 1 job done",
        asked=len(answers) + 1,
        real=real,
    )


def goes_on_with_the_result(name: str, answer: Answer, told: str = "1 of 1 job done") -> Row:
    """It has left the queue: from here on the result alone says all there is to know."""
    return Row(
        name=f"status {name}",
        endpoint=ON,
        fault=always(answer),
        does="asks for the result alone from then on, later",
        ledger=(DONE,),
        exit=0,
        told=told,
        asked=1,
    )


def asks_the_result(name: str, word: str, **more: object) -> Row:
    """An end by whatever word: how it ended stands in the result."""
    return Row(
        name=f"status {name}",
        endpoint=ON,
        fault=once(stands(word, **more)),
        does="asks for the result, which decides",
        ledger=(DONE,),
        exit=0,
        told="1 of 1 job done",
        asked=1,
    )


def loses(name: str, answer: Answer) -> Row:
    """The server no longer knows the request."""
    return Row(
        name=f"status {name} always",
        endpoint=ON,
        fault=always(answer),
        also={Endpoint.RESULT: always(answer)},
        does="asks status and result for 60 s, then counts it as lost",
        ledger=(f"{TAKEN}lost",),
        exit=1,
        told="the server no longer knows request request-1",
    )


ROWS = (
    asks_again("500 html", html(500)),
    asks_again("502 html", html(502), real=True),
    asks_again("503 html", html(503), html(503, Retry_After="50")),
    asks_again("504 html", html(504)),
    asks_again("408", says(408)),
    asks_again("425", says(425)),
    asks_again("429", says(429)),
    asks_again("429 seconds", says(429, Retry_After="200")),
    asks_again(
        "429 date", says(429, Retry_After="Sun, 06 Dec 2026 08:00:40 GMT", Date="Sun, 06 Dec 2026 08:00:00 GMT")
    ),
    asks_again("500 500001", code(500, 500001)),
    asks_again("200 500001", code(200, 500001, "message")),
    asks_again("400 400001", code(400, 400001)),
    asks_again("400 400002", code(400, 400002, "error object")),
    asks_again("200 10001", code(200, 10001, "detail")),
    asks_again("422 422001", code(422, 422001, "detail list")),
    asks_again("301", says(301, Location="https://elsewhere.example/")),
    asks_again("reset", RESETS),
    asks_again("closed", CLOSES),
    asks_again("hangs", HANGS),
    asks_again("breaks off", BREAKS_OFF),
    asks_again("floods", FLOODS),
    asks_again("no HTTP", BABBLES),
    asks_again("200 empty", says(200)),
    asks_again("200 html", html(200)),
    asks_again("200 list", says(200, ["completed"])),
    asks_again("200 no status", says(200, {"request_id": "{id}"})),
    asks_again("200 wrong type", stands(["completed"])),
    asks_again("goes for a minute", goes(60)),
    asks_again("queue", stands("in_queue", queue_position=2), stands("IN_QUEUE")),
    goes_on_with_the_result("running always", IN_PROGRESS),
    goes_on_with_the_result("unknown word", stands("warming_up"), '"warming_up" of a request'),
    goes_on_with_the_result("unknown word of a wish", stands("cancelling"), '"cancelling" of a request'),
    asks_again("error code beside error", stands("error", error_code=500001, request_id=None)),
    asks_the_result("failed, yet it succeeded", "failed"),
    asks_the_result("unknown end", "timed_out"),
    asks_the_result("error of the request", "error", error_code=500001),
    asks_the_result("canceled, yet it succeeded", "canceled"),
    left_running(ON, "503 always", html(503)),
    left_running(ON, "400 400001 always", code(400, 400001)),
    left_running(ON, "error code beside error always", stands("error", error_code=500001, request_id=None)),
    left_running(ON, "queue always", stands("in_queue", queue_position=2)),
    stops_for_token(ON, "400 400004", code(400, 400004)),
    stops_for_token(ON, "200 400004", code(200, 400004, "error")),
    stops_for_token(ON, "401 401001", code(401, 401001)),
    stops_for_token(ON, "403 403001", code(403, 403001)),
    stops_for_token(ON, "403 403003", code(403, 403003, "message")),
    stops_for_token(ON, "401", html(401)),
    stops_for_token(ON, "200 401001 beside a word", stands("error", error_code=401001)),
    Row(
        name="status 404 at first",
        endpoint=ON,
        fault=once(says(404), code(404, 404001)),
        also={Endpoint.RESULT: once(says(404))},
        does="asks again, status and result by turns",
        ledger=(DONE,),
        exit=0,
        told="1 of 1 job done",
    ),
    loses("404", says(404)),
    loses("410", html(410)),
    loses("404 404001", code(404, 404001)),
    loses("400 404001", code(400, 404001, "message")),
    loses("200 404001", code(200, 404001, "error")),
    Row(
        name="status 404 for all",
        endpoint=ON,
        fault=GONE,
        also={Endpoint.RESULT: GONE},
        does="stops: that three of three are gone says nothing of them",
        ledger=(TAKEN.removesuffix(", "),),
        exit=69,
        told="knows none of the requests asked for; is this the right account and address?",
        posts=3,
        jobs=3,
        limits={"concurrency": 3},
    ),
    Row(
        name="status goes for good",
        endpoint=ON,
        fault=once(goes(HOUR)),
        does="tries for two minutes, then stops; leaves it in flight",
        ledger=(TAKEN.removesuffix(", "),),
        exit=69,
        told="nobody answers",
        asked=1,
    ),
)
