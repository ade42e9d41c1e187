"""How a run behaves where no person and no terminal is: the real command, fired as cron fires it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nights.scenes import PROMPTS, READS_FAIL, TWO
from nights.stage import QUICK, Stage, stage


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as here:
        yield here


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose server finishes nothing."""
    with stage(tmp_path, *READS_FAIL) as here:
        yield here


def test_without_a_terminal_there_are_lines_and_no_bar(calm: Stage) -> None:
    """Also where the environment speaks of a terminal that is not there."""
    calm.place.environment |= {"TERM": "xterm-256color", "COLUMNS": "200"}
    calm.manifest([*PROMPTS, "a fox [sandbox:fail]"])
    ended = calm.place.run("run", "autumn.yaml", "--log-file", "night.log")
    log = (calm.place.folder / "night.log").read_text("utf-8")

    assert ended.code == 1
    assert ended.out == ""
    assert "\r" not in ended.err + log
    assert "\x1b" not in ended.err + log
    assert "ended after" in ended.err
    assert [line[10] for line in log.splitlines()] == ["T"] * len(log.splitlines()), "a time stands before each line"


def test_a_quiet_run_that_failed_says_so_once_and_where_to_look(calm: Stage) -> None:
    """One mail: what failed and in whose words, where the rest is, what to type; the log file has every line."""
    calm.manifest([*PROMPTS[:2], "a fox [sandbox:fail]"])
    ended = calm.fired("02:00", "--log-file", "night.log")

    assert ended.code == 1
    assert len(ended.err.splitlines()) <= 10
    for words in ("2 of 3 jobs done", "failed: 1 job", "--retry-failed", "runs/autumn/images"):
        assert words in ended.err
    assert "failed" in (calm.place.folder / "night.log").read_text("utf-8")


def test_max_time_ends_a_run_within_its_grace_although_the_server_finishes_nothing(stuck: Stage) -> None:
    stuck.manifest(PROMPTS, limits=TWO)
    ended = stuck.fired("02:00", "--max-time", "1s", "--grace", "1s")
    summary = stuck.book.summary()

    assert (ended.code, ended.err) == (3, "")
    assert (summary["reason"], summary["goes_on"], summary["in_flight"], summary["new"]) == ("max_time", True, 2, 2)
    assert summary["oldest_in_flight_s"] > 0


def test_a_second_firing_leaves_the_first_one_alone(stuck: Stage) -> None:
    """It is no failure, says nothing, tells the monitor nothing, and touches nothing."""
    stuck.manifest(PROMPTS, limits=TWO)
    first = stuck.fire("02:00")
    stuck.book.wait_for(first, "submitted", 2)
    log = stuck.book.log.read_bytes()
    second = stuck.fired("02:01")
    unasked = stuck.place.run("run", "autumn.yaml", "-q")

    assert (second.code, second.out, second.err) == (0, "", "")
    assert unasked.code == 75
    assert stuck.book.log.read_bytes() == log
    assert stuck.monitor.paths() == ["/start", "/75"]
    assert stuck.server.accepted() == 2


def test_results_that_wait_for_long_are_warned_of_wherever_one_looks(stuck: Stage) -> None:
    stuck.manifest(PROMPTS[:1], limits={"wait": "1s"})
    assert stuck.fired("02:00").code == 3
    stuck.day += 2
    stuck.server.restart(*QUICK)
    for command in ("status", "plan", "fetch"):
        ended = stuck.typed("08:30", command, "autumn.yaml")
        assert (
            "the oldest is 2 d 06 h old, and results expire after about 7 days: 4 d 17 h left" in ended.out + ended.err
        )
    assert stuck.book.summary()["oldest_in_flight_s"] is None
