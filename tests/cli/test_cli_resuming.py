"""What a later run, or a fetch, makes of an edited manifest, of requests in flight, and of pictures that are gone."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path

import pytest
from support import sandboxed
from support.sandboxed import Sandbox, Workplace


def leave_in_flight(place: Workplace, manifest: str, count: int) -> None:
    """Run until `count` requests are in flight, and leave them there."""
    process = place.start("run", manifest, "--on-interrupt", "leave")
    place.book().wait_for(process, "submitted", count)
    process.send_signal(signal.SIGINT)
    ended = place.end_of(process)
    assert ended.code == 130, ended.err
    assert place.book().summary()["in_flight"] == count


def test_only_what_an_edit_adds_is_new(place: Workplace, quick: Sandbox) -> None:
    """Adding a prompt and reordering the others changes no other job, seed or file."""
    place.run("run", place.manifest(["a fox", "a heron"]), "-q")
    made, accepted = place.book().files(), quick.accepted()

    reordered = place.run("plan", place.manifest(["a heron", "a fox"]), "--json").json
    assert (reordered["new"], reordered["done"], reordered["removed"]) == (0, 2, 0)
    added = place.run("run", place.manifest(["an owl", "a heron", "a fox"]), "--json").json
    assert (added["jobs"], added["done"], quick.accepted() - accepted) == (3, 3, 1)
    assert made.items() <= place.book().files().items()
    assert len(place.book().files()) == 3


def test_requests_of_a_removed_prompt_are_collected_all_the_same(place: Workplace, slow: Sandbox) -> None:
    place.use(slow.origin)
    before = slow.accepted()
    leave_in_flight(place, place.manifest(["a fox", "a heron"]), 2)
    manifest = place.manifest(["a heron"])

    plan = place.run("plan", manifest, "--json").json
    assert (plan["jobs"], plan["in_flight"], plan["removed"], plan["to_post"]) == (1, 1, 1, 0)
    ended = place.run("run", manifest, "--json")
    assert (ended.code, ended.json["done"], ended.json["removed"]) == (0, 1, 1)
    assert {line["prompt"] for line in place.book().lines("done")} == {"a fox", "a heron"}
    assert slow.accepted() - before == 2


def test_fetch_collects_what_is_paid_for_and_never_submits(place: Workplace, slow: Sandbox) -> None:
    """It needs no manifest either."""
    place.use(slow.origin)
    before = slow.accepted()
    manifest = place.manifest(["a fox", "a heron", "an owl"], limits={"concurrency": 2})
    leave_in_flight(place, manifest, 2)
    (place.folder / manifest).unlink()

    ended = place.run("fetch", "runs/m", "--json")
    assert ended.code == 0, ended.err
    assert {key: ended.json[key] for key in ("done", "in_flight", "new")} == {"done": 2, "in_flight": 0, "new": 1}
    assert (slow.accepted() - before, place.book().count("submitting")) == (2, 2)
    assert place.book().files() == place.book().named_files()
    assert place.book().lines("run_started")[-1]["command"] == "fetch"


@pytest.mark.parametrize("command", [("run", "m.yaml"), ("fetch", "runs/m")], ids=["run", "fetch"])
def test_a_picture_that_is_missing_or_cut_short_is_downloaded_again(
    place: Workplace, quick: Sandbox, command: tuple[str, str]
) -> None:
    place.run("run", place.manifest(["a fox", "a heron", "an owl"]), "-q")
    made, accepted = place.book().files(), quick.accepted()
    missing, cut, _ = (place.book().path / path for path in made)
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:100])

    assert place.run(*command, "-q").code == 0
    assert place.book().files() == made
    assert (quick.accepted(), place.book().count("submitting")) == (accepted, 3)


def test_a_picture_that_is_gone_everywhere_is_counted_and_the_job_stays_done(tmp_path: Path) -> None:
    """Results expire; only `--retry missing` makes a deleted picture again."""
    with sandboxed.sandbox(tmp_path / "server", "--service-time", "0.05") as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        manifest = place.manifest(["a fox", "a heron"])
        place.run("run", manifest, "-q")
        lost, _ = (place.book().path / path for path in place.book().files())
        lost.unlink()
        server.restart("--service-time", "0.05", "--retention", "0")

        ended = place.run("run", manifest)
        summary = place.book().summary()
        assert ended.code == 0, ended.err
        assert (summary["done"], summary["missing"], server.accepted()) == (2, 1, 2)
        assert "missing" in ended.err
        assert place.run("status", "runs/m", "--json").json["missing"] == 1
        assert place.book().count("lost") == 0

        server.restart("--service-time", "0.05", "--retention", "1000")
        assert place.run("run", manifest, "--retry", "missing", "-q").code == 0
        assert (server.accepted(), len(place.book().files())) == (3, 2)
        place.close()


def test_a_failed_job_is_held_until_it_is_asked_for(place: Workplace, quick: Sandbox) -> None:
    before = quick.accepted()
    manifest = place.manifest(["a fox", "a heron [sandbox:fail]"])
    failed = place.run("run", manifest)

    assert failed.code == 1, failed.err
    assert "--retry-failed" in failed.err
    (line,) = place.book().lines("failed")
    assert (line["error"]["stage"], place.book().summary()["failed"]) == ("run", 1)
    held = place.run("run", manifest, "-q")
    assert (held.code, quick.accepted() - before) == (1, 2)
    assert held.err != ""
    again = place.run("run", manifest, "--retry-failed")
    assert (again.code, quick.accepted() - before) == (1, 3)
    assert [line["attempt"] for line in place.book().lines("failed")] == [1, 2]


def test_an_unknown_submission_is_listed_held_and_resent_only_when_told(tmp_path: Path) -> None:
    """The second submission is accepted and never answered: nobody but a person can know."""
    faults = sandboxed.rules({"on": "submit", "do": "drop_after", "nth": 2})
    with sandboxed.sandbox(tmp_path / "server", "--service-time", "0.05", *faults) as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        manifest = place.manifest(["a fox", "a heron", "an owl"], limits={"concurrency": 1})
        ended = place.run("run", manifest)

        assert ended.code == 4, ended.err
        assert (server.accepted(), place.book().summary()["done"], place.book().summary()["unknown"]) == (3, 2, 1)
        (line,) = place.book().lines("unknown")
        closing = ended.err[ended.err.index("unknown: 1 submission") :]
        assert [
            word for word in ("a heron", "$0.06", line["job"][:12], "--on-unknown resubmit") if word not in closing
        ] == []

        held = place.run("run", manifest, "-q")
        assert (held.code, server.accepted()) == (4, 3)
        assert "a heron" in held.err
        fetched = place.run("fetch", "runs/m", "-q")
        assert (fetched.code, server.accepted()) == (4, 3)
        (doubt,) = place.run("status", "m.yaml", "--json").json["unknown_submissions"]
        assert (doubt["prompt"], doubt["possible_cost_usd"]) == ("a heron", 0.06)

        resent = place.run("run", manifest, "--on-unknown", "resubmit", "--json", "-q")
        assert (resent.code, server.accepted(), resent.json["done"]) == (0, 4, 3)
        assert resent.json["cost_usd"] == pytest.approx(0.24), "the unknown attempt's possible cost stays in the total"
        place.close()


@pytest.mark.parametrize("command", [("run", "m.yaml"), ("fetch", "runs/m")], ids=["run", "fetch"])
def test_every_command_that_the_last_lines_offer_can_be_given(place: Workplace, command: tuple[str, str]) -> None:
    place.run("run", place.manifest(["a fox", "a heron [sandbox:fail]"]), "-q")
    log = place.book().log
    failed = place.book().lines("failed")[0]["job"]
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(line for line in lines if failed.encode() in line or b'"submitting"' in line))
    ended = place.run(*command)
    offered = [shlex.split(found[0]) for found in re.finditer(r"batchgen (?:(?!batchgen).)*$", ended.err, re.MULTILINE)]

    assert ended.code == 4, ended.err
    assert len(offered) >= 2
    # A parser complains about what it does not know before it shows its help.
    answers = place.run_all(*([*words[1:], "--help"] for words in offered))
    assert [answer.err for answer in answers if answer.code] == []
