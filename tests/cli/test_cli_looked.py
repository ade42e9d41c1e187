"""What is remembered of a look at all pictures holds only where nothing that it saw has changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import FINISHED, line, ordinary
from support.sandboxed import Workplace

from batchgen.cli import looked, presence
from batchgen.ledger import checkpoint
from batchgen.ledger.rundir import RunDirectory, read_state
from batchgen.store.check import Look


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run directory of three jobs with one picture, looked at."""
    monkeypatch.setattr(checkpoint, "FROM_BYTES", 1)
    place = RunDirectory(tmp_path / "run")
    place.images.mkdir(parents=True)
    place.log.write_bytes(ordinary(3) + line(1, FINISHED))
    picture(place).write_bytes(b"12345")
    looked.keep(place, read_state(place.path))
    return place


def picture(place: RunDirectory) -> Path:
    return place.images / "a.png"


def missing(place: RunDirectory) -> int:
    return presence.count_missing(read_state(place.path), Look(place.path))


def test_what_was_seen_is_remembered(place: RunDirectory) -> None:
    assert looked.recall(place) == missing(place) == 0
    picture(place).unlink()
    looked.keep(place, read_state(place.path))
    assert looked.recall(place) == missing(place) == 3


def put_elsewhere(place: RunDirectory) -> None:
    place.images.rename(place.path / "elsewhere")
    place.images.symlink_to("elsewhere")


def made_anew(place: RunDirectory) -> None:
    before = place.images.stat()
    place.images.rename(place.path / "elsewhere")
    place.images.mkdir()
    os.utime(place.images, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[RunDirectory], object]] = {
    "a picture was deleted": lambda place: picture(place).unlink(),
    "a picture was renamed": lambda place: picture(place).rename(place.images / "b.png"),
    "another took its place": lambda place: (place.path / "new").rename(picture(place)),
    "the folder is a link": put_elsewhere,
    "the folder is another": made_anew,
    "the folder is gone": lambda place: place.images.rename(place.path / "elsewhere"),
    "the ledger grew": lambda place: place.log.write_bytes(place.log.read_bytes() + ordinary(1)),
    "the ledger was touched": lambda place: os.utime(place.log),
    "the ledger is gone": lambda place: place.log.unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_of_names_or_of_the_ledger_makes_readers_look_again(
    place: RunDirectory, change: Callable[[RunDirectory], object]
) -> None:
    (place.path / "new").write_bytes(b"1")
    change(place)
    assert looked.recall(place) is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "null", "[" * 100_000, '{"missing": 0}', '{"missing": 0, "folders": 7, "ledger": ""}'],
)
def test_what_is_no_memory_is_passed_by(place: RunDirectory, content: str) -> None:
    (place.path / ".looked").write_text(content)
    assert looked.recall(place) is None


@pytest.mark.parametrize("count", [-0.5, "0", None, True, [0]])
def test_only_a_count_is_one(place: RunDirectory, count: object) -> None:
    file = place.path / ".looked"
    file.write_text(json.dumps({**json.loads(file.read_text()), "missing": count}))
    assert looked.recall(place) is None


@pytest.mark.parametrize("problem", [PermissionError, KeyboardInterrupt])
def test_a_look_that_fails_costs_nothing_else(
    place: RunDirectory, problem: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise problem

    (place.path / ".looked").unlink()
    monkeypatch.setattr(presence, "count_missing", fail)
    looked.keep(place, read_state(place.path))
    assert looked.recall(place) is None


def test_what_changes_during_the_look_is_not_remembered(place: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> int:
        picture(place).unlink()
        return 0

    (place.path / ".looked").unlink()
    monkeypatch.setattr(presence, "count_missing", busy)
    looked.keep(place, read_state(place.path))
    assert looked.recall(place) is None


def test_a_small_run_keeps_no_memory(place: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (place.path / ".looked").unlink()
    looked.keep(place, read_state(place.path))
    assert not (place.path / ".looked").exists()


def test_status_tells_what_is_remembered_and_what_is_so(place: RunDirectory, tmp_path: Path) -> None:
    """The command is another process, in which this ledger is a small one: it only reads what was kept."""
    here = Workplace.at(tmp_path / "here")
    file = place.path / ".looked"
    file.write_text(json.dumps({**json.loads(file.read_text()), "missing": 2}))
    assert here.run("status", str(place.path), "--json").json["missing"] == 2
    picture(place).unlink()
    assert here.run("status", str(place.path), "--json").json["missing"] == 3
