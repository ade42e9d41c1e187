"""Which call meets which fault: a table of rules and one pure decision.

The first rule that fits a call decides. A rule fits by endpoint, by text in the prompt, and by the number of the call:
either it is one of `nth`, or a draw that depends on seed, rule, endpoint and call number falls within `share`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

ENDPOINTS = ("submit", "status", "result", "file", "cancel", "models", "balance")
SPELLINGS = ("error_message", "message", "error", "detail")

_ANY = frozenset(ENDPOINTS)
_RUNS = frozenset({"submit", "result"})
# For each action the endpoints it makes sense on; in the second table, those that let the work be done first.
ACTIONS: Mapping[str, frozenset[str]] = {
    "status": _ANY,
    "error_code": _ANY,
    "rate_limit": _ANY,
    "redirect": _ANY,
    "drop_before": _ANY,
    "drop_after": _ANY,
    "hang": _ANY,
    "empty": _ANY,
    "truncate": _ANY,
    "oversize": _ANY,
    "no_id": frozenset({"submit"}),
    "fail": _RUNS,
    "output": frozenset({"result"}),
    "html_file": frozenset({"file"}),
    "wrong_format": frozenset({"file"}),
    "slow_file": frozenset({"file"}),
}
_AFTER_WORK = frozenset(
    {"drop_after", "empty", "truncate", "oversize", "no_id", "fail", "output", "wrong_format", "slow_file"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call. Every field but `do` has a meaning for some actions only.

    `accept` says whether the request is served (a submission: durably accepted) before the answer is spoilt; the
    default depends on the action. `seconds`: of a hang before the connection is closed, or of a slow file.
    `size`: bytes of an oversize body.
    """

    do: str
    accept: bool
    status: int | None = None
    body: object = None
    retry_after: str | None = None
    location: str = "http://sandbox.invalid/elsewhere"
    seconds: float | None = None
    code: int = 500001
    message: str = "the sandbox was told to fail here"
    spelling: str = "error_message"
    output: object = None
    error: object = "the sandbox was told to fail this run"
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: which calls of endpoint `on` meet `fault`. `nth` counts from 1 and beats `share`."""

    on: str
    fault: Fault
    share: float = 1.0
    nth: frozenset[int] = field(default_factory=frozenset)
    match: str = ""


def decide(rules: Sequence[Rule], seed: int, endpoint: str, call: int, prompt: str) -> Fault | None:
    """The fault of call number `call` (from 1) of an endpoint, or None."""
    for place, rule in enumerate(rules):
        if rule.on != endpoint or rule.match not in prompt:
            continue
        if call in rule.nth if rule.nth else _draw(seed, place, endpoint, call) < rule.share:
            return rule.fault
    return None


def parse_rules(value: object) -> tuple[Rule, ...]:
    """A rule table from its JSON value, a list of objects. Raises ValueError naming the rule and the key."""
    if not isinstance(value, list):
        raise ValueError('fault rules must be a JSON list of objects like {"on": "status", "do": "hang"}')
    return tuple(_parse_rule(f"fault rule {place}", item) for place, item in enumerate(value, start=1))


class FaultDesk:
    """Counts the calls of each endpoint and asks `decide` about each."""

    def __init__(self, rules: Sequence[Rule], seed: int, last_calls: Mapping[str, int]) -> None:
        self._rules = tuple(rules)
        self._seed = seed
        self._calls = {endpoint: last_calls.get(endpoint, 0) for endpoint in ENDPOINTS}

    def draw(self, endpoint: str, prompt: str) -> tuple[int, Fault | None]:
        """Count one call; its number and the fault it meets."""
        self._calls[endpoint] += 1
        call = self._calls[endpoint]
        return call, decide(self._rules, self._seed, endpoint, call, prompt)


def _draw(seed: int, place: int, endpoint: str, call: int) -> float:
    digest = hashlib.sha256(f"{seed}/{place}/{endpoint}/{call}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


_TYPES: Mapping[str, tuple[type, ...]] = {
    "share": (int, float),
    "nth": (int, list),
    "match": (str,),
    "accept": (bool,),
    "status": (int,),
    "retry_after": (int, str),
    "location": (str,),
    "seconds": (int, float),
    "code": (int,),
    "message": (str,),
    "spelling": (str,),
    "size": (int,),
}
_RULE_KEYS = {"on", "do", *(f.name for f in fields(Fault)), *(f.name for f in fields(Rule))} - {"fault"}


def _parse_rule(where: str, item: object) -> Rule:
    if not isinstance(item, dict):
        raise ValueError(f"{where}: must be a JSON object, not {type(item).__name__}")
    for key, value in item.items():
        if key not in _RULE_KEYS:
            raise ValueError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(_RULE_KEYS))}")
        kinds = _TYPES.get(key)
        if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise ValueError(f"{where}: {key} cannot be {value!r}")
    on, do = str(item.get("on")), str(item.get("do"))
    if on not in ENDPOINTS:
        raise ValueError(f"{where}: on is {on!r}; use one of {', '.join(ENDPOINTS)}")
    if on not in ACTIONS.get(do, frozenset()):
        known = ", ".join(action for action, places in ACTIONS.items() if on in places)
        raise ValueError(f"{where}: do is {do!r}; on {on} use one of {known}")
    share = item.get("share", 1.0)
    if not 0 <= share <= 1:
        raise ValueError(f"{where}: share is {share}; use 0 to 1")
    if item.get("spelling", SPELLINGS[0]) not in SPELLINGS:
        raise ValueError(f"{where}: spelling must be one of {', '.join(SPELLINGS)}")
    return Rule(on, _parse_fault(do, item), share, _parse_nth(where, item.get("nth")), item.get("match", ""))


def _parse_fault(do: str, item: Mapping[str, object]) -> Fault:
    given = {f.name: item[f.name] for f in fields(Fault) if f.name in item}
    given.setdefault("accept", do in _AFTER_WORK)
    if "retry_after" in given:
        given["retry_after"] = str(given["retry_after"])
    return Fault(**given)  # type: ignore[arg-type]  # _TYPES has checked each of them


def _parse_nth(where: str, value: object) -> frozenset[int]:
    numbers = value if isinstance(value, list) else [] if value is None else [value]
    if not all(type(number) is int and number >= 1 for number in numbers):
        raise ValueError(f"{where}: nth is {value!r}; use call numbers from 1, such as [1, 5]")
    return frozenset(numbers)
