"""What bodies of `/status` and `/result` mean: a table of the API's spellings, and hostile JSON."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.errors import Stage
from batchgen.job import Phase
from batchgen.runcomfy import reading

A, B, C = ("https://cdn.runcomfy.net/a.png", "https://cdn.runcomfy.net/b.png", "https://cdn.runcomfy.net/c.mp4")


@pytest.mark.parametrize(
    ("word", "on_status", "on_result"),
    [
        ("in_queue", Phase.PENDING, Phase.PENDING),
        ("in_progress", Phase.PENDING, Phase.PENDING),
        ("IN_PROGRESS", Phase.PENDING, Phase.PENDING),
        ("pending", Phase.PENDING, Phase.PENDING),
        ("waiting", Phase.PENDING, Phase.PENDING),
        ("starting", Phase.PENDING, Phase.PENDING),
        ("processing", Phase.PENDING, Phase.PENDING),
        ("cancellation_requested", Phase.PENDING, Phase.PENDING),
        ("cancel_requested", Phase.PENDING, Phase.PENDING),
        ("cancelling", Phase.PENDING, Phase.PENDING),
        ("canceling", Phase.PENDING, Phase.PENDING),
        ("cancel_failed", Phase.PENDING, Phase.PENDING),
        ("not_cancelled", Phase.PENDING, Phase.PENDING),
        ("a_new_word", Phase.PENDING, Phase.PENDING),
        ("completed", Phase.ENDED, Phase.SUCCEEDED),
        ("Completed", Phase.ENDED, Phase.SUCCEEDED),
        ("succeeded", Phase.ENDED, Phase.SUCCEEDED),
        ("failed", Phase.ENDED, Phase.FAILED),
        ("cancelled", Phase.ENDED, Phase.CANCELLED),
        ("canceled", Phase.ENDED, Phase.CANCELLED),
        ("CANCELLED", Phase.ENDED, Phase.CANCELLED),
        ("server_error", Phase.ENDED, Phase.FAILED),
        ("expired", Phase.ENDED, Phase.FAILED),
        ("timeout", Phase.ENDED, Phase.FAILED),
    ],
)
def test_only_the_result_says_how_a_request_ended(word: str, on_status: Phase, on_result: Phase) -> None:
    body = {"status": word, "queue_position": 3}
    assert reading.of_status(body).phase is on_status
    assert reading.of_result(body).phase is on_result
    assert reading.of_status(body).word == word.lower()


@pytest.mark.parametrize(
    ("output", "urls"),
    [
        ({"images": [A, B]}, (A, B)),
        ({"images": [B, A, B]}, (B, A)),
        ({"image": A}, (A,)),
        ({"image": A, "images": [B, A]}, (B, A)),
        ({"videos": [C], "images": [A]}, (A, C)),
        ({"video": C, "thumbnail": A}, (C,)),
        ({"audio": A}, (A,)),
        ({"images": [{"url": A, "width": 10}, {"url": B}]}, (A, B)),
        ({"image": {"url": A}}, (A,)),
        ({"images": [], "image": None, "file": {"path": "/x", "url": A}}, (A,)),
        ({"results": [{"media": {"url": A}}, {"media": {"url": B}}]}, (A, B)),
        (A, (A,)),
        ([A, B, A], (A, B)),
        ([{"url": A}], (A,)),
        ({"url": A, "status_url": B, "result_url": B, "cancel_url": B}, (A,)),
        ({"image": "HTTP://cdn.runcomfy.net/x"}, ("HTTP://cdn.runcomfy.net/x",)),
        ({"text": "see https://cdn.runcomfy.net/x"}, ()),
        ({"images": ["data:image/png;base64,AAAA"]}, ()),
        ({"images": [1, None, True, {}]}, ()),
        ({}, ()),
        (None, ()),
        (7, ()),
    ],
)
def test_outputs_of_every_shape(output: object, urls: tuple[str, ...]) -> None:
    body = {"status": "succeeded", "output": output, "status_url": B, "result_url": B}
    assert reading.of_result(body).urls == urls


def test_outputs_fall_back_to_outputs_then_to_result() -> None:
    nodes = {"9": {"images": [{"url": A, "filename": "x.png"}]}, "12": {"images": [{"url": B}]}}
    assert reading.of_result({"status": "succeeded", "output": {}, "outputs": nodes, "result": C}).urls == (A, B)
    assert reading.of_result({"status": "succeeded", "result": {"url": C}}).urls == (C,)


def test_an_unfinished_or_failed_result_has_no_outputs() -> None:
    for word in ("in_progress", "failed", "cancelled"):
        assert reading.of_result({"status": word, "output": {"image": A}}).urls == ()


def test_hostile_depth_and_number_are_bounded() -> None:
    deep: object = A
    for _ in range(5000):
        deep = [deep]
    assert reading.of_result({"status": "succeeded", "output": deep}).urls == ()
    many = [f"https://cdn.runcomfy.net/{n}" for n in range(50_000)]
    assert reading.of_result({"status": "succeeded", "output": many}).urls == tuple(many[: reading.MAX_OUTPUTS])
    assert reading.of_result({"status": "succeeded", "output": [[]] * 1_000_000}).urls == ()


@pytest.mark.parametrize(
    ("raw", "cost"),
    [
        (0.08, Decimal("0.08")),
        (1, Decimal(1)),
        (0, Decimal(0)),
        (True, None),
        (-0.1, None),
        (float("nan"), None),
        (float("inf"), None),
        ("0.08", None),
        (None, None),
        ([0.08], None),
    ],
)
def test_a_cost_that_is_no_plain_number_is_unknown(raw: object, cost: Decimal | None) -> None:
    assert reading.of_result({"status": "succeeded", "cost": raw}).cost_usd == cost


@pytest.mark.parametrize(
    ("body", "kind", "words", "code"),
    [
        ({"error": "CUDA out of memory"}, "run_failed", "CUDA out of memory", None),
        ({"error": {"type": "oom", "message": "no memory"}}, "run_failed", "no memory", None),
        ({"error": {"type": "content_policy_violation", "message": "sorry"}}, "moderation", "sorry", None),
        ({"error": [{"errorCode": 500001, "error": "boom", "debugInfo": "x"}]}, "run_failed", "boom", 500001),
        ({"error": {"error": {"message": "inner"}}}, "run_failed", "inner", None),
        ({"error": "Prompt flagged by safety filter"}, "moderation", "Prompt flagged by safety filter", None),
        ({"error": "Blocked by content moderation"}, "moderation", "Blocked by content moderation", None),
        ({"error_code": 500001, "error_message": "gone wrong"}, "run_failed", "gone wrong", 500001),
        ({"message": "gone wrong"}, "run_failed", "gone wrong", None),
        ({"detail": [{"loc": ["body", "seed"], "msg": "bad"}]}, "run_failed", "seed: bad", None),
        ({"error": 7}, "run_failed", "7", None),
        ({"error": 7, "error_message": "gone wrong"}, "run_failed", "gone wrong", None),
        ({"error": {"reason": "nsfw"}}, "moderation", '{"reason":"nsfw"}', None),
        ({"error": {}}, "run_failed", "the server gives no reason", None),
        ({"error": True}, "run_failed", "the server gives no reason", None),
        ({}, "run_failed", "the server gives no reason", None),
        ({"error": "a\x1b[2Jb\u202e"}, "run_failed", "a\ufffd[2Jb\ufffd", None),
    ],
)
def test_the_reason_of_a_failed_run_is_kept(body: dict[str, object], kind: str, words: str, code: int | None) -> None:
    error = reading.of_result({"status": "failed", **body}).error
    assert error is not None
    assert (error.kind, error.stage, error.message, error.code) == (kind, Stage.RUN, words, code)


def test_a_run_without_trouble_has_no_error() -> None:
    body = {"status": "succeeded", "error": None, "message": "ok", "error_code": 0, "output": {"image": A}}
    assert reading.of_result(body).error is None


def test_the_rest_is_handed_on_as_the_server_says_it() -> None:
    read = reading.of_result(
        {"status": "in_queue", "queue_position": 3, "model_id": "a/b", "created_at": "2026-11-22T06:00:01.1+00:00"}
    )
    assert (read.queue_position, read.model, read.created_at) == (3, "a/b", "2026-11-22T06:00:01.1+00:00")
    odd = reading.of_status({"status": "in_queue", "queue_position": True, "model_id": 7, "created_at": 1})
    assert (odd.queue_position, odd.model, odd.created_at) == (None, None, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(A),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ("status", "output", "outputs", "result", "error", "error_code", "error_message", "detail", "cost", "model_id")
)
WORDS = st.sampled_from(("succeeded", "failed", "in_queue", "completed"))


def is_control(character: str) -> bool:
    return unicodedata.category(character).startswith("C")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, JSON | WORDS))
def test_no_json_breaks_the_reader(body: dict[str, object]) -> None:
    for read in (reading.of_status(body), reading.of_result(body)):
        assert all(url.startswith("https://") for url in read.urls)
        assert read.cost_usd is None or read.cost_usd >= 0
        assert read.error is None or not any(map(is_control, read.error.message))
