"""What `batchgen doctor`'s look at the balance meets: GET .../balance. Its failure is a warning."""

from __future__ import annotations

from faults.rows import HANGS, RESETS, Row, always, code, html, once, says
from support.faulty import Answer, Endpoint, Fault

ON = Endpoint.BALANCE


def warns(name: str, fault: Fault, told: str, asked: int | None = 1, does: str = "warns") -> Row:
    """The balance is not to be had, or not good."""
    return Row(
        name=f"balance {name}",
        endpoint=ON,
        fault=fault,
        does=does,
        ledger=("",),
        exit=0,
        told=told,
        posts=0,
        asked=asked,
        command=("doctor", "m.yaml"),
    )


def unreadable(name: str, answer: Answer, told: str = "without a balance_usd", asked: int | None = 3) -> Row:
    """Something else than a balance, three times over."""
    return warns(name, always(answer), told, asked, "asks three times, then warns")


def balance(value: object) -> Answer:
    """Return a balance of so many US dollars."""
    return says(200, {"balance_usd": value, "currency": "USD"})


ROWS = (
    warns("502 once", once(html(502)), "$12.50", 2, "asks again"),
    unreadable("reset", RESETS, "cannot be read", None),
    unreadable("hangs", HANGS, "no answer in time"),
    unreadable("503", html(503), "HTTP 503"),
    unreadable("200 html", html(200), "cannot be read"),
    unreadable("missing", says(200, {"currency": "USD"})),
    unreadable("null", balance(None)),
    unreadable("text", balance("12.50")),
    unreadable("true", balance(True)),
    unreadable("400 400002", code(400, 400002), "error_code 400002"),
    warns("404", always(says(404)), "cannot be read"),
    warns("401", always(says(401)), "the API does not take the token"),
    warns("403 403001", always(code(403, 403001)), "the API does not take the token"),
    warns("zero", always(balance(0)), "nothing left"),
    warns("negative", always(balance(-3.5)), "nothing left"),
)
