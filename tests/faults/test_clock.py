"""The wall clock is wrong, or jumps: nothing is decided by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.sandboxed import Ended, Sandbox, Workplace

HOUR = 3600.0
Bent = Callable[..., Ended]


@pytest.mark.parametrize("offset", [-HOUR, HOUR], ids=["back", "forward"])
def test_a_clock_that_was_set_between_runs_changes_nothing(
    desk: Workplace, calm: Sandbox, bent: Bent, offset: float
) -> None:
    before = calm.accepted()
    manifest = desk.manifest([f"a fox at {offset}", f"a heron at {offset}"])
    assert desk.run("run", manifest, "--max-jobs", "1", "-q").code == 3
    assert bent("run", manifest, "-q", clock=offset).code == 0
    assert desk.run("run", manifest, "-q").code == 0
    assert (calm.accepted() - before, desk.book().count("done")) == (2, 2)
    assert desk.run("status", "m.yaml", "--json").json["done"] == 2


@pytest.mark.parametrize("step", [-HOUR, HOUR], ids=["back", "forward"])
@pytest.mark.parametrize("after", [4, 12])
def test_a_clock_that_jumps_during_a_run_changes_nothing(
    desk: Workplace, calm: Sandbox, bent: Bent, step: float, after: int
) -> None:
    """Waits are measured on a clock that nobody sets: none of them becomes an hour, or nothing."""
    before = calm.accepted()
    manifest = desk.manifest([f"a fox in {step} {after} {number}" for number in range(3)])
    ended = bent("run", manifest, step=step, step_after=after)
    assert ended.code == 0, ended.err
    assert (calm.accepted() - before, desk.book().count("done")) == (3, 3)
    assert desk.book().summary()["duration_s"] >= 0


@pytest.mark.parametrize("offset", [-HOUR, HOUR], ids=["back", "forward"])
def test_what_was_left_in_flight_is_collected_whatever_the_clock_says(
    desk: Workplace, calm: Sandbox, bent: Bent, offset: float
) -> None:
    before = calm.accepted()
    manifest = desk.manifest([f"a fox left at {offset}"], limits={"wait": 0.001})
    assert desk.run("run", manifest, "-q").code == 3
    assert desk.book().summary()["in_flight"] == 1
    assert bent("fetch", "runs/m", "-q", clock=offset).code == 0
    assert (calm.accepted() - before, desk.book().count("done")) == (1, 1)
