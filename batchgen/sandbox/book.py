"""The fold of the sandbox's log: every request, its turn, and the account. No clock, no files.

The same `apply` serves replay and the running server, so what a restarted sandbox knows is what the killed one knew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal

from batchgen.sandbox.look import Look, look_of
from batchgen.sandbox.records import Accepted, CancelAsked, Faulted, Leaked, Opened, Record, RunFailed
from batchgen.sandbox.schedule import Phase, Schedule


@dataclass(frozen=True, slots=True)
class Run:
    """One accepted request without the bulk of its input; `number` is its place in the schedule."""

    request_id: str
    number: int
    model_id: str
    look: Look
    images: int
    cost: Decimal
    fails: bool
    error: object


@dataclass(frozen=True, slots=True)
class View:
    """One request as it stands at one moment; `finished` is when it completed or was cancelled."""

    run: Run
    phase: Phase
    position: int | None
    created: float
    finished: float | None

    @property
    def result_status(self) -> str:
        """What `/result` calls the state: unlike `/status` it tells success from failure."""
        if self.phase is not Phase.COMPLETED:
            return str(self.phase)
        return "failed" if self.run.fails else "succeeded"


class Book:
    """All that the log says. `last_at` is the time of its last record; later records must not be older."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.last_at = 0.0
        self.committed = Decimal(0)  # the cost of everything accepted that was not cancelled and does not fail
        self.last_fault: dict[str, int] = {}  # the last call of each endpoint that met a fault
        self._schedule = Schedule()
        self._leaks = 0
        self._faults: Counter[str] = Counter()

    def apply(self, record: Record) -> None:
        """Take in one record. Raises KeyError if it names a request that was never accepted."""
        match record:
            case Accepted():
                self._accept(record)
            case CancelAsked():
                run = self.runs[record.request_id]
                if self._schedule.cancel(run.number, record.at):
                    self.committed -= run.cost
            case RunFailed():
                run = self.runs[record.request_id]
                self.committed -= run.cost
                self.runs[run.request_id] = replace(run, fails=True, error=record.error, cost=Decimal(0))
            case Opened():
                self._schedule.resize(record.slots, record.at)
            case Faulted():
                self._faults[f"{record.on}:{record.do}"] += 1
                self.last_fault[record.on] = record.call
            case Leaked():
                self._leaks += 1
        self.last_at = record.at

    def view(self, request_id: str, now: float) -> View | None:
        """One request at `now`, or None if it was never accepted."""
        run = self.runs.get(request_id)
        if run is None:
            return None
        turn = self._schedule.turn(run.number)
        phase = turn.phase(now)
        finished = turn.finish if phase is Phase.COMPLETED else turn.cancelled
        return View(run, phase, self._schedule.position(run.number, now), turn.accepted, finished)

    def account(self, now: float, *, ids: bool = False) -> dict[str, object]:
        """The ground truth at `now`: counts, US dollars, token leaks, and faults played as {"submit:drop_after": n}.

        `ids` adds the accepted ids in order.
        """
        counts: Counter[str] = Counter()
        charged = Decimal(0)
        for run in self.runs.values():
            turn = self._schedule.turn(run.number)
            view = View(run, turn.phase(now), None, turn.accepted, None)
            counts[view.result_status] += 1
            charged += run.cost if view.result_status == "succeeded" else 0
        words = ("in_queue", "in_progress", "succeeded", "failed", "cancelled")
        return {
            "accepted": len(self.runs),
            **({"accepted_ids": list(self.runs)} if ids else {}),
            **{word: counts[word] for word in words},
            "charged_usd": float(charged),
            "token_leaks": self._leaks,
            "fault_counts": dict(self._faults),
        }

    def _accept(self, record: Accepted) -> None:
        self.runs[record.request_id] = Run(
            request_id=record.request_id,
            number=self._schedule.accept(record.at, record.service),
            model_id=record.model_id,
            look=look_of(record.input),
            images=record.images,
            cost=record.cost,
            fails=record.fails,
            error=record.error,
        )
        self.committed += record.cost
