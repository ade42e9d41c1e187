"""A run directory's ledger, read without batchgen's own code, held against what the sandbox says it accepted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

PRICE = Decimal("0.06")
"""US dollars of one picture at 0.5K, in the sandbox and in the manifest."""

Line = dict[str, Any]


@dataclass(slots=True)
class Ledger:
    """The ledger as its raw lines tell it, apart from batchgen's own reading: every attempt's seed and latest line."""

    seeds: dict[str, int] = field(default_factory=dict)
    latest: dict[tuple[str, int], Line] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    sent_unasked: int = 0

    @classmethod
    def read(cls, log: Path) -> Ledger:
        """Fold the lines."""
        ledger = cls()
        with log.open("rb") as lines:
            for text in lines:
                ledger.take(json.loads(text))
        return ledger

    def take(self, line: Line) -> None:
        """Take in one line. All runs but the first were asked to try again what failed or is unknown."""
        self.runs += line["event"] == "run_started"
        if "job" not in line:
            return
        job, attempt = line["job"], line["attempt"]
        if line["event"] == "submitting":
            self.seeds[job] = line["seed"]
            earlier = (self.latest[job, number] for number in range(1, attempt))
            self.sent_unasked += not all(may_follow(one, asked=self.runs > 1) for one in earlier)
        if line.get("request_id"):
            self.ids[line["request_id"]] = job
        self.latest[job, attempt] = line

    def unknown(self) -> Counter[str]:
        """Return how many attempts of each job are unknown."""
        return Counter(job for (job, _), line in self.latest.items() if line["event"] in ("submitting", "unknown"))

    def done(self) -> dict[str, Line]:
        """Return the `done` line of each job."""
        return {job: line for (job, _), line in self.latest.items() if line["event"] == "done"}

    def cost(self) -> Decimal:
        """Return what everything that ended has cost by the API's word."""
        return sum((Decimal(str(line.get("cost_usd", 0))) for line in self.latest.values()), Decimal(0))


def may_follow(line: Line, *, asked: bool) -> bool:
    """Whether another POST may follow an attempt that stands like this: if it was not taken, or if that was asked for.

    Never where it is under way, done, or has only to be collected once more.
    """
    collectable = line["event"] == "failed" and line["error"]["stage"] in ("output", "file")
    paid_for = collectable or line["event"] in ("submitted", "attached", "done")
    return line["event"] == "refused" or (asked and not paid_for)


Check = tuple[bool, str]
"""Whether something holds, and the numbers behind it."""


def check_accounts(ledger: Ledger, account: Line, requests: list[Line], jobs: int) -> list[Check]:
    """Hold the ledger against the sandbox's own account."""
    job_of = {seed: job for job, seed in ledger.seeds.items()}
    adrift: Counter[str] = Counter()
    swapped = 0
    for request in requests:
        job, named = job_of[request["input"]["seed"]], ledger.ids.get(request["request_id"])
        adrift[job] += named is None
        swapped += named not in (None, job)
    invented = len(ledger.ids.keys() - {request["request_id"] for request in requests})
    unknown, told, charged = ledger.unknown(), ledger.cost(), Decimal(str(account["charged_usd"]))
    lost = adrift.total()
    return [
        (len(ledger.done()) == jobs, f"{len(ledger.done())} of {jobs} jobs are done"),
        (
            len(requests) == len(ledger.ids) - invented + lost and not adrift - unknown,
            f"accepted {len(requests)} = {len(ledger.ids)} in the ledger + {lost} whose answer was lost, "
            f"{(adrift - unknown).total()} of them without a known unknown ({unknown.total()} of those)",
        ),
        (invented == swapped == 0, f"{invented} request ids that nobody gave out, {swapped} tied to another job"),
        (ledger.sent_unasked == 0, f"{ledger.sent_unasked} paid twice unasked"),
        (
            told <= charged <= told + lost * PRICE,
            f"charged {charged:.2f} USD = {told:.2f} in the ledger + {charged - told:.2f} for lost answers",
        ),
        (account["token_leaks"] == 0, f"{account['token_leaks']} token leaks"),
    ]
