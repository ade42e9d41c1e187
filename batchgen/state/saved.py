"""A RunState as bytes, and back: what a checkpoint of the fold holds. Pure.

The rows of packed jobs stay as they are, and their ids and table too, so that nothing is done for each of them;
everything else is one JSON object. Reading trusts its bytes: who keeps them must know that they are the ones written.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from batchgen import events
from batchgen.errors import ErrorInfo, Stage
from batchgen.state.attempts import Attempt, Fact, JobState, Tier
from batchgen.state.compact import Shelf
from batchgen.state.fold import RunState, Taken

FORMAT = 2
"""To be raised with every change of what is in here, of a packed row, or of what an event means to the fold."""

Record = dict[str, Any]
Known = TypeVar("Known", bound=events.Event)


def dump(state: RunState) -> Iterator[bytes]:
    """Yield a state in pieces; it stays the same but for how its jobs are packed."""
    state.pack()
    head = json.dumps(_record(state)).encode()
    shelf = list(state.jobs.packed.dump())
    yield json.dumps([FORMAT, sys.byteorder, len(head), *map(len, shelf)]).encode() + b"\n"
    yield head
    yield from shelf


def load(content: memoryview) -> RunState:
    """Return the state whose pieces, joined, are `content`.

    Raises ValueError, KeyError, TypeError, IndexError or ArithmeticError for anything else, but not for all of it.
    """
    first = bytes(content[:1024]).partition(b"\n")[0]
    number, order, *lengths = json.loads(first)
    if (number, order) != (FORMAT, sys.byteorder) or len(first) + 1 + sum(lengths) != len(content):
        raise ValueError("not a state of this format")
    pieces, begin = [], len(first) + 1
    for length in lengths:
        pieces.append(content[begin : begin + length])
        begin += length
    return _state(json.loads(bytes(pieces[0])), Shelf.load(pieces[1:]))


def _record(state: RunState) -> Record:
    jobs = state.jobs
    return {
        "loose": [[job, *map(_attempt_record, known.attempts)] for job, known in jobs.loose.items()],
        "files": jobs.files,
        "unconfirmed": jobs.unconfirmed,
        "apis": sorted(jobs.apis),
        "models": sorted(jobs.models),
        "counts": state.counts,
        "spent": str(state.spent_usd),
        "dearest": [[*_tier_record(tier), str(usd)] for tier, usd in state.dearest.items()],
        "estimated": [[*_tier_record(tier), number] for tier, number in state.estimated.items()],
        "taken": [[*_tier_record(tier), *seconds] for tier, seconds in state.taken.seconds.items()],
        "started": _event_record(state.last_started),
        "finished": _event_record(state.last_finished),
        "time": state.last_time,
        "command_line": state.run_command_line,
        "unlisted": sorted(state.unlisted),
        "names": sorted(state.loose_names),
    }


def _state(record: Record, shelf: Shelf) -> RunState:
    state = RunState()
    jobs = state.jobs
    jobs.packed = shelf
    jobs.loose.update((job, JobState([_attempt(one) for one in attempts])) for job, *attempts in record["loose"])
    jobs.files, jobs.unconfirmed = record["files"], Counter(record["unconfirmed"])
    jobs.apis, jobs.models = set(record["apis"]), set(record["models"])
    state.counts, state.spent_usd = Counter(record["counts"]), Decimal(record["spent"])
    state.dearest = {_tier(*tier): Decimal(usd) for *tier, usd in record["dearest"]}
    state.estimated = Counter({_tier(*tier): number for *tier, number in record["estimated"]})
    state.taken = _taken(record["taken"])
    state.last_started = _event(record["started"], events.RunStarted)
    state.last_finished = _event(record["finished"], events.RunFinished)
    state.last_time, state.run_command_line = record["time"], record["command_line"]
    state.unlisted, state.loose_names = frozenset(record["unlisted"]), set(record["names"])
    return state


def _attempt_record(attempt: Attempt) -> list[object]:
    error = attempt.error
    return [
        attempt.number,
        attempt.fact.value,
        attempt.since,
        attempt.name,
        attempt.model,
        _event_record(attempt.intent),
        attempt.request_id,
        attempt.api,
        attempt.submitted_at,
        None if error is None else [error.kind, error.stage.value, error.message, error.code, error.http_status],
        _amount_record(attempt.cost_usd),
        _amount_record(attempt.estimate_usd),
        attempt.files,
    ]


def _attempt(record: list[Any]) -> Attempt:
    number, fact, since, name, model, intent, request_id, api, submitted_at, error, cost, estimate, files = record
    return Attempt(
        number,
        Fact(fact),
        since,
        name,
        model,
        _event(intent, events.Submitting),
        request_id,
        api,
        submitted_at,
        None if error is None else ErrorInfo(error[0], Stage(error[1]), *error[2:]),
        _amount(cost),
        _amount(estimate),
        tuple((path, size) for path, size in files),
    )


def _event_record(event: events.Event | None) -> Record | None:
    return None if event is None else events.to_record(event)


def _event(record: Mapping[str, object] | None, kind: type[Known]) -> Known | None:
    event = None if record is None else events.from_record(record)
    if event is not None and not isinstance(event, kind):
        raise ValueError(f"{event.word}, where {kind.word} was expected")
    return event


def _amount_record(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _amount(record: str | None) -> Decimal | None:
    return None if record is None else Decimal(record)


def _tier_record(tier: Tier) -> tuple[str, str | None]:
    return tier[0], _amount_record(tier[1])


def _tier(model: str, estimate: str | None) -> Tier:
    return model, _amount(estimate)


def _taken(record: Iterable[list[Any]]) -> Taken:
    taken = Taken()
    for model, estimate, *seconds in record:
        taken.seconds[_tier(model, estimate)] = deque(seconds, maxlen=Taken.KEPT)
    return taken
