"""A balance that may not be enough is told before anything is sent, where it can be read; no run waits for it long."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from support import sandboxed, virtual_time
from support.sandboxed import Sandbox, Workplace, rules

from batchgen import errors
from batchgen.cli import connect
from batchgen.errors import ErrorInfo, Stage
from batchgen.runcomfy.client import Client

FOXES = [f"a fox {number}" for number in range(6)]


def test_plan_and_run_say_that_the_balance_is_less_than_the_cost_and_for_how_many_jobs(tmp_path: Path) -> None:
    with sandboxed.sandbox(tmp_path / "server", "--service-time", "0.05", "--balance", "0.20") as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        manifest = place.manifest(FOXES)
        planned = place.run("plan", manifest)
        shown = place.run("plan", manifest, "--json").json
        ended = place.run("run", manifest)

    warning = "the balance of $0.20 is less than the $0.36 this may cost: enough for about 3 of 6 jobs"
    assert "balance $0.20" in planned.out
    assert f"warning: {warning}" in planned.out
    assert shown["balance_usd"] == pytest.approx(0.2)
    assert warning in shown["warnings"]
    assert f"warning: {warning}" in ended.err
    assert ended.code == 5
    place.close()


def test_a_balance_that_is_enough_is_no_warning(place: Workplace, quick: Sandbox) -> None:
    manifest = place.manifest(["a rich fox"])
    assert "warning" not in place.run("plan", manifest).out
    ended = place.run("run", manifest)
    assert (ended.code, "warning" in ended.err) == (0, False)


def test_a_balance_that_cannot_be_read_is_null_and_stops_nothing(tmp_path: Path) -> None:
    with sandboxed.sandbox(tmp_path / "server", *rules({"on": "balance", "do": "status", "status": 500})) as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        shown = place.run("plan", place.manifest(FOXES), "--json").json
    assert (shown["balance_usd"], shown["warnings"]) == (None, [])


def test_without_a_token_nobody_asks(place: Workplace) -> None:
    place.environment["RUNCOMFY_TOKEN"] = ""
    assert place.run("plan", place.manifest(FOXES), "--json").json["balance_usd"] is None


class Stub:
    """A client whose balance is `answer`, or an error, or never comes."""

    def __init__(self, answer: Decimal | Exception | None, base: str | None = "http://127.0.0.1") -> None:
        self.answer = answer
        self.balance_base = base

    async def balance(self, base: str) -> Decimal:
        if isinstance(self.answer, Exception):
            raise self.answer
        await asyncio.sleep(0 if self.answer is not None else 1e6)
        return self.answer or Decimal(0)


@pytest.mark.parametrize(
    ("stub", "expected"),
    [
        (Stub(Decimal("1.20")), Decimal("1.20")),
        (Stub(Decimal("1.20"), None), None),
        (Stub(None), None),
        (Stub(errors.TokenError("revoked")), None),
        (Stub(errors.Transient(ErrorInfo("network", Stage.RUN, "gone"))), None),
        (Stub(errors.Gone(ErrorInfo("gone", Stage.RUN, "gone"))), None),
    ],
)
def test_nothing_is_kept_waiting_for_a_balance(stub: Stub, expected: Decimal | None) -> None:
    async def seconds() -> float:
        began = asyncio.get_running_loop().time()
        assert await connect.balance(cast(Client, stub)) == expected
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(seconds()) <= connect.BALANCE_S


@pytest.mark.parametrize("command", ["plan", "run"])
def test_pictures_without_a_firm_ceiling_are_warned_of(place: Workplace, quick: Sandbox, command: str) -> None:
    """The server may make, and charge for, more than was asked: no limit can know that before."""
    manifest = place.manifest(FOXES[:2], settings={"limit_generations": False, "resolution": "0.5K"})
    ended = place.run(command, manifest, "--max-cost", "1")
    told = "2 jobs with limit_generations: false may make, and cost, more pictures than asked"
    assert told in ended.out + ended.err
