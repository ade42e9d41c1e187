"""The rules of a ledger, told a second time and independently of the code under test, on its raw lines.

Nothing here uses batchgen's state, plan or events: what they say is held against this.
"""

from __future__ import annotations

import contextlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

Line = dict[str, Any]
Key = tuple[str, int]

ZERO = Decimal(0)
_STARTS = frozenset({"submitting", "failed"})
_COLLECTED = frozenset({"done", "failed", "cancelled", "lost"})
_FOLLOWS: Mapping[str, frozenset[str]] = {
    "submitting": frozenset({"refused", "unknown", "submitted", "failed", "attached", "settled"}),
    "unknown": frozenset({"attached", "settled"}),
    "submitted": _COLLECTED,
    "attached": _COLLECTED,
    "failed": _COLLECTED,
    "lost": _COLLECTED,
    "done": frozenset({"done"}),
}
"""What may follow what in the life of one attempt; `failed` and `lost` only where there is something to ask for."""

_BETTER = ("done", "in_flight", "unknown", "over", "new")


def lines_of(log: Path) -> list[Line]:
    """Return the whole lines of a ledger; the last one is whole if it parses, newline or not."""
    *whole, last = (log.read_bytes() if log.exists() else b"").split(b"\n")
    with contextlib.suppress(ValueError):
        json.loads(last.rstrip(b"\0"))
        whole.append(last.rstrip(b"\0"))
    return [json.loads(line, parse_float=Decimal) for line in whole]


def by_attempt(lines: Iterable[Line]) -> dict[Key, list[Line]]:
    """Return each attempt's lines in order."""
    found: dict[Key, list[Line]] = defaultdict(list)
    for line in lines:
        if "job" in line:
            found[line["job"], line["attempt"]].append(line)
    return found


def fact(history: list[Line]) -> str:
    """Return where an attempt stands.

    done, in_flight, unknown, or new (certainly not taken); or, once over: collectable, failed, lost, cancelled.
    """
    last = history[-1]
    match last["event"]:
        case "done":
            return "done"
        case "submitted" | "attached":
            return "in_flight"
        case "submitting" | "unknown":
            return "unknown"
        case "refused":
            return "new"
        case "settled":
            return "new" if last["how"] == "not_sent" else "lost"
        case "cancelled":
            return "new" if last["by"] == "us" else "cancelled"
        case "failed":
            return "collectable" if last["error"]["stage"] in ("output", "file") else "failed"
        case word:
            return str(word)


def rank(one: str) -> int:
    """Return how good a fact is, 0 the best."""
    return _BETTER.index(one) if one in _BETTER else _BETTER.index("over")


def money(history: list[Line]) -> Decimal:
    """Return what an attempt has cost, or may have."""
    told = [line for line in history if line["event"] in ("done", "failed", "cancelled")]
    costs: list[Decimal] = [line["cost_usd"] for line in told if "cost_usd" in line]
    if costs:
        return Decimal(costs[-1])
    if fact(history) == "new" or (fact(history) == "failed" and request_of(history) is None):
        return ZERO
    return Decimal(history[0].get("cost_estimate_usd", 0))


def request_of(history: list[Line]) -> str | None:
    """Return the request that an attempt is tied to."""
    ids = [line["request_id"] for line in history if "request_id" in line]
    return ids[-1] if ids else None


def check_order(history: list[Line]) -> None:
    """Hold that the events of an attempt are in a legal order."""
    words = [line["event"] for line in history]
    assert words[0] in _STARTS, words
    for before, after in pairwise(history):
        assert after["event"] in _FOLLOWS.get(before["event"], frozenset()), words
        if before["event"] == "failed":
            assert before["error"]["stage"] in ("output", "file"), words
        if before["event"] == "lost":
            assert before["request_id"], words


def check_names(lines: Iterable[Line]) -> None:
    """Hold that no two attempts have names, or files, that one file system could take for the same."""
    names: dict[str, Key] = {}
    for line in lines:
        stems = [line["name"]] if line["event"] == "submitting" else []
        for text in [*stems, *(file["path"] for file in line.get("files", ()))]:
            key = unicodedata.normalize("NFC", text).casefold()
            assert names.setdefault(key, (line["job"], line["attempt"])) == (line["job"], line["attempt"]), text


@dataclass(frozen=True, slots=True)
class Permission:
    """What a person permitted beyond the ordinary, as the rules about POSTs see it."""

    retry_failed: bool = False
    retry: frozenset[str] = frozenset()
    resubmit: bool = False
    fetch: bool = False


def may_post(earlier: list[list[Line]], began: int, allowed: Permission, whole: Callable[[Line], bool]) -> bool:
    """Whether a job may be sent (again), by the lines of its earlier attempts; each line has its number as `at`.

    What went wrong after line `began`, in the running run, is not for this run to try again.
    """
    if allowed.fetch:
        return False
    facts = [fact(history) for history in earlier]
    best = min((rank(one) for one in facts), default=rank("new"))
    at = max((number for number, one in enumerate(facts) if rank(one) == best), default=-1)
    if best == rank("new"):
        return True
    last = earlier[at][-1]
    match facts[at]:
        case "done":
            return "missing" in allowed.retry and not whole(last)
        case "unknown":
            return allowed.resubmit and last["at"] < began
        case "failed" | "lost" | "cancelled" as word:
            kind = last["error"]["kind"] if word == "failed" else word
            return (allowed.retry_failed or kind in allowed.retry) and last["at"] < began
        case _:
            return False
