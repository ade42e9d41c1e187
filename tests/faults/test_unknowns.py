"""Unknown submissions, handled like an adult: listed with what a person needs, and decided without a wrong step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import sandboxed
from support.sandboxed import PRICE, Ended, Sandbox, Workplace

TAKEN = "a fox that was taken"
NOT_TAKEN = "a fox that was not taken"
PLAIN = "a plain fox"
FAULTS = sandboxed.rules(
    {"on": "submit", "do": "drop_after", "match": TAKEN, "nth": [1, 2, 3]},
    {"on": "submit", "do": "drop_before", "match": NOT_TAKEN, "nth": [1, 2, 3], "accept": False},
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox that drops the connection of two of the first three submissions, one of them after taking it."""
    with sandboxed.sandbox(tmp_path / "server", "--service-time", "0.05", *FAULTS) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, server: Sandbox) -> Iterator[Workplace]:
    """A folder in which a batch of three ended with two unknown submissions."""
    here = Workplace.at(tmp_path / "place", server.origin)
    ended = here.run("run", here.manifest([TAKEN, NOT_TAKEN, PLAIN]))
    assert (ended.code, server.accepted()) == (4, 2), ended.err
    here.environment["SAID"] = ended.err
    yield here
    here.close()


def job_of(place: Workplace, prompt: str) -> str:
    """Return the job id of a prompt."""
    return next(str(line["job"]) for line in place.book().lines("submitting") if line["prompt"] == prompt)


def adrift(place: Workplace, server: Sandbox) -> str:
    """Return the request id that the server knows and the ledger does not."""
    known = {line.get("request_id") for line in place.book().lines()}
    (found,) = (one for one in server.account()["accepted_ids"] if one not in known)
    return str(found)


def test_the_end_of_the_run_and_status_list_what_a_person_needs(place: Workplace) -> None:
    """Each with its time, prompt and possible cost, and where to look; status in JSON says the same."""
    status = place.run("status", "m.yaml")
    for text in (place.environment["SAID"], status.out):
        for prompt in (TAKEN, NOT_TAKEN):
            (line,) = (line for line in text.splitlines() if f'"{prompt}"' in line)
            sent = next(line for line in place.book().lines("submitting") if line["prompt"] == prompt)
            assert sent["time"][:16].replace("T", " ") in line
            assert sent["job"][:12] in line
            assert f"${PRICE:.2f}" in line
        assert "2 submissions" in text
    assert "Generations page of runcomfy.com" in place.environment["SAID"]
    for command in ("batchgen attach", "--not-sent", "--on-unknown resubmit"):
        assert command in place.environment["SAID"]

    doubts = place.run("status", "m.yaml", "--json").json["unknown_submissions"]
    assert [(doubt["prompt"], doubt["possible_cost_usd"]) for doubt in doubts] == [(TAKEN, PRICE), (NOT_TAKEN, PRICE)]


def test_an_unknown_submission_is_never_sent_again_by_itself(place: Workplace, server: Sandbox) -> None:
    for options in ([], ["--retry-failed"], ["--retry", "lost,cancelled,missing"]):
        assert place.run("run", "m.yaml", *options).code == 4
    assert place.run("fetch", "m.yaml").code == 4
    assert (server.accepted(), place.book().count("submitting")) == (2, 3)


@pytest.mark.parametrize("command", [("run", "m.yaml", "-q"), ("fetch", "runs/m", "-q")], ids=["run", "fetch"])
def test_what_was_found_is_attached_and_collected_without_a_post(
    place: Workplace, server: Sandbox, command: tuple[str, ...]
) -> None:
    """A beginning of the job id is enough."""
    assert place.run("attach", "runs/m", job_of(place, TAKEN)[:8], adrift(place, server)).code == 0
    assert place.run("settle", "m.yaml", job_of(place, NOT_TAKEN), "--lost").code == 0
    assert place.run(*command).code == 1

    assert (server.accepted(), place.book().count("submitting")) == (2, 3)
    assert {line["prompt"] for line in place.book().lines("done")} == {TAKEN, PLAIN}


def test_what_was_not_sent_is_new_again(place: Workplace, server: Sandbox) -> None:
    place.run("attach", "runs/m", job_of(place, TAKEN), adrift(place, server))
    settled = place.run("settle", "runs/m", job_of(place, NOT_TAKEN), "--not-sent")
    assert (settled.code, "new again" in settled.out) == (0, True)
    assert place.run("run", "m.yaml", "-q").code == 0

    assert (server.accepted(), place.book().count("submitting"), place.book().count("done")) == (3, 4, 3)
    assert server.account()["charged_usd"] == pytest.approx(3 * PRICE)


def test_what_is_lost_is_made_again_only_when_asked(place: Workplace, server: Sandbox) -> None:
    settled = place.run("settle", "runs/m", job_of(place, TAKEN), job_of(place, NOT_TAKEN), "--lost")
    assert (settled.code, settled.out.count("lost")) == (0, 2)
    assert place.run("run", "m.yaml").code == 1
    assert place.run("fetch", "m.yaml").code == 1
    assert server.accepted() == 2

    assert place.run("run", "m.yaml", "--retry-failed", "-q").code == 0
    assert (server.accepted(), place.book().summary()["done"], place.book().count("submitting")) == (4, 3, 5)


def test_resubmitting_sends_each_once_more_and_keeps_the_possible_cost(place: Workplace, server: Sandbox) -> None:
    """An unknown attempt beside a done one needs no decision, and its money stays in the total."""
    assert place.run("run", "m.yaml", "--on-unknown", "resubmit", "-q").code == 0
    assert (server.accepted(), place.book().count("submitting")) == (4, 5)
    assert place.run("run", "m.yaml", "--on-unknown", "resubmit", "-q").code == 0
    assert server.accepted() == 4
    summary = place.book().summary()
    assert (summary["done"], summary["unknown"], summary["cost_usd"]) == (3, 0, pytest.approx(5 * PRICE))


WRONG: list[tuple[list[str], list[str]]] = [
    (["attach", "runs/m", "TAKEN", "KNOWN"], ["already belongs", "PLAIN"]),
    (["attach", "runs/m", "TAKEN", "no such/id"], ["no such/id", "request id"]),
    (["attach", "runs/m", "PLAIN", "r-1"], ["no unknown submission", "done"]),
    (["attach", "runs/m", "ffffffff", "r-1"], ["ffffffff", "no job", "status"]),
    (["attach", "runs/m", "", "r-1"], ["no job"]),
    (["settle", "runs/m", "PLAIN", "--lost"], ["no unknown submission", "done"]),
    (["settle", "runs/m", "TAKEN", "PLAIN", "--not-sent"], ["no unknown submission"]),
    (["settle", "runs/m", "zz", "--lost"], ["zz", "no job"]),
    (["settle", "runs/m", "TAKEN"], ["--not-sent", "--lost"]),
    (["settle", "runs/m", "--lost"], ["JOBS"]),
]


def test_a_wrong_decision_is_refused_and_writes_nothing(place: Workplace, server: Sandbox) -> None:
    """Wrong ids, beginnings and states: 64, one clear message, and the ledger as it was."""
    jobs = {name: job_of(place, prompt) for name, prompt in (("TAKEN", TAKEN), ("PLAIN", PLAIN))}
    jobs["KNOWN"] = str(place.book().lines("done")[0]["request_id"])
    before = place.book().log.read_bytes()
    for arguments, words in WRONG:
        ended: Ended = place.run(*(jobs.get(argument, argument) for argument in arguments))
        said = [word for word in words if jobs.get(word, word)[:12] not in ended.err]
        assert (ended.code, said, ended.out) == (64, [], ""), [arguments, ended.err]
        assert place.book().log.read_bytes() == before


def test_a_decided_submission_cannot_be_decided_again(place: Workplace) -> None:
    job = job_of(place, TAKEN)
    assert place.run("settle", "runs/m", job, "--not-sent").code == 0
    before = place.book().log.read_bytes()
    for arguments in (["settle", "runs/m", job, "--lost"], ["attach", "runs/m", job, "r-1"]):
        ended = place.run(*arguments)
        assert (ended.code, "it is new" in ended.err) == (64, True), ended.err
    assert place.book().log.read_bytes() == before


def test_an_unknown_run_has_nothing_to_decide(place: Workplace) -> None:
    for arguments in (["attach", "nowhere", "ab", "r-1"], ["settle", "nowhere", "ab", "--lost"]):
        ended = place.run(*arguments)
        assert (ended.code, "nowhere" in ended.err) == (65, True), ended.err
