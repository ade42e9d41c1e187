"""Opening a run directory: nothing is changed before it is known to be ours, and whatever fails is named."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from batchgen import events
from batchgen.errors import DiskError, LedgerError, LockedError
from batchgen.ledger import lines
from batchgen.ledger.files import RealDisk
from batchgen.ledger.rundir import RunDirectory, is_run_directory, read_state
from batchgen.state import State

TIME = "2026-01-02T03:04:05.678Z"
SUBMITTED = events.Submitted(time=TIME, job="j", attempt=1, request_id="r", api="a")
STARTED = events.RunStarted(
    time=TIME, version="1", name="n", manifest="h", api="a", counts={}, host="other", pid=7, boot_id="b"
)


class FailingDisk(RealDisk):
    """Fails one call with one errno."""

    def __init__(self, call: str, code: int) -> None:
        self._call = call
        self._code = code

    def _check(self, call: str) -> None:
        if call == self._call:
            raise OSError(self._code, os.strerror(self._code))

    def open(self, path: Path, flags: int) -> int:
        self._check(f"open {path.name}")
        return super().open(path, flags)

    def mkdir(self, path: Path) -> None:
        self._check("mkdir")
        super().mkdir(path)


def test_what_a_run_leaves_is_read_back_without_and_with_the_lock(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "runs" / "autumn")
    assert not is_run_directory(run.path)
    with run.open_for_writing() as (journal, state):
        assert state.state_of("j") is State.NEW
        asyncio.run(journal.append(SUBMITTED))
        assert read_state(run.path).state_of("j") is State.IN_FLIGHT
    assert is_run_directory(run.path)
    assert sorted(path.name for path in run.path.iterdir()) == ["images", "log.jsonl"]
    with run.open_for_writing(create=False) as (_, state):
        assert state.state_of("j") is State.IN_FLIGHT


def test_the_layout_is_the_one_that_is_promised(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    names = {
        run.log: "log.jsonl",
        run.torn: "log.torn",
        run.catalog: "catalog.json",
        run.inputs: "inputs",
        run.images: "images",
        run.summary: "summary.json",
        run.ballast: ".ballast",
        run.sandbox: "sandbox",
    }
    assert {path.relative_to(tmp_path).as_posix() for path in names} == set(names.values())


def test_it_is_held_by_one_at_a_time_and_free_afterwards(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for _ in range(2):
        with run.open_for_writing(), pytest.raises(LockedError), run.open_for_writing():
            pass


def test_a_failure_inside_lets_go_of_the_lock(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with pytest.raises(KeyError), run.open_for_writing():
        raise KeyError
    with run.open_for_writing():
        pass


def test_a_torn_end_is_cut_and_kept_before_the_first_append(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.log.write_bytes(lines.encode(SUBMITTED) + b'{"v":1,"ev')
    with run.open_for_writing() as (journal, state):
        assert state.state_of("j") is State.IN_FLIGHT
        asyncio.run(journal.append(SUBMITTED))
    assert run.log.read_bytes() == lines.encode(SUBMITTED) * 2
    assert run.torn.read_bytes() == b'{"v":1,"ev\n'


@pytest.mark.parametrize(
    ("quiet_for", "host", "locked"), [(10, "here", True), (601, "here", False), (10, "other", False)]
)
def test_another_hosts_unfinished_run_is_left_alone_for_ten_minutes(
    tmp_path: Path, quiet_for: float, host: str, locked: bool
) -> None:
    """Its half-written line, too, is not ours to repair."""
    run = RunDirectory(tmp_path)
    content = lines.encode(STARTED) + b'{"v":1'
    run.log.write_bytes(content)
    grown = run.log.stat().st_mtime
    if locked:
        with (
            pytest.raises(LockedError, match="process 7 on other"),
            run.open_for_writing(host=host, now=lambda: grown + quiet_for),
        ):
            pass
        assert run.log.read_bytes() == content
    else:
        with run.open_for_writing(host=host, now=lambda: grown + quiet_for):
            assert run.log.read_bytes() == lines.encode(STARTED)


@pytest.mark.parametrize(
    "content",
    [
        lines.encode(SUBMITTED).replace(b'"v":1', b'"v":2'),
        b"bad\n" + lines.encode(SUBMITTED),
        b"somebody else's log\n",
        b'{"v":1,"event":"lost"}\n',
    ],
)
def test_a_ledger_that_is_refused_is_not_touched_and_not_held(tmp_path: Path, content: bytes) -> None:
    run = RunDirectory(tmp_path)
    run.log.write_bytes(content)
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"log\.jsonl"), run.open_for_writing():
            pass
    assert run.log.read_bytes() == content
    assert not run.torn.exists()


def test_without_create_a_missing_run_stays_missing(tmp_path: Path) -> None:
    with (
        pytest.raises(LedgerError, match="is not a run directory"),
        RunDirectory(tmp_path / "none").open_for_writing(create=False),
    ):
        pass
    with pytest.raises(LedgerError, match="is not there"):
        read_state(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        ("mkdir", errno.EACCES, r"autumn/images: cannot make the folder .*make it writable"),
        ("mkdir", errno.EROFS, r"autumn/images: cannot make the folder .*read-only"),
        ("open log.jsonl", errno.EACCES, r"log\.jsonl: cannot open the ledger .*make it writable"),
        ("open log.jsonl", errno.EROFS, r"log\.jsonl: cannot open the ledger .*read-only"),
        ("open .ballast", errno.ENOSPC, r"\.ballast: cannot keep room back .*free some space"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named_with_the_fix(
    tmp_path: Path, call: str, code: int, message: str
) -> None:
    run = RunDirectory(tmp_path / "autumn")
    with pytest.raises(DiskError, match=message), run.open_for_writing(disk=FailingDisk(call, code)):
        pass
    with run.open_for_writing():
        pass


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(DiskError, match="move it away"), RunDirectory(path).open_for_writing():
            pass


def test_a_new_ledgers_name_is_durable_before_anything_is_appended(tmp_path: Path) -> None:
    effects: list[str] = []

    class Recorder(RealDisk):
        def open(self, path: Path, flags: int) -> int:
            effects.append(f"open {path.name}")
            return super().open(path, flags)

        def sync_folder(self, path: Path) -> None:
            effects.append(f"sync {path.name}")
            super().sync_folder(path)

        def write(self, descriptor: int, data: bytes | memoryview) -> int:
            effects.append(f"write {len(data)}")
            return super().write(descriptor, data)

    run = RunDirectory(tmp_path / "autumn")
    with run.open_for_writing(disk=Recorder()) as (journal, _):
        asyncio.run(journal.append(SUBMITTED))
    created = effects.index("open log.jsonl")
    appended = effects.index(f"write {len(lines.encode(SUBMITTED))}")
    assert "sync autumn" in effects[created:appended]
    assert effects.index(f"sync {tmp_path.name}") < created
