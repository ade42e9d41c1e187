"""A whole run, a second one, and what they leave behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest
from PIL import Image
from support.sandboxed import PRICE, Book, Ended, Line, Sandbox, Workplace

PROMPTS = ["a fox", {"text": "a heron", "tags": {"set": "birds"}}]

JOB = frozenset({"job", "attempt"})
HOW_MADE = frozenset({"model", "prompt", "seed", "settings", "tags"})
FIELDS: dict[str, frozenset[str]] = {
    "run_started": frozenset({"version", "name", "manifest", "api", "counts", "host", "pid", "boot_id"}),
    "submitting": JOB | HOW_MADE | {"index", "name", "repeat"},
    "submitted": JOB | {"request_id", "api"},
    "done": JOB | HOW_MADE | {"request_id", "files", "cost_usd", "cost_estimate_usd", "timing"},
    "run_finished": frozenset({"counts", "cost_usd", "exit_code", "reason"}),
}
FILE = {"path", "bytes", "sha256", "format", "width", "height"}


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has come to its end, with the plan before it."""

    place: Workplace
    plan: Ended
    before: dict[str, tuple[int, int]]
    after: dict[str, tuple[int, int]]
    run: Ended
    accepted: int
    book: Book

    def copy_to(self, other: Workplace) -> None:
        """Put manifest and run directory somewhere else."""
        shutil.copytree(self.place.folder, other.folder, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, quick: Sandbox) -> Iterator[Finished]:
    place = Workplace.at(tmp_path_factory.mktemp("finished") / "place", quick.origin)
    manifest = place.manifest(PROMPTS, grid={"aspect_ratio": ["1:1", "16:9"]})
    before, accepted = place.tree(), quick.accepted()
    plan = place.run("plan", manifest, "--json")
    after = place.tree()
    run = place.run("run", manifest)
    yield Finished(place, plan, before, after, run, quick.accepted() - accepted, place.book())
    place.close()


def test_a_run_makes_every_picture_once(finished: Finished) -> None:
    assert finished.run.code == 0, finished.run.err
    assert finished.accepted == 4
    assert len(finished.book.lines("done")) == len(finished.book.files()) == 4


def test_every_picture_decodes_in_the_form_that_the_ledger_says(finished: Finished) -> None:
    for file in (file for line in finished.book.lines("done") for file in line["files"]):
        path = finished.book.path / file["path"]
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.size) == ("JPEG", (file["width"], file["height"]))
        assert path.stat().st_size == file["bytes"]
    assert finished.book.files() == finished.book.named_files()


@pytest.mark.parametrize("word", FIELDS)
def test_every_event_has_the_fields_that_readers_lean_on(finished: Finished, word: str) -> None:
    lines = finished.book.lines(word)

    assert lines
    for line in lines:
        assert line["v"] == 1
        assert line["time"].endswith("Z")
        assert datetime.fromisoformat(line["time"]).utcoffset() is not None
        assert FIELDS[word] <= line.keys()


def test_done_names_everything_that_made_the_picture(finished: Finished) -> None:
    intents = {line["job"]: line for line in finished.book.lines("submitting")}
    for line in finished.book.lines("done"):
        assert {key: line[key] for key in HOW_MADE} == {key: intents[line["job"]][key] for key in HOW_MADE}
        assert all(file.keys() == FILE for file in line["files"])
    assert {line["prompt"]: line["tags"] for line in intents.values()} == {"a fox": {}, "a heron": {"set": "birds"}}


def test_each_attempt_goes_from_submitting_to_submitted_to_done(finished: Finished) -> None:
    lines = finished.book.lines()
    ways: dict[tuple[str, int], list[str]] = {}
    for line in lines:
        if "job" in line:
            ways.setdefault((line["job"], line["attempt"]), []).append(line["event"])

    assert list(ways.values()) == [["submitting", "submitted", "done"]] * 4
    assert (lines[0]["event"], lines[-1]["event"]) == ("run_started", "run_finished")


def test_no_token_and_no_address_of_a_result_is_written_down(finished: Finished, quick: Sandbox) -> None:
    written = b"".join(path.read_bytes() for path in finished.book.path.rglob("*.json*"))

    assert b"right-token" not in written
    assert b"/files/" not in written


def test_the_token_never_goes_to_where_files_are(finished: Finished, quick: Sandbox) -> None:
    assert finished.run.code == 0
    assert quick.account()["token_leaks"] == 0


def test_the_summary_holds_counts_cost_and_how_it_ended(finished: Finished) -> None:
    summary = finished.book.summary()

    assert {key: summary[key] for key in ("name", "jobs", "done", "new", "in_flight", "failed", "unknown")} == {
        "name": "m",
        "jobs": 4,
        "done": 4,
        "new": 0,
        "in_flight": 0,
        "failed": 0,
        "unknown": 0,
    }
    assert (summary["exit_code"], summary["cost_usd"]) == (0, pytest.approx(4 * PRICE))
    assert summary["reason"]
    assert summary["duration_s"] >= 0


def test_a_plan_tells_counts_cost_and_first_jobs_and_writes_nothing(finished: Finished) -> None:
    plan: Line = finished.plan.json

    assert finished.plan.code == 0
    assert finished.before == finished.after
    assert {key: plan[key] for key in ("jobs", "new", "done", "to_post")} == {
        "jobs": 4,
        "new": 4,
        "done": 0,
        "to_post": 4,
    }
    assert plan["cost_usd"]["low"] == plan["cost_usd"]["high"] == pytest.approx(4 * PRICE)
    assert plan["first"][0]["prompt"] == "a fox"
    assert plan["first"][0]["settings"]["aspect_ratio"] == "1:1"


def test_a_second_run_sends_nothing_and_a_plan_says_so(finished: Finished, quick: Sandbox) -> None:
    accepted = quick.accepted()
    dry = finished.place.run("run", "m.yaml", "--dry-run", "--json")
    again = finished.place.run("run", "m.yaml", "-q")

    assert (again.code, again.out, again.err) == (0, "", "")
    assert quick.accepted() == accepted
    assert {key: dry.json[key] for key in ("jobs", "new", "done", "to_post")} == {
        "jobs": 4,
        "new": 0,
        "done": 4,
        "to_post": 0,
    }


@pytest.mark.parametrize(
    "arguments", [("run", "m.yaml"), ("plan", "m.yaml"), ("status", "runs/m"), ("fetch", "runs/m")]
)
def test_json_is_one_object_and_nothing_else_on_standard_output(
    finished: Finished, place: Workplace, arguments: tuple[str, ...]
) -> None:
    finished.copy_to(place)
    ended = place.run(*arguments, "--json")

    assert ended.code == 0, ended.err
    assert ended.out.count("\n") == 1
    assert isinstance(json.loads(ended.out), dict)
    assert ended.json["done"] == 4


def test_quiet_says_nothing_on_success(place: Workplace) -> None:
    ended = place.run("run", place.manifest(["a quiet fox"]), "-q")

    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert place.book().count("done") == 1


@pytest.mark.parametrize("closing", ["2>&-", "<&- >&- 2>&-", "2> >(:)", "> >(:) 2>&1"])
def test_closed_streams_never_end_a_run(place: Workplace, closing: str) -> None:
    """A terminal that went away, or a reader that stopped reading, must not cost what is already paid for."""
    manifest = place.manifest(["a fox of few words"])
    ended = place.run("run", manifest, "--json", wrap=("bash", "-c", f'"$@" {closing}', "bash"))

    assert ended.code == 0
    assert [line["event"] for line in place.book().lines()][-2:] == ["done", "run_finished"]
    assert place.book().files() == place.book().named_files() != {}


def test_lines_of_a_run_without_a_terminal_are_plain(finished: Finished) -> None:
    assert "4 of 4 jobs done" in finished.run.err
    assert not {"\r", "\x1b"} & set(finished.run.err)
    assert finished.run.out == ""


def test_progress_as_json_is_one_object_a_line(place: Workplace) -> None:
    ended = place.run("run", place.manifest(["a fox of facts"]), "--progress", "json")
    words = [json.loads(line)["event"] for line in ended.err.splitlines() if line.startswith("{")]

    assert ended.code == 0
    assert [word for word in words if word != "news"] == [
        "run_started",
        "submitting",
        "submitted",
        "done",
        "run_finished",
    ]
    assert all(line.startswith("{") for line in ended.err.splitlines())
