"""What an answer about a request says: pure functions from a JSON object to a `Reading`.

The spellings are those the API documents and those official clients accept; new ones must not lose a paid picture.
A status of `completed` says that the run is over, not that it worked: only the result decides. The server's JSON is
hostile until read, so every walk is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import CancelOutcome, Phase, Reading
from batchgen.runcomfy import envelope

MAX_OUTPUTS = 256
_MAX_DEPTH = 16
_MAX_NODES = 10_000
_MAX_WORD = 64

_SUCCEEDED = frozenset(("completed", "succeeded"))
_CANCELLED = frozenset(("cancelled", "canceled"))
_DOCUMENTED_ENDS = _SUCCEEDED | _CANCELLED | {"failed"}
_PENDING = frozenset(
    ("in_queue", "in_progress", "pending", "waiting", "starting", "processing", "cancellation_requested")
)
_BAD_END = re.compile("fail|error|expire|timeout|timed_out")

_PREFERRED = ("images", "image", "videos", "video", "audios", "audio")
_NOT_OUTPUTS = frozenset(("status_url", "result_url", "cancel_url"))
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_MODERATION = re.compile(
    r"moderat|nsfw|safety|content.{0,3}policy|policy.{0,3}violation|prohibited.{0,3}content|sensitive.{0,3}content|flagged",
    re.IGNORECASE,
)
_TROUBLE = frozenset(("error", "error_code", "error_message"))
_OUTCOMES = {
    "cancelled": CancelOutcome.CANCELLED,
    "canceled": CancelOutcome.CANCELLED,
    "not_cancellable": CancelOutcome.NOT_CANCELLABLE,
}


def has_status(body: Mapping[str, object]) -> bool:
    """Tell whether a JSON object says how a request stands at all."""
    return bool(_word(body))


def names_request(body: Mapping[str, object]) -> bool:
    """Tell whether a JSON object says how the request stands that it names, and so speaks of it, not of the call."""
    return bool(_word(body)) and isinstance(body.get("request_id"), str)


def has_documented_end(body: Mapping[str, object]) -> bool:
    """Tell whether a JSON object names, in a word that the API documents or a CLI accepts, how a request ended."""
    return _word(body) in _DOCUMENTED_ENDS


def of_status(body: Mapping[str, object]) -> Reading:
    """Return what `/status` says: pending or ended, never how it ended. An unknown word is pending."""
    word = _word(body)
    over = word in _DOCUMENTED_ENDS or _is_bad_end(word)
    return _reading(body, Phase.ENDED if over else Phase.PENDING)


def of_result(body: Mapping[str, object]) -> Reading:
    """Return what `/result` says, with outputs where it succeeded and a reason where it failed."""
    word = _word(body)
    if word in _SUCCEEDED:
        return _reading(body, Phase.SUCCEEDED, outputs(body))
    if word in _CANCELLED:
        return _reading(body, Phase.CANCELLED)
    return _reading(body, Phase.FAILED if _is_bad_end(word) else Phase.PENDING)


def _is_bad_end(word: str) -> bool:
    # Any other word about cancelling may tell of a wish, or of one that failed: the run can still succeed and be paid.
    return "cancel" not in word and _BAD_END.search(word) is not None


def cancel_outcome(body: Mapping[str, object]) -> CancelOutcome:
    """Return what became of a cancel. Only `outcome` counts, never `status`; anything else is a wish."""
    outcome = body.get("outcome")
    return _OUTCOMES.get(outcome.lower() if isinstance(outcome, str) else "", CancelOutcome.REQUESTED)


def outputs(body: Mapping[str, object]) -> tuple[str, ...]:
    """Return the outputs' URLs in order, without duplicates: those under the documented keys, else every URL there is.

    They stand in `output`, else in `outputs`, else in `result`; each may be a text, a list or an object of any depth.
    """
    for place in ("output", "outputs", "result"):
        if found := _outputs_in(body.get(place)):
            return found
    return ()


def _outputs_in(value: object) -> tuple[str, ...]:
    known = [value[key] for key in _PREFERRED if key in value] if isinstance(value, dict) else []
    return _distinct(_urls(known)) or _distinct(_urls(value))


def _distinct(urls: Iterator[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for url in urls:
        found[url] = None
        if len(found) == MAX_OUTPUTS:
            break
    return tuple(found)


def _urls(value: object) -> Iterator[str]:
    """Yield every http(s) URL inside a value, in reading order, within the bounds."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        node, depth = waiting.pop()
        if isinstance(node, str) and _URL.fullmatch(node.strip()):
            yield node.strip()
        if depth < _MAX_DEPTH:
            waiting.extend((child, depth + 1) for child in reversed(_children(node)))


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return [child for key, child in node.items() if key not in _NOT_OUTPUTS]
    return node[:_MAX_NODES] if isinstance(node, list) else []


def _reading(body: Mapping[str, object], phase: Phase, urls: tuple[str, ...] = ()) -> Reading:
    position = body.get("queue_position")
    return Reading(
        phase=phase,
        word=errors.printable(_word(body), _MAX_WORD),
        urls=urls,
        cost_usd=cost(body.get("cost")),
        error=_error(body, phase),
        model=_text(body.get("model_id")),
        queue_position=position if isinstance(position, int) and not isinstance(position, bool) else None,
        created_at=_text(body.get("created_at")),
        finished_at=_text(body.get("finished_at")),
        documented=_word(body) in _DOCUMENTED_ENDS | _PENDING,
    )


def _word(body: Mapping[str, object]) -> str:
    word = body.get("status")
    return word.strip().lower() if isinstance(word, str) else ""


def _text(value: object) -> str | None:
    return errors.printable(value, 300) if isinstance(value, str) and value else None


def cost(value: object) -> Decimal | None:
    """Return an amount of dollars; None for all that is no plain number: unknown, never free."""
    amount = dollars(value)
    return amount if amount is not None and amount >= 0 else None


def dollars(value: object) -> Decimal | None:
    """Return an amount of dollars, below zero too; None for all that is no plain number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    amount = Decimal(str(value))
    return amount if amount.is_finite() else None


def _error(body: Mapping[str, object], phase: Phase) -> ErrorInfo | None:
    """The reason of a failed run; None where there is no sign of one."""
    if phase is not Phase.FAILED and _TROUBLE.isdisjoint(body):
        return None
    error = body.get("error")
    words = envelope.text_of(error)
    if phase is Phase.FAILED:
        words = words or envelope.text_of(body) or envelope.as_text(error)
    else:
        words = words or envelope.text_of(body.get("error_message"))
    code = envelope.code_of(body) or _code_inside(error)
    if not words and code is None and phase is not Phase.FAILED:
        return None
    kind = "moderation" if _MODERATION.search(words) or _MODERATION.search(_type_inside(body)) else "run_failed"
    return ErrorInfo(kind, Stage.RUN, errors.printable(words or "the server gives no reason"), code)


def _first(error: object) -> Mapping[str, object]:
    one = error[0] if isinstance(error, list) and error else error
    return one if isinstance(one, dict) else {}


def _code_inside(error: object) -> int | None:
    inner = _first(error)
    codes = (envelope.code_of({"error_code": inner.get(key)}) for key in ("error_code", "errorCode", "code"))
    return next((code for code in codes if code is not None), None)


def _type_inside(body: Mapping[str, object]) -> str:
    kind = _first(body.get("error")).get("type")
    return kind if isinstance(kind, str) else ""
