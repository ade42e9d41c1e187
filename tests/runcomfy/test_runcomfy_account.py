"""What the client tells of the account beside its requests: where the balance may be asked, and the server's clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batchgen.runcomfy.base import BALANCE
from batchgen.runcomfy.client import Client
from batchgen.runcomfy.envelope import clock_skew

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://model-api.runcomfy.net/v1", None),
        ("https://api.runcomfy.net/v1", BALANCE),
        ("https://api.runcomfy.net:8443/v1", None),
        ("http://127.0.0.1:8700/v1", "http://127.0.0.1:8700/prod/v2"),
        ("http://localhost:8700", "http://localhost:8700/prod/v2"),
        ("https://api.example.com", None),
    ],
)
def test_the_balance_is_asked_where_the_token_goes_anyway(base: str, expected: str | None) -> None:
    assert Client(base=base, token="t").balance_base == expected


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Sun, 22 Nov 2026 12:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 11:50:00 GMT", 600.0),
        ("Sun, 22 Nov 2026 13:00:00 +0000", -3600.0),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_a_clock_is_held_against_the_answers_date(date: str, skew: float | None) -> None:
    assert clock_skew({"Date": date}, NOON) == skew
    assert clock_skew({}, NOON) is None
