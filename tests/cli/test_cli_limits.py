"""Limits stop a run with exit code 3 and an empty account with 5; nothing goes over them, and all of it resumes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import sandboxed
from support.sandboxed import PRICE, Sandbox, Workplace


def test_a_cost_limit_is_never_exceeded_and_goes_on_once_raised(place: Workplace, quick: Sandbox) -> None:
    """Eight at once, and money for three: what is reserved counts before it is spent."""
    before = quick.account()
    manifest = place.manifest([f"a frugal fox {number}" for number in range(8)])
    stopped = place.run("run", manifest, "--max-cost", "0.2")
    after = quick.account()

    assert stopped.code == 3, stopped.err
    assert "max_cost" in stopped.err
    assert after["accepted"] - before["accepted"] == 3
    assert after["charged_usd"] - before["charged_usd"] == pytest.approx(3 * PRICE)
    assert (place.book().summary()["done"], place.book().summary()["new"]) == (3, 5)

    place.environment["BATCHGEN_MAX_COST_USD"] = "0.2"
    again = place.run("run", manifest, "-q")
    assert (again.code, quick.accepted()) == (3, after["accepted"])
    assert place.run("run", manifest, "--max-cost", "5", "-q").code == 0
    assert quick.accepted() - before["accepted"] == 8


def test_max_jobs_is_an_exact_number_of_submissions(place: Workplace, quick: Sandbox) -> None:
    before = quick.accepted()
    manifest = place.manifest([f"a counted fox {number}" for number in range(7)])
    stopped = place.run("run", manifest, "--max-jobs", "3")

    assert stopped.code == 3, stopped.err
    assert "max_jobs" in stopped.err
    assert quick.accepted() - before == 3
    assert place.book().count("done") == place.book().count("submitting") == 3
    assert place.run("run", manifest, "-q").code == 0
    assert quick.accepted() - before == 7


def test_max_time_ends_submissions_and_collects_what_is_in_flight(place: Workplace, quick: Sandbox) -> None:
    before = quick.accepted()
    prompts = [f"a timely fox {number}" for number in range(12)]
    manifest = place.manifest(prompts, limits={"submits_per_second": 5})
    stopped = place.run("run", manifest, "--max-time", "1s")
    made = quick.accepted() - before

    assert stopped.code == 3, stopped.err
    assert "max_time" in stopped.err
    assert 0 < place.book().count("done") == made < 12
    assert place.run("run", place.manifest(prompts), "-q").code == 0
    assert quick.accepted() - before == 12


def test_out_of_balance_collects_what_is_in_flight_and_resumes(tmp_path: Path) -> None:
    with sandboxed.sandbox(tmp_path / "server", "--service-time", "0.4", "--balance", "0.20") as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        manifest = place.manifest([f"a poor fox {number}" for number in range(6)])
        stopped = place.run("run", manifest)

        assert stopped.code == 5, stopped.err
        assert "balance" in stopped.err
        assert server.accepted() == place.book().count("done") == 3
        assert place.book().summary()["new"] == 3
        assert place.book().count("failed") == place.book().count("unknown") == 0

        server.restart("--service-time", "0.05", "--balance", "100")
        assert place.run("run", manifest, "-q").code == 0
        assert server.accepted() == 6
        place.close()
