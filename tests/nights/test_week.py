"""A week of nights in which everything happens once; at its end every prompt has its picture, and was paid for once."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

from nights.stage import QUICK, Stage, stage
from support.sandboxed import rules

WISHES = ["fox", "heron", "lighthouse", "train", "orchard", "glacier", "harbour", "violin", "market", "desert"]
PRICE = Decimal("0.06")


def wish(here: Stage, count: int) -> None:
    """Have the prompt file hold this many prompts, new ones in between and at the end."""
    kept = [f"a {word} before dawn" for word in WISHES[:count]]
    (here.place.folder / "prompts.txt").write_text("\n".join(sorted(kept)) + "\n", encoding="utf-8")


def test_a_week_of_nights_makes_everything_once_and_keeps_the_account(tmp_path: Path) -> None:
    with stage(tmp_path) as here:
        here.manifest(
            [{"file": "prompts.txt"}],
            limits={"submits_per_second": 100, "concurrency": 2},
            output={"name": "{date}/{slug}"},
        )
        quiet_night(here, wishes=2)
        night_without_api(here, wishes=4)
        quiet_night(here, wishes=4)
        night_that_is_killed(here, wishes=7)
        night_without_money(here, wishes=8)
        quiet_night(here, wishes=10)
        quiet_night(here, wishes=10)

        hold_to_the_account(here)
        folders = Counter(Path(path).parts[1] for path in here.book.files())
        # A name is given with the first try, so what Thursday had sent is Thursday's, and so is what Tuesday tried.
        folders["2026-03-03"] += folders.pop("2026-03-04", 0)
        assert folders == {"2026-03-02": 2, "2026-03-03": 2, "2026-03-05": 2, "2026-03-06": 1, "2026-03-07": 3}


def quiet_night(here: Stage, wishes: int) -> None:
    wish(here, wishes)
    ended = here.fired("02:00", "--max-cost", "0.60")
    assert (ended.code, ended.err, here.book.summary()["done"]) == (0, "", wishes)
    here.day += 1


def night_without_api(here: Stage, wishes: int) -> None:
    wish(here, wishes)
    here.server.end()
    ended = here.fired("02:00", silence=0.5)
    assert (ended.code, here.book.summary()["new"]) == (69, 2), ended.err
    here.server.start(*QUICK)
    here.day += 1


def night_that_is_killed(here: Stage, wishes: int) -> None:
    """Two of three are at the server, which tells nothing of them until the process is dead."""
    wish(here, wishes)
    here.server.restart(*rules(*({"on": on, "do": "status", "status": 503} for on in ("status", "result"))))
    process = here.fire("02:00")
    here.book.wait_for(process, "submitted", 6)
    here.killed(process, "02:00", "killed")
    here.server.restart(*QUICK)
    here.day += 1


def night_without_money(here: Stage, wishes: int) -> None:
    """Two are collected, which were paid for the night before; of two new ones the budget has room for one."""
    wish(here, wishes)
    ended = here.fired("02:00", "--max-cost", "0.45")
    assert (ended.code, here.book.summary()["done"], here.book.summary()["new"]) == (3, 7, 1), ended.err
    here.day += 1


def hold_to_the_account(here: Stage) -> None:
    """What the ledger says is what the server has: every prompt once, one picture each, and the money to the cent."""
    account, book = here.server.account(), here.book
    assert Counter(here.server.accepted_prompts()) == Counter(f"a {word} before dawn" for word in WISHES)
    assert len(book.files()) == len(book.named_files()) == len(WISHES)
    assert book.files() == book.named_files()
    spent = sum((Decimal(str(line["cost_usd"])) for line in book.lines("done")), Decimal())
    charged = Decimal(str(account["charged_usd"]))
    assert spent == charged == Decimal(str(book.summary()["cost_usd"])) == PRICE * len(WISHES)
    assert (account["token_leaks"], book.count("unknown"), book.count("failed")) == (0, 0, 0)
