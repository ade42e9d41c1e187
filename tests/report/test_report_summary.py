"""What a run has come to: `summary.json` and the closing lines."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.story import BEGAN, Story, is_safe

from batchgen.report.summary import Commands, closing, summary
from batchgen.report.survey import COUNTS, survey

COMMANDS = Commands(
    resume="batchgen run autumn.yaml",
    fetch="batchgen fetch runs/autumn",
    retry="batchgen run autumn.yaml --retry-failed",
    resubmit="batchgen run autumn.yaml --on-unknown resubmit",
    attach="batchgen attach runs/autumn JOB REQUEST_ID",
    settle="batchgen settle runs/autumn JOB --not-sent",
)


def close(story: Story, exit_code: int = 0, reason: str = "finished", commands: Commands = COMMANDS) -> list[str]:
    return closing(
        story.state,
        exit_code=exit_code,
        reason=reason,
        started=BEGAN,
        ended=BEGAN + 723,
        run_dir="runs/autumn",
        commands=commands,
    )


def test_a_summary_is_flat_and_json() -> None:
    story = Story()
    story.start(new=2, done=1, removed=4, duplicates=2, missing=1)
    story.done(1)
    story.failed(2)
    made = summary(
        story.state,
        exit_code=1,
        reason="failed",
        started=BEGAN,
        ended=BEGAN + 61.5,
        run_dir="runs/autumn",
        goes_on=False,
    )
    assert json.loads(json.dumps(made)) == {
        "name": "autumn",
        "run_dir": "runs/autumn",
        "command": "run",
        "jobs": 3,
        "new": 0,
        "in_flight": 0,
        "done": 2,
        "failed": 1,
        "unknown": 0,
        "lost": 0,
        "cancelled": 0,
        "removed": 4,
        "duplicates": 2,
        "missing": 1,
        "oldest_in_flight_s": None,
        "cost_usd": 0.16,
        "exit_code": 1,
        "reason": "failed",
        "goes_on": False,
        "started": "2025-11-22T03:00:00.000Z",
        "finished": "2025-11-22T03:01:01.500Z",
        "duration_s": 61.5,
    }


def test_a_summary_without_a_ledger_and_with_a_clock_set_back_is_still_whole() -> None:
    made = summary(
        Story().state,
        exit_code=69,
        reason="unavailable",
        goes_on=False,
        started=BEGAN,
        ended=BEGAN - 5,
        run_dir="runs/x",
    )
    assert all(made[name] == 0 for name in COUNTS)
    assert (made["name"], made["cost_usd"], made["duration_s"]) == ("", 0, 0.0)


def test_closing_a_good_run_is_three_lines() -> None:
    story = Story()
    story.start(new=2)
    story.done(1)
    story.done(2)
    assert close(story) == [
        "autumn: 2 of 2 jobs done after 12 min 03 s",
        "made: 2 files in runs/autumn/images",
        "cost: $0.16",
    ]


def test_closing_tells_this_runs_part_of_a_resumed_one() -> None:
    story = Story()
    story.done(1)
    story.start(new=2, done=1)
    story.done(2)
    story.done(3, cost=None)
    assert close(story)[1:] == [
        "made: 3 files in runs/autumn/images (2 jobs done by this run)",
        "cost: $0.24, of which $0.08 is estimated",
    ]


def test_closing_groups_failures_by_cause_the_most_frequent_first() -> None:
    story = Story()
    story.start(new=9)
    story.failed(1, kind="timeout", message="took too long", prompt="a heron")
    story.failed(2, prompt="a red fox in fresh snow, looking back over its shoulder")
    story.failed(3)
    story.lost(4)
    story.cancelled(5)
    assert close(story, 1, "some jobs failed") == [
        "autumn: 0 of 9 jobs done after 12 min 03 s, 4 not sent",
        "exit code 1: some jobs failed",
        "made: nothing yet",
        "cost: $0.40 (estimated)",
        "failed: 3 jobs",
        "  2 x content_policy (run): refused by moderation",
        '      for example 00002_fox "a red fox in fresh snow, looking…"',
        "  1 x timeout (run): took too long",
        '      00001_fox "a heron"',
        "not made: 1 job lost, 1 job cancelled",
        "  to try these again: batchgen run autumn.yaml --retry-failed",
    ]


def test_closing_says_which_failures_this_run_did_not_select() -> None:
    story = Story()
    story.failed(1)
    story.failed(2)
    story.start(failed=1, done=4)
    assert "failed: 2 jobs, 1 of them not selected by this run" in close(story, 1)


def test_closing_lists_unknown_submissions_and_the_commands_that_decide_them() -> None:
    story = Story()
    story.start(new=6)
    for number in range(1, 6):
        story.unknown(number, prompt="" if number > 1 else "a red fox in fresh snow, looking back over its shoulder")
    assert close(story, 4, "unknown submissions need a decision")[1:] == [
        "exit code 4: unknown submissions need a decision",
        "made: nothing yet",
        "cost: $0.40 (estimated)",
        "unknown: 5 submissions, perhaps accepted and paid for, up to $0.40 (UTC)",
        '  2025-11-22 03:00:01  000000000000  $0.08  "a red fox in fresh snow, lookin…"',
        '  2025-11-22 03:00:03  000000000000  $0.08  "a fox, number 2"',
        '  2025-11-22 03:00:05  000000000000  $0.08  "a fox, number 3"',
        "  ... and 2 more submissions",
        "  look for them on the Generations page of runcomfy.com, then decide:",
        "  found there: batchgen attach runs/autumn JOB REQUEST_ID",
        "  not there: batchgen settle runs/autumn JOB --not-sent",
        "  send again, at the risk of paying twice: batchgen run autumn.yaml --on-unknown resubmit",
    ]


def test_closing_an_interrupted_run_says_what_is_left_and_how_to_go_on() -> None:
    story = Story()
    story.start(new=5, missing=1)
    story.submitted(1)
    story.submitted(2)
    assert close(story, 130, "interrupted by Ctrl-C") == [
        "autumn: 0 of 5 jobs done after 12 min 03 s, 3 not sent",
        "exit code 130: interrupted by Ctrl-C",
        "made: nothing yet",
        "cost: $0.16 (estimated)",
        "in flight: 2 jobs at the server, kept about 7 days; to collect them: batchgen fetch runs/autumn",
        "missing: files of 1 done job, here and at the server",
        "to go on: batchgen run autumn.yaml",
    ]


@pytest.mark.parametrize(
    ("exit_code", "last"),
    [
        (3, "to go on (where a cost limit was reached, raise it first): batchgen run autumn.yaml"),
        (5, "add balance on runcomfy.com, then: batchgen run autumn.yaml"),
        (69, "once that is over or mended: batchgen run autumn.yaml"),
        (73, "make the run directory writable and free some space, then: batchgen run autumn.yaml"),
        (77, "put a valid token into RUNCOMFY_TOKEN or the token file, then: batchgen run autumn.yaml"),
        (143, "to go on: batchgen run autumn.yaml"),
    ],
)
def test_every_stop_that_can_go_on_ends_with_the_command(exit_code: int, last: str) -> None:
    story = Story()
    story.start(new=1)
    assert close(story, exit_code, "why")[-1] == last


def test_a_command_that_is_not_given_is_not_offered() -> None:
    story = Story()
    story.start(new=3)
    story.failed(1)
    story.unknown(2)
    story.submitted(3)
    shown = "\n".join(close(story, 130, commands=Commands("", "", "", "")))
    assert "batchgen" not in shown
    assert "try these again" not in shown


def worst(foreign: str = "x" * 1000) -> Story:
    story = Story()
    story.start(name=foreign, new=80, missing=3)
    for number in range(1, 11):
        story.failed(number, kind=f"{foreign[:50]}{number}", message=foreign, prompt=foreign)
        story.unknown(10 + number, prompt=foreign)
        story.lost(20 + number)
        story.cancelled(30 + number)
        story.submitted(40 + number)
        story.done(50 + number, cost=None, price=None)
    return story


def test_closing_stays_within_twenty_six_lines_when_everything_went_wrong() -> None:
    lines = close(worst(), 3, "x" * 1000)
    assert len(lines) <= 26
    assert max(map(len, [lines[0], *lines[2:]])) <= 180


def test_a_reason_keeps_its_end_which_says_how_to_mend_it() -> None:
    reason = f"/{'folder/' * 30}images: No space left on device; free some space, then run the same command again"
    assert f"exit code 73: {reason}" in close(worst(), 73, reason)
    assert len(close(worst(), 73, "x" * 1000)[1]) <= 500


@given(st.text(max_size=100))
def test_closing_is_safe_for_a_terminal(foreign: str) -> None:
    lines = close(worst(foreign or "x"), 3, foreign, Commands(foreign, foreign, foreign, foreign, foreign, foreign))
    assert all(map(is_safe, lines))


def test_what_cost_nothing_for_certain_is_not_counted_as_unpriced() -> None:
    story = Story()
    story.start(new=4)
    story.unknown(1, price=None)
    story.done(2, cost=None, price=None)
    story.refused(3)
    story.done(4, cost="0.08", price=None)
    found = survey(story.state)
    assert (found.unpriced, found.estimated_usd, found.files) == (2, Decimal(0), 2)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (1, "kept about 7 days"),
        (25, "the oldest is 1 d 01 h old, and results expire after about 7 days: 5 d 23 h left"),
        (24 * 8, "the oldest is 8 d 00 h old, and results expire after about 7 days: it may be gone"),
    ],
)
def test_closing_says_how_long_results_are_left(hours: int, words: str) -> None:
    story = Story()
    story.start(new=2)
    story.submitted(1)
    story.now += 60
    story.submitted(2)
    made = summary(
        story.state, exit_code=3, reason="wait", goes_on=True, started=BEGAN, ended=BEGAN + 3600 * hours, run_dir="r"
    )
    lines = closing(
        story.state,
        exit_code=3,
        reason="wait",
        started=BEGAN,
        ended=BEGAN + 3600 * hours + 2,
        run_dir="runs/autumn",
        commands=COMMANDS,
    )
    assert f"in flight: 2 jobs at the server, {words}; to collect them: batchgen fetch runs/autumn" in lines
    assert made["oldest_in_flight_s"] == 3600 * hours - 2
