"""How a run directory stands, for programs and for people."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.story import BEGAN, Story, is_safe

from batchgen.report.status import status, status_lines


def mixed() -> Story:
    story = Story()
    story.start(new=6, done=2, removed=1)
    story.done(1)
    story.failed(2)
    story.submitted(3)
    story.submitted(4)
    story.unknown(5, prompt="a red fox")
    return story


def test_status_is_json_with_flat_counts_and_every_unknown_submission() -> None:
    story = mixed()
    story.finish(4, "unknown")
    shown = status(story.state, "runs/autumn", BEGAN + 3600, running=False)
    assert json.loads(json.dumps(shown)) == {
        "name": "autumn",
        "run_dir": "runs/autumn",
        "api": "https://api.test",
        "running": False,
        "jobs": 8,
        "new": 1,
        "in_flight": 2,
        "done": 3,
        "failed": 1,
        "unknown": 1,
        "lost": 0,
        "cancelled": 0,
        "removed": 1,
        "duplicates": 0,
        "missing": 0,
        "files": 1,
        "cost_usd": 0.4,
        "cost_estimated_usd": 0.32,
        "unpriced": 0,
        "oldest_in_flight_s": 3592.0,
        "unknown_submissions": [
            {
                "job": f"{5:032x}",
                "attempt": 1,
                "since": "2025-11-22T03:00:11.000Z",
                "prompt": "a red fox",
                "name": "00005_fox",
                "possible_cost_usd": 0.08,
            }
        ],
        "last_run": {
            "command": "run",
            "started": "2025-11-22T03:00:00.000Z",
            "finished": "2025-11-22T03:00:13.000Z",
            "exit_code": 4,
            "reason": "unknown",
        },
    }


def test_status_lines_show_it_aligned() -> None:
    story = mixed()
    story.finish(4, "unknown submissions need a decision")
    assert status_lines(status(story.state, "runs/autumn", BEGAN + 3600, running=False)) == [
        "run        autumn",
        "folder     runs/autumn",
        "api        https://api.test",
        "jobs       8",
        "new        1",
        "in flight  2",
        "done       3",
        "failed     1",
        "unknown    1",
        "removed    1",
        "files      1",
        "cost       $0.40, of which $0.32 is estimated",
        "last run   2025-11-22 03:00:00 UTC, 13 s, exit code 4: unknown submissions need a decision",
        "unknown: 1 submission, perhaps accepted and paid for, up to $0.08 (UTC)",
        '  2025-11-22 03:00:11  000000000000  $0.08  "a red fox"',
    ]


def test_an_empty_ledger_has_a_status() -> None:
    shown = status(Story().state, "runs/autumn", BEGAN)
    assert (shown["jobs"], shown["cost_usd"], shown["last_run"], shown["oldest_in_flight_s"]) == (0, 0, None, None)
    assert status_lines(shown) == [
        "folder    runs/autumn",
        "jobs      0",
        "done      0",
        "files     0",
        "cost      $0.00",
        "last run  never",
    ]


@pytest.mark.parametrize(
    ("running", "words"),
    [(True, "going on now"), (False, "ended without a word"), (None, "going on or died")],
)
def test_a_run_without_an_end_is_named_by_what_is_known_of_it(running: bool | None, words: str) -> None:
    story = mixed()
    lines = status_lines(status(story.state, "runs/autumn", BEGAN, running=running))
    assert f"last run   2025-11-22 03:00:00 UTC, {words}" in lines
    assert ("  a run is going on: some of these may only wait for their answer" in lines) is (running is True)


@pytest.mark.parametrize(("hours", "warned"), [(23, False), (26, True)])
def test_old_requests_in_flight_are_warned_about(hours: int, warned: bool) -> None:
    story = Story()
    story.start(new=2)
    story.submitted(1)
    lines = status_lines(status(story.state, "runs/my autumn", BEGAN + hours * 3600))
    warning = (
        "warning: 1 request in flight: the oldest is 1 d 01 h old, and results expire after about 7 days: "
        "5 d 22 h left; collect: batchgen fetch 'runs/my autumn'"
    )
    assert (warning in lines) is warned


def test_many_unknown_submissions_are_cut_for_people_only() -> None:
    story = Story()
    story.start(new=9)
    for number in range(9):
        story.unknown(number)
    shown = status(story.state, "runs/autumn", BEGAN)
    submissions = shown["unknown_submissions"]
    assert isinstance(submissions, list)
    assert len(submissions) == 9
    assert status_lines(shown)[-1] == "  ... and 4 more submissions"


@given(st.text(max_size=200))
def test_status_lines_are_safe_for_a_terminal(foreign: str) -> None:
    story = Story()
    story.start(name=foreign, new=1)
    story.unknown(1, prompt=foreign)
    story.finish(1, foreign)
    lines = status_lines(status(story.state, foreign, BEGAN + 100_000))
    assert all(map(is_safe, lines))
