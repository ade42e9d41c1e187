"""A plan in lines for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.story import is_safe

from batchgen.report.plan_text import header_lines, plan_lines

MODEL = "google/nano-banana-2/text-to-image"


def plan(**changes: object) -> dict[str, object]:
    return {
        "name": "autumn",
        "run_dir": "runs/autumn",
        "jobs": 120,
        "new": 100,
        "in_flight": 8,
        "done": 9,
        "failed": 0,
        "unknown": 3,
        "lost": 0,
        "cancelled": 0,
        "removed": 0,
        "duplicates": 2,
        "missing": 0,
        "cost_usd": {"low": 8, "high": 12.4},
        "first": [
            {
                "job": "0123456789abcdef0123456789abcdef",
                "model": MODEL,
                "prompt": "a red fox in fresh snow",
                "seed": 1234,
                "settings": {"aspect_ratio": "16:9", "enable_web_search": True, "safety_tolerance": 4},
                "tags": {"set": "animals"},
                "repeat": 2,
                "name": "00001_a-red-fox_012345",
            }
        ],
        "warnings": ["the column resolutoin is nearly named like the input resolution"],
        **changes,
    }


def test_a_balance_that_is_known_stands_below_the_cost() -> None:
    lines = plan_lines(plan(balance_usd=1.2))
    assert lines[lines.index("balance $1.20") - 1].startswith("cost ")
    assert not any(line.startswith("balance") for line in plan_lines(plan(balance_usd=None)))


def test_a_plan_tells_counts_cost_first_jobs_folder_and_command() -> None:
    assert plan_lines(plan(), command="batchgen run autumn.yaml") == [
        "autumn: 120 jobs",
        "  100 new         to be sent",
        "    8 in flight   at the server; collected, not sent again",
        "    9 done        nothing to do",
        "    3 unknown     may have been accepted and paid for; held until decided",
        "    2 duplicates  the same job twice in the manifest; run once",
        "cost    between $8.00 and $12.40 (estimate)",
        "folder  runs/autumn",
        "the first job:",
        "  00001_a-red-fox_012345  (job 0123456789abcdef0123456789abcdef)",
        "    model     google/nano-banana-2/text-to-image",
        "    prompt    a red fox in fresh snow",
        "    seed      1234",
        "    settings  aspect_ratio=16:9, enable_web_search=true, safety_tolerance=4",
        "    tags      set=animals",
        "    repeat    2",
        "warning: the column resolutoin is nearly named like the input resolution",
        "run it: batchgen run autumn.yaml",
    ]


def test_a_plan_with_nothing_new_still_says_so() -> None:
    counts = {"new": 0, "in_flight": 0, "unknown": 0, "duplicates": 0, "done": 120}
    empty = {"cost_usd": {"low": 0, "high": 0}, "first": [], "warnings": []}
    assert plan_lines(plan(**counts, **empty)) == [
        "autumn: 120 jobs",
        "    0 new   to be sent",
        "  120 done  nothing to do",
        "cost    nothing, as there is nothing to send",
        "folder  runs/autumn",
    ]


def test_the_header_is_jobs_new_cost_and_folder() -> None:
    assert header_lines(plan()) == [
        "autumn: 120 jobs: 100 new, 8 in flight, 9 done, 3 unknown",
        "cost: between $8.00 and $12.40 (estimate)",
        "folder: runs/autumn",
    ]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"cost_usd": {"low": 8, "high": 8}}, "at most $8.00 (estimate)"),
        ({"cost_usd": {"low": 0.015, "high": 0.08}}, "between $0.015 and $0.08 (estimate)"),
        ({"cost_usd": {"low": 0.08, "high": 0.08}, "new": 0}, "at most $0.08 (estimate)"),
        ({"cost_usd": None}, f"unknown: no price for {MODEL}; give pricing.base_usd"),
        ({"cost_usd": None, "first": []}, "unknown: no price for the model; give pricing.base_usd"),
        ({"cost_usd": None, "unpriced": ["a/b", "c/d"]}, "unknown: no price for a/b or c/d; give pricing.base_usd"),
        (
            {"cost_usd": None, "unpriced": ["a/b", "c/d", "e/f", "g/h"]},
            "unknown: no price for a/b or c/d or 2 more; give pricing.base_usd",
        ),
    ],
)
def test_the_cost_is_an_estimate_or_says_what_is_missing(changes: dict[str, object], shown: str) -> None:
    assert header_lines(plan(**changes))[1] == f"cost: {shown}"


def test_a_job_without_seed_and_settings_says_no_more_than_it_has() -> None:
    bare: dict[str, object] = {
        "job": "ab",
        "model": MODEL,
        "prompt": "a fox",
        "seed": None,
        "settings": {},
        "tags": {},
        "name": "n",
    }
    lines = plan_lines(plan(first=[bare, bare], warnings=[]))
    assert lines[-9] == "the first 2 jobs:"
    assert lines[-4:] == ["  n  (job ab)", f"    model     {MODEL}", "    prompt    a fox", "    seed      none"]


def test_many_warnings_are_cut() -> None:
    lines = plan_lines(plan(warnings=[f"w{number}" for number in range(30)]))
    assert lines[-1] == "  ... and 10 more warnings"


@given(st.text(max_size=200), st.none() | st.integers() | st.lists(st.text()))
def test_a_strange_plan_raises_nothing_and_is_safe_for_a_terminal(foreign: str, odd: object) -> None:
    job = {"job": foreign, "prompt": foreign, "settings": {foreign: foreign}, "tags": {foreign: odd}, "seed": odd}
    strange = plan(name=foreign, run_dir=foreign, first=[job, odd], warnings=[foreign, odd], new=odd, cost_usd=odd)
    lines = [*plan_lines(strange, command=foreign), *header_lines(strange)]
    assert all(map(is_safe, lines))
