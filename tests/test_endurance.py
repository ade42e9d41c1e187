"""The endurance run, small, and that its accounts can be wrong: what they hold, they would notice."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
Line = dict[str, Any]


def test_a_small_endurance_run_ends_with_clean_accounts() -> None:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / "endurance.py"), "--jobs", "100", "--in-flight", "32"],
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "100 of 100 jobs are done" in ended.stdout
    assert "100 files verified by their hash, 0 missing or damaged" in ended.stdout


def line(event: str, seed: int, attempt: int = 1, **more: object) -> Line:
    fixed = {"seed": seed} if event == "submitting" else {}
    return {"event": event, "job": f"job {seed}", "attempt": attempt, **fixed, **more}


def made(seed: int, request_id: str, attempt: int = 1) -> list[Line]:
    return [
        line("submitting", seed, attempt),
        line("submitted", seed, attempt, request_id=request_id),
        line("done", seed, attempt, request_id=request_id, cost_usd=0.06),
    ]


AGAIN: Line = {"event": "run_started"}


def in_doubt(seed: int) -> list[Line]:
    return [line("submitting", seed), line("unknown", seed)]


@pytest.mark.parametrize(
    ("lines", "accepted", "wrong"),
    [
        ([*made(1, "a"), *made(2, "b")], {"a": 1, "b": 2}, ""),
        ([*in_doubt(1), *made(2, "b"), AGAIN, AGAIN, *made(1, "a", 2)], {"lost": 1, "a": 1, "b": 2}, ""),
        ([*in_doubt(1), *made(2, "b"), AGAIN, AGAIN, *made(1, "a", 2)], {"a": 1, "b": 2}, ""),
        ([*in_doubt(1), *made(2, "b"), AGAIN, *made(1, "a", 2)], {"a": 1, "b": 2}, "1 paid twice unasked"),
        ([*made(1, "a"), *made(2, "b")], {"a": 1, "b": 2, "extra": 1}, "without a known unknown"),
        (
            [AGAIN, AGAIN, *made(1, "a"), *made(1, "again", 2), *made(2, "b")],
            {"a": 1, "again": 1, "b": 2},
            "1 paid twice unasked",
        ),
        ([*made(1, "a"), *made(2, "b")], {"a": 1}, "1 request ids that nobody gave out"),
        ([*made(1, "a"), *made(2, "b")], {"a": 2, "b": 1}, "2 tied to another job"),
        ([*made(1, "a"), line("submitting", 2)], {"a": 1}, "1 of 2 jobs"),
    ],
)
def test_the_accounts_notice_what_is_wrong(lines: list[Line], accepted: dict[str, int], wrong: str) -> None:
    accounts = _accounts()
    ledger = accounts.Ledger()
    for one in lines:
        ledger.take(one)
    requests = [{"request_id": request_id, "input": {"seed": seed}} for request_id, seed in accepted.items()]
    truth = {"charged_usd": 0.06 * len(accepted), "token_leaks": 0}
    found = [text for holds, text in accounts.check_accounts(ledger, truth, requests, 2) if not holds]
    assert bool(found) == bool(wrong)
    assert wrong in "; ".join(found)


def _accounts() -> Any:
    spec = importlib.util.spec_from_file_location("accounts", BENCHMARKS / "accounts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["accounts"] = module
    spec.loader.exec_module(module)
    return module
