"""Which call meets which fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.sandbox.config import SandboxError
from batchgen.sandbox.faults import ACTIONS, ENDPOINTS, FaultDesk, decide, parse_rules
from batchgen.sandbox.profiles import profiles, read_rules


@pytest.mark.parametrize(
    ("rule", "endpoint", "call", "prompt", "hit"),
    [
        ({"on": "status", "do": "hang"}, "status", 1, "", True),
        ({"on": "status", "do": "hang"}, "result", 1, "", False),
        ({"on": "status", "do": "hang", "nth": [2, 5]}, "status", 5, "", True),
        ({"on": "status", "do": "hang", "nth": [2, 5]}, "status", 4, "", False),
        ({"on": "status", "do": "hang", "nth": 1}, "status", 1, "", True),
        ({"on": "status", "do": "hang", "share": 0}, "status", 1, "", False),
        ({"on": "submit", "do": "fail", "match": "fox"}, "submit", 1, "a red fox", True),
        ({"on": "submit", "do": "fail", "match": "fox"}, "submit", 1, "a cat", False),
    ],
)
def test_a_rule_fits_by_endpoint_call_number_and_prompt(
    rule: dict[str, object], endpoint: str, call: int, prompt: str, hit: bool
) -> None:
    assert (decide(parse_rules([rule]), 0, endpoint, call, prompt) is not None) is hit


def test_the_first_rule_that_fits_decides() -> None:
    rules = parse_rules([{"on": "file", "do": "redirect", "nth": 2}, {"on": "file", "do": "truncate"}])
    seen = [decide(rules, 0, "file", call, "") for call in (1, 2)]
    assert [fault.do for fault in seen if fault] == ["truncate", "redirect"]


def test_a_share_is_drawn_from_the_seed_and_the_call() -> None:
    rules = parse_rules([{"on": "status", "do": "empty", "share": 0.2}])
    hits = {seed: [call for call in range(1, 2001) if decide(rules, seed, "status", call, "")] for seed in (1, 2)}
    assert hits[1] == [call for call in range(1, 2001) if decide(rules, 1, "status", call, "")]
    assert hits[1] != hits[2]
    assert 300 < len(hits[1]) < 500


def test_calls_are_counted_for_each_endpoint_and_go_on_after_the_last_fault() -> None:
    desk = FaultDesk(parse_rules([{"on": "submit", "do": "empty", "nth": 4}]), 0, {"submit": 2})
    assert desk.draw("status", "") == (1, None)
    assert desk.draw("submit", "") == (3, None)
    call, fault = desk.draw("submit", "")
    assert (call, fault.do if fault else None) == (4, "empty")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({}, "must be a JSON list"),
        (["hang"], "fault rule 1: must be a JSON object"),
        ([{"on": "moon", "do": "hang"}], "on is 'moon'; use one of submit"),
        ([{"on": "file", "do": "no_id"}], "do is 'no_id'; on file use one of status"),
        ([{"on": "file", "do": "hang", "shares": 1}], "unknown key 'shares'"),
        ([{"on": "file", "do": "hang", "share": 2}], "share is 2; use 0 to 1"),
        ([{"on": "file", "do": "hang", "nth": [0]}], "nth is"),
        ([{"on": "file", "do": "hang", "seconds": True}], "seconds cannot be True"),
        ([{"on": "file", "do": "error_code", "spelling": "oops"}], "spelling must be one of"),
    ],
)
def test_a_bad_rule_is_named_with_the_way_out(rules: object, message: str) -> None:
    with pytest.raises(ValueError, match=r"fault rule") as caught:
        parse_rules(rules)
    assert message in str(caught.value)


def test_rules_come_from_a_name_from_json_or_from_a_file(tmp_path: Path) -> None:
    text = '[{"on": "file", "do": "hang"}]'
    path = tmp_path / "rules.json"
    path.write_text(text)
    assert read_rules(text) == read_rules(str(path)) == parse_rules([{"on": "file", "do": "hang"}])
    assert read_rules("none") == ()
    with pytest.raises(SandboxError, match="no such profile or file; use none, flaky, hostile, outage"):
        read_rules("flakey")


def test_flaky_never_leaves_the_fate_of_a_submission_in_doubt() -> None:
    submits = [rule for rule in profiles()["flaky"] if rule.on == "submit"]
    assert submits
    assert all(rule.fault.do == "rate_limit" and not rule.fault.accept for rule in submits)


@pytest.mark.parametrize("name", ["flaky", "hostile"])
def test_profiles_touch_every_endpoint_with_about_five_percent(name: str) -> None:
    for endpoint in ENDPOINTS:
        share = sum(rule.share for rule in profiles()[name] if rule.on == endpoint)
        assert 0.03 <= share <= 0.09


def test_an_outage_answers_nothing_but_503() -> None:
    for endpoint in ENDPOINTS:
        fault = decide(profiles()["outage"], 0, endpoint, 1, "")
        assert fault is not None
        assert (fault.do, fault.status) == ("status", 503)


def test_every_action_names_endpoints_that_exist() -> None:
    assert all(places and places <= set(ENDPOINTS) for places in ACTIONS.values())
