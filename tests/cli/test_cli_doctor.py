"""`doctor` looks at what a run needs, says what it found and how to mend it, and costs nothing."""

from __future__ import annotations

import json

import pytest
from support.sandboxed import MODEL, TOKEN, Ended, Sandbox, Workplace, rules, sandbox
from support.scripted import Scripted

NAMES = ["token", "address", "catalog", "balance", "clock", "folder", "prices"]
NOWHERE = "http://127.0.0.1:9"


def checks(ended: Ended) -> dict[str, dict[str, str]]:
    """Return what `doctor --json` says, by check; its exit code is the one it names."""
    content = ended.json
    assert content["exit_code"] == ended.code
    return {one.pop("check"): one for one in content["checks"]}


def statuses(ended: Ended) -> dict[str, str]:
    """Return the status of every check."""
    return {name: one["status"] for name, one in checks(ended).items()}


def test_where_all_is_well_everything_is_ok_and_nothing_is_sent_or_left_behind(
    place: Workplace, quick: Sandbox
) -> None:
    accepted = quick.accepted()
    manifest = place.manifest(["a fox"], pricing={})
    before = sorted(place.tree())

    found = statuses(place.run("doctor", manifest, "--json"))

    assert found == dict.fromkeys([*NAMES[:6], "manifest", "prices"], "ok")
    assert quick.accepted() == accepted
    assert sorted(place.tree()) == before


def test_without_a_manifest_it_looks_at_the_rest(place: Workplace) -> None:
    shown = place.run("doctor")

    assert shown.code == 0, shown.out
    assert [line.split()[:2] for line in shown.out.splitlines()] == [["ok", name] for name in NAMES]
    assert TOKEN not in shown.out


def test_no_token_is_the_first_thing_wrong(place: Workplace) -> None:
    place.environment["RUNCOMFY_TOKEN"] = ""
    ended = place.run("doctor", "--json")

    assert ended.code == 77
    assert "RUNCOMFY_TOKEN" in checks(ended)["token"]["fix"]
    assert statuses(ended)["catalog"] == "not checked"
    assert statuses(ended)["folder"] == "ok"


def test_a_token_that_the_api_refuses_is_wrong(place: Workplace) -> None:
    place.environment["RUNCOMFY_TOKEN"] = "stale"
    ended = place.run("doctor", place.manifest(["a fox"]), "--json")

    assert ended.code == 77
    assert statuses(ended)["token"] == "wrong"
    assert statuses(ended)["clock"] == "ok"


def test_an_address_that_cannot_be_is_wrong(place: Workplace) -> None:
    place.environment["RUNCOMFY_MODEL_API_BASE"] = "http://api.example.com"
    ended = place.run("doctor", "--json")

    assert ended.code == 64
    assert statuses(ended)["address"] == "wrong"


def test_an_api_that_does_not_answer_is_wrong(place: Workplace) -> None:
    place.use(NOWHERE)
    ended = place.run("doctor", "--json")

    assert ended.code == 69
    assert [name for name, status in statuses(ended).items() if status == "wrong"] == ["catalog"]
    assert statuses(ended)["token"] == "not checked"


def test_a_folder_that_cannot_be_written_is_wrong(place: Workplace) -> None:
    (place.folder / "file").write_text("", encoding="utf-8")
    ended = place.run("doctor", "-o", "file/run", "--json")

    assert ended.code == 73
    assert "file" in checks(ended)["folder"]["found"]


def test_the_manifests_mistakes_are_wrong_and_its_models_are_asked_for(place: Workplace) -> None:
    ended = place.run("doctor", place.manifest(["a fox"], settings={"resolution": "3K", "sed": 1}), "--json")

    assert ended.code == 65
    assert "m.yaml:1:" in checks(ended)["manifest"]["found"]
    assert "the other 1" in checks(ended)["manifest"]["fix"]
    unknown = place.run("doctor", place.manifest(["a fox"], model="a/b"), "--json")
    assert 'unknown model "a/b"' in checks(unknown)["manifest"]["found"]


@pytest.mark.parametrize(("limits", "code", "status"), [({}, 0, "warning"), ({"max_cost_usd": 5}, 65, "wrong")])
def test_a_price_that_nobody_knows_is_wrong_where_there_is_a_limit(
    place: Workplace, limits: dict[str, int], code: int, status: str
) -> None:
    with Scripted() as server:
        server.models[MODEL] = {"model_id": MODEL, "base_price_usd": 0.1, "price_unit": "second"}
        place.use(server.origin)
        ended = place.run("doctor", place.manifest(["a fox"], pricing={}, limits=limits), "--json")

    assert (ended.code, statuses(ended)["prices"]) == (code, status)
    assert "base_usd" in checks(ended)["prices"]["fix"]
    assert server.posts == 0


@pytest.mark.parametrize(
    ("wrong", "status", "word"), [(-600, "warning", "ahead"), (600, "warning", "behind"), (60, "ok", "within")]
)
def test_a_clock_more_than_two_minutes_off_is_a_warning(place: Workplace, wrong: float, status: str, word: str) -> None:
    with Scripted() as server:
        server.clock = wrong
        server.models[MODEL] = {"model_id": MODEL, "base_price_usd": 0.1}
        place.use(server.origin)
        ended = place.run("doctor", "--json")

    assert ended.code == 0
    assert checks(ended)["clock"]["status"] == status
    assert word in checks(ended)["clock"]["found"]
    assert statuses(ended)["balance"] == "warning", "this API has no balance, which is no reason to stop"


def test_an_empty_account_is_a_warning(place: Workplace) -> None:
    with sandbox(place.folder / "empty", "--balance", "0") as server:
        place.use(server.origin)
        ended = place.run("doctor", "--json")

    assert (ended.code, statuses(ended)["balance"]) == (0, "warning")


def test_one_bad_answer_of_the_catalog_is_not_the_end(place: Workplace) -> None:
    fault = {"on": "models", "do": "status", "status": 503, "nth": [1, 2]}
    with sandbox(place.folder / "flaky", *rules(fault)) as server:
        place.use(server.origin)
        ended = place.run("doctor", "--json")

    assert ended.code == 0, json.dumps(ended.json)
