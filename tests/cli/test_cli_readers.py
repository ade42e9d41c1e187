"""The commands that tell what happened agree with each other, and `cancel` tells the truth."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import signal
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support import sandboxed
from support.sandboxed import Sandbox, Workplace

from batchgen import events
from batchgen.catalog import schema
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import File, Job
from batchgen.ledger import lines, replay
from batchgen.manifest.loader import load
from batchgen.manifest.overrides import Overrides
from batchgen.report import exporting
from batchgen.state import State

TIME = "2026-01-02T03:04:05.000Z"
ORIGIN = "https://model-api.runcomfy.net"
PICTURE = b"not looked into"
PROMPTS = (
    "never sent",
    "refused",
    "cancelled by us",
    "settled as not sent",
    "submitting alone",
    "unknown",
    "in flight",
    "attached",
    "failed at the server",
    "failed in its output",
    "lost",
    "cancelled by the server",
    "done and whole",
    "done and deleted",
)


def picture(name: str) -> File:
    return File(f"images/{name}.png", len(PICTURE), hashlib.sha256(PICTURE).hexdigest(), "png", 1, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Teller:
    """Tells one job's events, as a ledger holds them."""

    job: Job

    def story(self) -> Iterator[events.Event]:
        """Yield what happened to the job whose prompt says so."""
        prompt = self.job.prompt
        if prompt == "never sent":
            return
        yield self.submitting()
        where: dict[str, Any] = {"time": TIME, "job": self.job.id, "attempt": 1}
        if prompt in ("unknown", "attached", "settled as not sent"):
            yield events.Unknown(**where, error=ErrorInfo("no_answer", Stage.SUBMIT, "no answer"))
        if prompt == "refused":
            yield events.Refused(**where, error=ErrorInfo("rate_limited", Stage.SUBMIT, "slow down"), delay=1.0)
        elif prompt == "settled as not sent":
            yield events.Settled(**where, how="not_sent")
        elif prompt == "attached":
            yield events.Attached(**where, request_id=self.request, api=ORIGIN)
        elif prompt not in ("submitting alone", "unknown"):
            yield events.Submitted(**where, request_id=self.request, api=ORIGIN)
            yield from self.end(prompt)

    @property
    def request(self) -> str:
        return f"request-{self.job.index}"

    def submitting(self) -> events.Submitting:
        job = self.job
        return events.Submitting(
            time=TIME,
            job=job.id,
            attempt=1,
            index=job.index,
            name=f"{job.index:05}",
            model=job.model,
            prompt=job.prompt,
            seed=job.seed,
            settings=job.settings,
            tags={},
            repeat=1,
            cost_estimate_usd=Decimal("0.08"),
        )

    def end(self, prompt: str) -> Iterator[events.Event]:
        where: dict[str, Any] = {"time": TIME, "job": self.job.id, "attempt": 1, "request_id": self.request}
        match prompt:
            case "cancelled by us":
                yield events.Cancelled(**where, by="us")
            case "cancelled by the server":
                yield events.Cancelled(**where, by="server")
            case "lost":
                yield events.Lost(**where)
            case "failed at the server":
                yield events.Failed(**where, error=ErrorInfo("run_failed", Stage.RUN, "it did not work"))
            case "failed in its output":
                yield events.Failed(**where, error=ErrorInfo("host", Stage.OUTPUT, "a foreign host"))
            case "done and whole" | "done and deleted":
                job = self.job
                made = (picture(f"{job.index:05}"),)
                yield events.Done(
                    **where, model=job.model, prompt=prompt, seed=job.seed, settings=job.settings, tags={}, files=made
                )


@pytest.fixture
def told(tmp_path: Path) -> Workplace:
    """A run directory with a job in every state of the design's table, and its manifest."""
    place = Workplace.at(tmp_path / "place")
    manifest = load(place.folder / place.manifest(PROMPTS), Overrides(), schema.bundled)
    jobs = list(manifest.jobs())
    counts = {"jobs": len(jobs), "new": len(jobs)}
    started = events.RunStarted(
        time=TIME, version="0", name="m", manifest="0", api=ORIGIN, counts=counts, host="h", pid=1, boot_id="b",
        command_line="batchgen run m.yaml",
    )  # fmt: skip
    ended = events.RunFinished(time=TIME, counts={}, exit_code=4, reason="unknown", cost_usd=Decimal(0))
    history = [started, *(event for job in jobs for event in Teller(job).story()), ended]
    book = place.book()
    (book.path / "images").mkdir(parents=True)
    book.log.write_bytes(b"".join(map(lines.encode, history)))
    (book.path / picture("00013").path).write_bytes(PICTURE)
    return place


def test_status_plan_failures_and_export_say_the_same_of_every_state(told: Workplace) -> None:
    status, planned, failed, table = told.run_all(
        ["status", "runs/m", "--json"],
        ["plan", "m.yaml", "--json"],
        ["failures", "runs/m", "--json"],
        ["export", "runs/m"],
    )
    expected = {
        "jobs": 14,
        "new": 4,
        "in_flight": 2,
        "done": 2,
        "failed": 2,
        "unknown": 2,
        "lost": 1,
        "cancelled": 1,
        "removed": 0,
        "duplicates": 0,
        "missing": 1,
    }
    rows = list(csv.DictReader(io.StringIO(table.out)))
    exported = Counter(row["state"] for row in rows) + Counter(new=1)  # What was never sent is in no ledger.
    kinds = {group["kind"]: (group["jobs"], group["collectable"]) for group in failed.json["groups"]}

    assert {name: status.json[name] for name in expected} == expected
    assert {name: planned.json[name] for name in expected} == expected
    assert sum(expected[state] for state in State) == expected["jobs"]
    assert {state.value: exported[state.value] for state in State} == {state: expected[state] for state in State}
    assert kinds == {"run_failed": (1, 0), "host": (1, 1), "lost": (1, 0), "cancelled": (1, 0)}
    assert failed.json["jobs"] == expected["failed"] + expected["lost"] + expected["cancelled"]
    assert {group["command"] for group in failed.json["groups"]} == {f"batchgen run m.yaml --retry {k}" for k in kinds}


def test_failures_and_status_read_well_for_people(told: Workplace) -> None:
    failed, status = told.run_all(["failures", "runs/m"], ["status", "m.yaml"])
    assert "1 x host (while in output, $0.08 spent, 1 made by the server: trying again costs nothing)" in failed.out
    assert "  again: batchgen run m.yaml --retry host" in failed.out
    assert "unknown: 2 submissions" in status.out


def test_verify_tells_what_is_missing_and_what_was_changed(told: Workplace) -> None:
    told.book().path.joinpath(picture("00014").path).write_bytes(PICTURE[::-1])
    told.book().path.joinpath(picture("00013").path).unlink()
    found = told.run("verify", "runs/m", "--json")
    assert found.code == 1
    assert {damage["path"]: damage["what"] for damage in found.json["damages"]} == {
        "images/00013.png": "missing",
        "images/00014.png": "changed",
    }


def test_verify_holds_what_was_collected_again_against_the_last_time(told: Workplace) -> None:
    """The same request may bring other bytes, and another format."""
    book = told.book()
    done = [event for event in replay.read(book.log) if isinstance(event, events.Done)]
    again = next(event for event in done if event.files[0].path.endswith("00013.png"))
    with book.log.open("ab") as end:
        end.write(
            lines.encode(dataclasses.replace(again, files=(dataclasses.replace(picture("00013"), path="x.jpg"),)))
        )
    (book.path / "images/00013.png").rename(book.path / "images/00014.png")
    (book.path / "x.jpg").write_bytes(PICTURE)
    found = told.run("verify", "runs/m", "--json")
    assert (found.code, found.json["files"], found.json["damages"]) == (0, len(done), [])


def test_verify_is_content_with_a_run_as_it_was_made(place: Workplace) -> None:
    place.run("run", place.manifest(["a fox of honour"]))
    found = place.run("verify", "m.yaml")
    assert (found.code, found.out) == (0, "1 file of the ledger, 0 missing or damaged\n")


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_an_export_holds_no_formula(place: Workplace, start: str) -> None:
    """A spreadsheet would run `=HYPERLINK(...)`; prompts come from anywhere."""
    place.run("run", place.manifest([f"{start}HYPERLINK(1)", f"a fox {start} a hen"]))
    place.run("export", "m.yaml", "-o", "m.csv")
    with (place.folder / "m.csv").open(encoding="utf-8", newline="") as stream:
        prompts = {row["prompt"] for row in csv.DictReader(stream)}
    assert prompts == {f"'{start}HYPERLINK(1)", f"a fox {start} a hen"}


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a fox", "a fox"),
        (" =1+1", "' =1+1"),
        ("＝1+1", "'＝1+1"),
        ("\ta", "'\ta"),
        ("\ra", "'\ra"),
        ("\na", "'\na"),
        ("'", "''"),
        ("'=1", "''=1"),
        ("", ""),
    ],
)
def test_every_exported_text_can_be_had_back(text: str, cell: str) -> None:
    assert exporting.guarded(text) == cell
    assert exporting.unguarded(cell) == text


@pytest.mark.parametrize("command", ["status", "failures", "verify", "export", "fetch", "cancel"])
def test_a_run_that_never_was_is_named_with_the_remedy(place: Workplace, command: str) -> None:
    ended = place.run(command, "runs/never")
    assert ended.code == 65
    assert "runs/never: does not exist; name a run directory, or a manifest that was run" in ended.err


def test_cancel_stops_what_queues_and_tells_what_it_could_not_stop(tmp_path: Path) -> None:
    with sandboxed.sandbox(tmp_path / "server", "--slots", "1", "--service-time", "600") as server:
        place = _with_three_in_flight(tmp_path, server)
        ended = place.run("cancel", "m.yaml", "--json")
        assert (ended.code, ended.json["cancelled"], ended.json["in_flight"]) == (0, 2, 1)
        assert server.account()["cancelled"] == 2
        assert [line["by"] for line in place.book().lines("cancelled")] == ["us", "us"]
        again = place.run("plan", "m.yaml", "--json").json
        assert (again["new"], again["in_flight"]) == (2, 1)


def test_cancel_claims_nothing_where_nobody_answers(tmp_path: Path) -> None:
    with sandboxed.sandbox(tmp_path / "server", "--service-time", "600") as server:
        place = _with_three_in_flight(tmp_path, server)
        server.end()
        ended, told = place.run("cancel", "m.yaml", "--json"), place.run("cancel", "m.yaml")
    assert (ended.code, told.code) == (69, 69)
    assert {word: ended.json[word] for word in ("cancelled", "in_flight", "unconfirmed")} == {
        "cancelled": 0,
        "in_flight": 0,
        "unconfirmed": 3,
    }
    assert "3 requests unconfirmed" in told.out
    assert "paid for" not in told.out
    assert server.origin in told.err
    assert place.book().count("cancelled") == 0


def test_cancel_tells_what_it_could_not_learn_beside_what_it_could(tmp_path: Path) -> None:
    """For one of three the server only errs; at most one of the others runs."""
    faults = sandboxed.rules({"on": "cancel", "do": "status", "status": 503, "nth": [1]})
    with sandboxed.sandbox(tmp_path / "server", "--slots", "1", "--service-time", "600", *faults) as server:
        place = _with_three_in_flight(tmp_path, server)
        ended = place.run("cancel", "m.yaml")
        assert (ended.code, server.account()["cancelled"]) == (0, place.book().count("cancelled"))
    assert "1 request unconfirmed" in ended.out
    assert "cancelled before" in ended.out


def test_cancel_says_so_where_nothing_is_in_flight(place: Workplace) -> None:
    manifest = place.manifest(["a fox in no hurry"])
    place.run("run", manifest)
    ended = place.run("cancel", manifest)
    assert (ended.code, ended.out) == (0, "nothing is in flight, so there is nothing to cancel\n")


def _with_three_in_flight(folder: Path, server: Sandbox) -> Workplace:
    place = Workplace.at(folder / "place", server.origin)
    running = place.start("run", place.manifest(["one", "two", "three"]), "--on-interrupt", "leave")
    place.book().wait_for(running, "submitted", 3)
    running.send_signal(signal.SIGINT)
    assert place.end_of(running).code == 130
    return place
