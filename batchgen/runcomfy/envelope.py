"""The envelope of an answer: its JSON, `error_code`, the server's own words, and Retry-After.

RunComfy documents neither the HTTP status of each code nor one spelling of the text, so every known one is tried. All
words are cut, made safe for a terminal, and never hold the token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from batchgen import errors

MAX_RETRY_AFTER = 300.0
"""The longest wait a server can ask for, in seconds."""

_MAX_PROBLEMS = 20
_SECONDS = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*")
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)


LEAST_SECRET = 8
"""Characters from which a token is taken out of answers. A shorter one guards nothing, such as a stand-in's `x`, and
would be found inside request ids, which must never be altered: a request without its id is paid for and lost."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer. `body` is None where it broke off or was larger than allowed."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an answer says: its JSON object if it is one, the API's code if any, and words for people.

    `body` is None where it broke off or was too large; `secret` is the token that no message may hold.
    """

    status: int
    content: dict[str, object] | None = None
    code: int | None = None
    retry_after: float | None = None
    body: bytes | None = field(default=b"", repr=False)
    secret: str = field(default="", repr=False)

    @property
    def readable(self) -> bool:
        """Whether the body arrived whole."""
        return self.body is not None

    @property
    def message(self) -> str:
        """The server's words, safe to show; found when asked for, since most answers are no errors."""
        content = _without_secret(_json(self.body), self.secret)
        words = text_of(content) if content is not None else _plain_text(self.body or b"", self.secret)
        return safe(words, self.secret)


def open_envelope(reply: Reply, secret: str, now: datetime) -> Envelope:
    """Read a reply; `secret` is the token that must not show, `now` an aware time for Retry-After dates.

    The token is taken out of the whole answer before anything is read, and so before anything is cut: half a token is
    a leak too, and an output's URL that held it would carry it to a file host.
    """
    content = _without_secret(_json(reply.body), secret)
    code = code_of(content) if isinstance(content, dict) else None
    return Envelope(
        status=reply.status,
        content=content if isinstance(content, dict) else None,
        code=code,
        retry_after=retry_after(reply.headers, now),
        body=reply.body,
        secret=secret,
    )


def safe(words: str, secret: str) -> str:
    """Return foreign words without the token, cut and safe for a terminal."""
    # Before cutting: half a token is a leak too.
    return errors.printable(_hidden(words, secret))


def code_of(content: Mapping[str, object]) -> int | None:
    """Return the API's `error_code`, or None where there is none (0 is none)."""
    raw = content.get("error_code")
    if isinstance(raw, str) and re.fullmatch(r"\d{1,9}", raw):
        raw = int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and raw != 0 else None


def text_of(content: object, depth: int = 3) -> str:
    """Return the words of an error of any shape: a text, an object, a list of either; empty where there are none."""
    if isinstance(content, str):
        return content.strip()
    if depth == 0:
        return ""
    if isinstance(content, list):
        return "; ".join(filter(None, (_problem(item, depth - 1) for item in content[:_MAX_PROBLEMS])))
    if isinstance(content, dict):
        for key in ("error_message", "message", "error", "detail", "msg", "type"):
            if words := text_of(content.get(key), depth - 1):
                return words
    return ""


def as_text(error: object) -> str:
    """Return an error that has no words as JSON; empty for an empty one."""
    try:
        return orjson.dumps(error).decode() if error and error is not True else ""
    except orjson.JSONEncodeError:  # Nested deeper than it writes.
        return ""


def _problem(item: object, depth: int) -> str:
    """One entry of a FastAPI-like `detail` list: {loc, msg, type}."""
    words = text_of(item, depth)
    place = item.get("loc") if isinstance(item, dict) else None
    if not words or not isinstance(place, list):
        return words
    parts = [str(part) for part in place[:10] if isinstance(part, str | int) and part != "body"]
    return f"{'.'.join(parts)}: {words}" if parts else words


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the wait a server asks for, in seconds up to `MAX_RETRY_AFTER`; None for none, the past and nonsense.

    A date is held against the server's own `Date`, so that a wrong local clock does not matter.
    """
    raw = headers.get("Retry-After", "")
    if not raw:
        return None
    if seconds := _SECONDS.fullmatch(raw):
        return min(float(seconds[1]), MAX_RETRY_AFTER)
    until = _date(raw)
    if until is None:
        return None
    wait = (until - (_date(headers.get("Date", "")) or now)).total_seconds()
    return min(wait, MAX_RETRY_AFTER) if wait > 0 else None


def clock_skew(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how many seconds `now` is ahead of an answer's `Date`, None where it has none."""
    said = _date(headers.get("Date", ""))
    return (now - said).total_seconds() if said is not None else None


def _date(raw: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(raw)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(body: bytes | None) -> object:
    try:
        return orjson.loads(body or b"")
    except ValueError:
        return None


def _without_secret(content: object, secret: str) -> object:
    """Return JSON without the token, whatever way the answer spelled it; None for JSON nested absurdly deep."""
    try:
        # Written again, the token has one spelling; that it is nowhere is seen at once.
        held = orjson.dumps(secret)[1:-1].lower() in orjson.dumps(content).lower()
        return _cleaned(content, secret) if held and len(secret) >= LEAST_SECRET else content
    except (orjson.JSONEncodeError, RecursionError):
        return None


def _cleaned(value: object, secret: str) -> object:
    if isinstance(value, str):
        return _hidden(value, secret)
    if isinstance(value, list):
        return [_cleaned(item, secret) for item in value]
    if isinstance(value, dict):
        return {_cleaned(key, secret): _cleaned(item, secret) for key, item in value.items()}
    return value


def _hidden(text: str, secret: str) -> str:
    """Return a text without the token, in small letters or capitals: some words are folded before they are shown."""
    if len(secret) < LEAST_SECRET:
        return text
    return re.sub(re.escape(secret), "[token]", text, flags=re.IGNORECASE)


def _plain_text(body: bytes, secret: str) -> str:
    text = body.decode("utf-8", "replace")
    text = _hidden(text, secret)[: 4 * 1024]
    if "<" in text:
        text = _TAG.sub(" ", text)
    return " ".join(text.split())[:300]
