"""A run in which everything fails stops by itself, says why in one sentence, and leaves the rest new."""

from __future__ import annotations

from pathlib import Path

from support import sandboxed
from support.sandboxed import Workplace, rules

from batchgen.engine.breaker import IN_A_ROW


def test_a_run_in_which_every_request_fails_stops_paying_and_goes_on_when_that_is_over(tmp_path: Path) -> None:
    failing = rules({"on": "submit", "do": "fail", "error": "the model is broken today"})
    with sandboxed.sandbox(tmp_path / "server", "--service-time", "0.05", *failing) as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        manifest = place.manifest([f"a doomed fox {number}" for number in range(30)])
        stopped = place.run("run", manifest, "-j", "2")

        assert stopped.code == 69, stopped.err
        assert "requests of google/nano-banana-2/text-to-image in a row came to nothing" in stopped.err
        assert "the model is broken today" in stopped.err
        summary = place.book().summary()
        assert summary["reason"] == "failing"
        assert IN_A_ROW <= server.accepted() == summary["failed"] <= IN_A_ROW + 2
        assert summary["new"] == 30 - summary["failed"]

        server.restart("--service-time", "0.05")
        assert place.run("run", manifest, "--retry-failed", "-q").code == 0
        assert place.book().summary()["done"] == 30
        place.close()


def test_a_run_in_which_every_job_is_rejected_stops_asking(tmp_path: Path) -> None:
    rejecting = rules({"on": "submit", "do": "status", "status": 422})
    with sandboxed.sandbox(tmp_path / "server", *rejecting) as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        stopped = place.run("run", place.manifest([f"a refused fox {number}" for number in range(30)]), "-j", "1")

        assert stopped.code == 69, stopped.err
        assert f"rejected each of its first {IN_A_ROW} jobs" in stopped.err
        assert place.book().count("submitting") == IN_A_ROW
        assert place.book().summary()["new"] == 20
        place.close()
