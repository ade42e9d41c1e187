"""Repair keeps the longest valid beginning, loses nothing it cuts, and may die at any step."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen import events
from batchgen.ledger import lines
from batchgen.ledger.files import REAL_DISK, Disk, RealDisk
from batchgen.ledger.repair import repair
from batchgen.ledger.replay import Replay

LINES = [
    lines.encode(
        events.Submitted(
            time="2026-01-02T03:04:05.678Z", job=f"{number:032x}", attempt=1, request_id="狐" * number, api="a"
        )
    )
    for number in range(4)
]
LEDGER = b"".join(LINES)


class Died(BaseException):
    """The process is gone."""


class Dying(RealDisk):
    """A disk whose user dies before effect `at`, counted from 0; a write that dies has written half."""

    def __init__(self, at: int) -> None:
        self._left = at

    def _step(self) -> None:
        if self._left == 0:
            raise Died
        self._left -= 1

    def open(self, path: Path, flags: int) -> int:
        self._step()
        return super().open(path, flags)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        try:
            self._step()
        except Died:
            super().write(descriptor, data[: len(data) // 2])
            raise
        return super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._step()
        super().fsync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        self._step()
        super().truncate(descriptor, size)

    def sync_folder(self, path: Path) -> None:
        self._step()
        super().sync_folder(path)


def mend(folder: Path, disk: Disk = REAL_DISK) -> int:
    """Repair `log` of the folder as the holder of its lock does."""
    descriptor = os.open(folder / "log", os.O_RDWR | os.O_APPEND)
    try:
        found = Replay(descriptor, folder / "log", writing=True)
        for _ in found:
            pass
        return repair(disk, descriptor, folder / "log", folder / "torn", found)
    finally:
        os.close(descriptor)


def whole_lines(cut: int) -> bytes:
    """The longest valid ledger that the first `cut` bytes of LEDGER hold; a line lacking only its newline is whole."""
    return b"".join(line for end, line in zip(ENDS, LINES, strict=True) if end - 1 <= cut)


ENDS = [len(b"".join(LINES[: number + 1])) for number in range(len(LINES))]
nuls = st.integers(0, 9000).map(lambda count: b"\0" * count)
garbage = st.binary(max_size=60).map(lambda tail: b"\xff" + tail.replace(b"\n", b""))


@given(st.integers(0, len(LEDGER)), nuls)
def test_any_beginning_with_nuls_is_repaired_to_its_whole_lines(cut: int, tail: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        check_repair(Path(name), LEDGER[:cut] + tail, whole_lines(cut))


@given(st.integers(0, len(LEDGER)), garbage, st.sampled_from([b"", b"\0\0", b"\n\0", b"\n\xff", b"\n{\n"]))
def test_any_beginning_with_garbage_is_repaired_to_its_whole_lines(cut: int, tail: bytes, more: bytes) -> None:
    """Garbage that joins a line makes that line bad, even one that lacked its newline alone."""
    more = more if cut >= ENDS[0] else b""
    kept = whole_lines(cut) if cut in ENDS else whole_lines(cut - 1)
    with tempfile.TemporaryDirectory() as name:
        check_repair(Path(name), LEDGER[:cut] + tail + more, kept)


def check_repair(folder: Path, damaged: bytes, expected: bytes) -> None:
    log, torn = folder / "log", folder / "torn"
    log.write_bytes(damaged)
    assert mend(folder) == len(expected)
    assert log.read_bytes() == expected
    cut_off = damaged[len(expected) :] if damaged.startswith(expected) else damaged[len(expected) - 1 :]
    kept = torn.read_bytes() if torn.exists() else b""
    assert kept == (cut_off + b"\n" if cut_off else b"")
    assert mend(folder) == len(expected)
    assert log.read_bytes() == expected
    assert (torn.read_bytes() if torn.exists() else b"") == kept


@pytest.mark.parametrize("damage", [b'{"v":1,"half', b"\0" * 100, LINES[3][:-1], LINES[3][:-1] + b"\0" * 9])
@pytest.mark.parametrize("step", range(12))
def test_dying_at_any_step_loses_nothing(tmp_path: Path, damage: bytes, step: int) -> None:
    """The next repair ends in the same ledger; what was cut is in the other file, at most twice."""
    before = b"".join(LINES[:3])
    whole = before + (LINES[3] if damage.startswith(LINES[3][:-1]) else b"")
    (tmp_path / "log").write_bytes(before + damage)
    try:
        mend(tmp_path, Dying(step))
    except Died:
        pass
    else:
        assert step > 1, "nothing was ever interrupted"
    mend(tmp_path)
    assert (tmp_path / "log").read_bytes() == whole
    cut_off = (before + damage)[len(whole) :] if whole == before else damage[len(LINES[3]) - 1 :]
    torn = (tmp_path / "torn").read_bytes() if (tmp_path / "torn").exists() else b""
    assert cut_off in torn
    assert torn.count(cut_off + b"\n") <= 2 or not cut_off


def test_the_cut_comes_after_the_copy_is_durable(tmp_path: Path) -> None:
    effects: list[str] = []

    class Recorder(RealDisk):
        def fsync(self, descriptor: int) -> None:
            effects.append("fsync")
            super().fsync(descriptor)

        def truncate(self, descriptor: int, size: int) -> None:
            effects.append("truncate")
            super().truncate(descriptor, size)

        def sync_folder(self, path: Path) -> None:
            effects.append("sync folder")
            super().sync_folder(path)

    (tmp_path / "log").write_bytes(LEDGER + b"{")
    mend(tmp_path, Recorder())
    assert effects == ["fsync", "sync folder", "truncate", "fsync"]


def test_a_whole_ledger_is_made_durable_and_not_changed(tmp_path: Path) -> None:
    """A process may have died before its fsync; whoever builds on its lines needs them on the disk."""
    synced: list[int] = []

    class Recorder(RealDisk):
        def fsync(self, descriptor: int) -> None:
            synced.append(descriptor)
            super().fsync(descriptor)

    (tmp_path / "log").write_bytes(LEDGER)
    assert mend(tmp_path, Recorder()) == len(LEDGER)
    assert (tmp_path / "log").read_bytes() == LEDGER
    assert len(synced) == 1
    assert not (tmp_path / "torn").exists()
