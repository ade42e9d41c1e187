"""Bad nights, each with its morning. A scene's docstring is what the page says of it, its asserts hold it to that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from nights.stage import QUICK, Stage
from support.sandboxed import TOKEN, rules

PROMPTS = ["a red fox", "a grey heron", "an old lighthouse", "a night train"]
PICTURE = 6
"""Which write of a run's with one new job is the first of its picture's."""

ONE_BY_ONE = {"submits_per_second": 100, "concurrency": 1, "downloads": 1}
TWO = {"submits_per_second": 100, "concurrency": 2}
READS_FAIL = rules(*({"on": on, "do": "status", "status": 503} for on in ("status", "result")))
"""A server that takes requests and says nothing more of them: nothing can finish."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A title, what is said about it, how the server begins, and what happens."""

    title: str
    play: Callable[[Stage], None]
    options: tuple[str, ...] = QUICK

    @property
    def prose(self) -> str:
        """What the page says."""
        lines = (self.play.__doc__ or "").strip().splitlines()
        return "\n".join(line.strip() for line in lines)


def killed(stage: Stage) -> None:
    """Two of four requests were at the server when the process was killed, as the kernel does for want of memory.

    A killed process says nothing, and so cron mails nothing. A monitor heard the start and no end, and alerts when its
    grace time is over. `status` tells what happened. The next firing collects both requests, sends the other two, and
    pays for nothing twice.
    """
    stage.manifest(PROMPTS, limits=TWO)
    process = stage.fire("02:00")
    stage.book.wait_for(process, "submitted", 2)
    stage.killed(process, "02:00", "killed after a while")
    stage.server.restart(*QUICK)
    stage.typed("08:00", "status", "autumn.yaml")
    stage.day += 1
    assert stage.fired("02:00").code == 0
    stage.typed("08:00", "status", "autumn.yaml")
    assert stage.server.accepted() == 4


def rebooted(stage: Stage) -> None:
    """The power failed while the ledger's last line was being written, and the machine came up again.

    The lock was the kernel's and died with its holder: nothing has to be removed by hand. The half line is cut from the
    ledger and kept in `log.torn`. It began a submission, and each of those is on disk whole before it leaves: this one
    was never sent.
    """
    stage.manifest(PROMPTS[:2], limits=ONE_BY_ONE)
    process = stage.fire("02:00")
    stage.book.wait_for(process, "submitted")
    stage.killed(process, "02:00", "the power fails")
    lines = stage.book.log.read_bytes().splitlines(keepends=True)
    started = {**json.loads(lines[0]), "boot_id": "another boot", "pid": 1}
    lines[0] = json.dumps(started).encode() + b"\n"
    half = b'{"v":1,"event":"submitting","time":"2026-03-02T02:0'
    stage.book.log.write_bytes(b"".join(lines) + half)
    stage.server.restart(*QUICK)
    stage.typed("08:00", "status", "autumn.yaml")
    stage.day += 1
    assert stage.fired("02:00").code == 0
    assert half in (stage.book.path / "log.torn").read_bytes()
    assert stage.server.accepted() == 2


def token_expired(stage: Stage) -> None:
    """The API no longer takes the token: exit code 77. Nothing is sent, and what was paid for stays noted.

    Once the new token stands in its file, the next firing goes on. Until then each night says the same.
    """
    stage.manifest(PROMPTS[:2])
    stage.keep_token("expired-token")
    assert stage.fired("02:00").code == 77
    stage.keep_token(TOKEN)
    stage.day += 1
    assert stage.fired("02:00").code == 0
    assert stage.server.accepted() == 2


def disk_full(stage: Stage) -> None:
    """The disk had no room for a picture: exit code 73. Room that was kept back takes the last lines of the ledger.

    No submission follows, since what cannot be written down must not be paid for. With room on the disk again, the next
    firing collects what was paid for and goes on.
    """
    stage.manifest(PROMPTS[:1])
    assert stage.fired("02:00").code == 0
    stage.day += 1
    stage.manifest(PROMPTS[:2])
    assert stage.fired("02:00", full_from=PICTURE).code == 73
    stage.typed("08:00", "status", "autumn.yaml")
    stage.day += 1
    assert stage.fired("02:00").code == 0
    assert stage.server.accepted() == 2


def unreachable(stage: Stage) -> None:
    """The API was not to be reached for an hour: exit code 69, after two minutes in which nobody answered (less, here).

    The hourly firing at 03:00 meets the same, and the one at 04:00 finds the API back and finishes the night. Nobody
    has to do anything.
    """
    stage.manifest(PROMPTS[:2])
    stage.server.end()
    assert stage.fired("02:00", silence=1.0).code == 69
    assert stage.fired("03:00", silence=1.0).code == 69
    stage.server.start(*QUICK)
    assert stage.fired("04:00").code == 0
    stage.typed("08:00", "status", "autumn.yaml")
    assert stage.server.accepted() == 2


def unknown(stage: Stage) -> None:
    """A connection broke between a submission and its answer: exit code 4. Nobody here can know whether it was taken.

    All other jobs are made. This one is held, by every night that follows too, until a person has looked at the
    Generations page of runcomfy.com. Here the request was there: attached, it is collected and not paid for again.
    """
    stage.manifest(PROMPTS[:2], limits=ONE_BY_ONE)
    assert stage.fired("02:00").code == 4
    job = stage.book.lines("unknown")[0]["job"]
    found = set(stage.server.account()["accepted_ids"]) - {line["request_id"] for line in stage.book.lines("submitted")}
    assert stage.typed("08:00", "attach", "autumn.yaml", job[:12], *found).code == 0
    stage.day += 1
    assert stage.fired("02:00").code == 0
    assert stage.server.accepted() == stage.book.summary()["done"] == 2


def budget_reached(stage: Stage) -> None:
    """The next picture did not fit into `--max-cost`: exit code 3, like every limit.

    Other limits (`--max-time`, `--max-jobs`) say nothing with `-q`, since the next firing goes on. This one waits for a
    person: raise it, or leave it as the end of the project.
    """
    stage.manifest(PROMPTS)
    assert stage.fired("02:00", "--max-cost", "0.15").code == 3
    stage.day += 1
    assert stage.fired("02:00", "--max-cost", "1").code == 0
    assert stage.server.account()["charged_usd"] == 0.24


def kept_waiting(stage: Stage) -> None:
    """The server took requests and did not finish them for as long as a run waits (`limits.wait`): exit code 3.

    The next firing asks again, so there is no mail. But the server keeps results for about 7 days only: from 24 hours
    on each night says how long they are left, and the oldest are collected first. (On Tuesday the machine was off.)
    """
    stage.manifest(PROMPTS[:2], limits={"wait": "1s"})
    assert stage.fired("02:00").code == 3
    stage.day += 2
    assert stage.fired("02:00").code == 3
    stage.day += 1
    stage.server.restart(*QUICK)
    stage.manifest(PROMPTS[:2])
    assert stage.fired("02:00").code == 0
    assert stage.server.accepted() == stage.book.summary()["done"] == 2


SCENES = (
    Scene("Killed in the night", killed, READS_FAIL),
    Scene("Rebooted, with a dead run's lock", rebooted, READS_FAIL),
    Scene("The token has expired", token_expired),
    Scene("The disk is full", disk_full),
    Scene("No API for an hour", unreachable),
    Scene("A submission that nobody knows about", unknown, rules({"on": "submit", "do": "drop_after", "nth": [1]})),
    Scene("The budget is used up", budget_reached),
    Scene("Results that wait", kept_waiting, READS_FAIL),
)
