"""A ledger with a torn end, with damage, or from a newer version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from support.sandboxed import Sandbox, Workplace


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, quick: Sandbox) -> Iterator[Workplace]:
    """A place with a finished run, one job after the other, to be copied."""
    here = Workplace.at(tmp_path_factory.mktemp("original") / "place", quick.origin)
    assert here.run("run", here.manifest(["a fox", "a heron"], limits={"concurrency": 1}), "-q").code == 0
    yield here
    here.close()


@pytest.fixture
def done(original: Workplace, place: Workplace) -> Workplace:
    """A copy of it to damage."""
    shutil.copytree(original.folder, place.folder, dirs_exist_ok=True)
    return place


@pytest.mark.parametrize("torn", [b'{"v":1,"event":"submit', b'{"v":1,"ev\0\0\0\n'], ids=["half", "NUL"])
def test_a_torn_end_is_kept_aside_and_the_run_goes_on(done: Workplace, quick: Sandbox, torn: bytes) -> None:
    accepted = quick.accepted()
    log = done.book().log
    whole = log.read_bytes()
    log.write_bytes(whole + torn)

    assert done.run("run", "m.yaml", "-q").code == 0
    assert torn in (done.book().path / "log.torn").read_bytes()
    assert log.read_bytes().startswith(whole)
    assert [json.loads(line)["event"] for line in log.read_bytes().splitlines()][-2:] == ["run_started", "run_finished"]
    assert quick.accepted() == accepted


def test_a_submitted_that_was_torn_off_makes_its_submission_unknown(done: Workplace, quick: Sandbox) -> None:
    """The answer was read and its line cut in half by the crash: the id may be lost, the money is not forgotten."""
    accepted = quick.accepted()
    lines = done.book().log.read_bytes().splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if b'"submitted"' in line)
    done.book().log.write_bytes(b"".join(lines[:place]) + lines[place][:40])
    shutil.rmtree(done.book().path / "images")
    ended = done.run("run", "m.yaml", "-q")

    assert ended.code == 4, ended.err
    assert done.book().summary()["unknown"] == 1
    assert quick.accepted() - accepted == done.book().count("done") == 1


def test_damage_in_the_middle_is_named_by_its_line_and_nothing_is_changed(done: Workplace, quick: Sandbox) -> None:
    accepted = quick.accepted()
    log = done.book().log
    lines = log.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:2], b'{"v":1,"event":"submitted","time"\n', *lines[3:]])
    log.write_bytes(damaged)
    for ended in done.run_all(*((command, "m.yaml") for command in ("run", "status", "plan"))):
        assert ended.code == 65, ended.err
        assert "log.jsonl:3: " in ended.err
        assert len(ended.err.splitlines()) == 1
    assert log.read_bytes() == damaged
    assert quick.accepted() == accepted


def test_a_newer_ledger_is_read_and_never_written(done: Workplace) -> None:
    log = done.book().log
    newer = log.read_bytes() + b'{"v":2,"event":"dreamt","time":"2030-01-01T00:00:00.000Z"}\n'
    log.write_bytes(newer)
    refused = done.run("run", "m.yaml")
    status = done.run("status", "m.yaml", "--json")

    assert refused.code == 65, refused.err
    assert "format 2" in refused.err
    assert (status.code, status.json["done"]) == (0, 2)
    assert log.read_bytes() == newer


def test_a_file_that_is_no_ledger_is_left_alone(done: Workplace) -> None:
    done.book().log.write_text("somebody's notes\nnobody's ledger\n", encoding="utf-8")
    ended = done.run("run", "m.yaml")

    assert ended.code == 65, ended.err
    assert done.book().log.read_text(encoding="utf-8") == "somebody's notes\nnobody's ledger\n"


def test_a_run_without_its_ledger_leaves_the_pictures_of_the_last_one_alone(place: Workplace) -> None:
    """Whoever moves the ledger away to begin anew keeps what was paid for."""
    manifest = place.manifest(["a fox of two lives"])
    place.run("run", manifest)
    book = place.book()
    before = book.files()
    book.log.rename(book.log.with_name("old.jsonl"))
    assert place.run("run", manifest).code == 0
    after = book.files()
    assert len(after) == 2
    assert before.items() <= after.items()
