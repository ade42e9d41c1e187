"""Which jobs a run takes: by tag, by setting, by number, by how they failed."""

from __future__ import annotations

import json

import pytest
from support.sandboxed import Sandbox, Workplace

PROMPTS = [
    {"text": "a selected fox", "tags": {"set": "animals"}},
    {"text": "a selected tram", "tags": {"set": "vehicles"}},
    {"text": "a selected heron", "tags": {"set": "animals"}},
]
GRID = {"aspect_ratio": ["1:1", "16:9"]}


@pytest.mark.parametrize(
    ("options", "jobs"),
    [
        (["--where", "set=animals"], 4),
        (["--where", "set=animals", "--where", "set=vehicles"], 6),
        (["--where", "set=animals", "--where", "aspect_ratio=16:9"], 2),
        (["--where", "set=animals", "--limit", "3"], 3),
        (["--limit", "5"], 5),
        (["--where", "set=plants"], 0),
    ],
)
def test_same_keys_widen_different_keys_narrow_and_the_limit_comes_last(
    place: Workplace, options: list[str], jobs: int
) -> None:
    planned = place.run("plan", place.manifest(PROMPTS, grid=GRID), *options, "--json").json
    assert (planned["jobs"], planned["new"], planned["to_post"]) == (jobs, jobs, jobs)
    assert any("selects no job" in warning for warning in planned["warnings"]) == (jobs == 0)


def test_a_selection_runs_once_and_the_rest_is_still_there(place: Workplace, quick: Sandbox) -> None:
    manifest = place.manifest(PROMPTS, grid=GRID)
    before = quick.accepted()
    chosen = ["run", manifest, "--where", "set=animals", "--limit", "3", "--json"]
    first, second = place.run(*chosen), place.run(*chosen)
    assert (first.code, first.json["jobs"], first.json["done"]) == (0, 3, 3)
    assert (second.code, second.json["done"]) == (0, 3)
    assert quick.accepted() - before == 3
    whole = place.run("plan", manifest, "--json").json
    assert (whole["jobs"], whole["done"], whole["new"], whole["removed"]) == (6, 3, 3, 0)


def test_retry_takes_only_what_failed_that_way_and_tells_of_words_that_match_nothing(
    place: Workplace, quick: Sandbox
) -> None:
    manifest = place.manifest(["a fox that fails [sandbox:fail]", "a fox that does not"])
    assert place.run("run", manifest).code == 1
    before = quick.accepted()
    typo = place.run("run", manifest, "--retry", "run_faild", "--json")
    assert (typo.code, quick.accepted() - before) == (1, 0)
    assert "--retry run_faild: no job failed like that; failed here: run_failed" in typo.err
    assert place.run("run", manifest, "--retry", "lost,run_failed").code == 1
    assert quick.accepted() - before == 1
    attempts = [line["attempt"] for line in place.book().lines("failed")]
    assert attempts == [1, 2]


def test_a_selection_that_is_no_pair_is_usage(place: Workplace) -> None:
    ended = place.run("plan", place.manifest(["a fox"]), "--where", "animals")
    assert ended.code == 64
    assert "--where animals: write KEY=VALUE" in ended.err


def test_a_plan_is_one_json_object_whatever_is_selected(place: Workplace) -> None:
    ended = place.run("plan", place.manifest(PROMPTS), "--limit", "1", "--json")
    assert json.loads(ended.out)["first"][0]["tags"] == {"set": "animals"}
