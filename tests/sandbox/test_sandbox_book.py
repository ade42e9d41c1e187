"""The fold of the sandbox's log."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen.sandbox.book import Book
from batchgen.sandbox.records import Accepted, CancelAsked, Faulted, Leaked, Opened, Record, RunFailed


def _accepted(name: str, **more: bool) -> Accepted:
    return Accepted(10.0, name, "google/x", {"prompt": name}, 5.0, 1, Decimal("0.08"), **more)


START: list[Record] = [Opened(9.0, 1), _accepted("a"), _accepted("b")]


@pytest.mark.parametrize(
    ("later", "committed", "charged", "counts"),
    [
        ([], "0.16", 0.16, {"succeeded": 2}),
        ([CancelAsked(11.0, "b")], "0.08", 0.08, {"succeeded": 1, "cancelled": 1}),
        ([CancelAsked(11.0, "b"), CancelAsked(12.0, "b")], "0.08", 0.08, {"succeeded": 1, "cancelled": 1}),
        ([CancelAsked(11.0, "a")], "0.16", 0.16, {"succeeded": 2}),
        ([RunFailed(30.0, "a", "boom")], "0.08", 0.08, {"succeeded": 1, "failed": 1}),
    ],
)
def test_cancelled_and_failed_runs_give_their_money_back(
    later: list[Record], committed: str, charged: float, counts: dict[str, int]
) -> None:
    book = Book()
    for record in [*START, *later]:
        book.apply(record)
    account = book.account(100.0)
    assert book.committed == Decimal(committed)
    assert account["charged_usd"] == charged
    assert {word: account[word] for word in ("succeeded", "failed", "cancelled") if account[word]} == counts


def test_only_what_has_finished_is_charged() -> None:
    book = Book()
    for record in START:
        book.apply(record)
    assert [book.account(now)["charged_usd"] for now in (12.0, 15.0, 20.0)] == [0, 0.08, 0.16]


def test_leaks_and_faults_are_counted() -> None:
    book = Book()
    for record in (Leaked(1.0), Faulted(2.0, "file", "truncate", 4), Faulted(3.0, "file", "truncate", 9)):
        book.apply(record)
    account = book.account(4.0)
    assert (account["token_leaks"], account["fault_counts"]) == (1, {"file:truncate": 2})
    assert book.last_fault == {"file": 9}
