"""Durable effects come in the order that makes them safe, and their failures teach."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from batchgen.errors import DiskError, LedgerError
from batchgen.ledger.files import (
    REAL_DISK,
    RealDisk,
    make_folder_durably,
    replace_durably,
    require_regular,
    trouble,
    write_whole,
)


class Recorder(RealDisk):
    """A disk that notes every effect, and fails at the one that `fails` names."""

    def __init__(self, fails: str = "", code: int = errno.EIO) -> None:
        self.effects: list[str] = []
        self._fails = fails
        self._code = code

    def _note(self, effect: str) -> None:
        self.effects.append(effect)
        if effect == self._fails:
            raise OSError(self._code, os.strerror(self._code))

    def open(self, path: Path, flags: int) -> int:
        self._note(f"open {path.name}")
        return super().open(path, flags)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self._note("write")
        return super().write(descriptor, data[:2])

    def fsync(self, descriptor: int) -> None:
        self._note("fsync")
        super().fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._note(f"rename {source.name} {target.name}")
        super().rename(source, target)

    def mkdir(self, path: Path) -> None:
        self._note(f"mkdir {path.name}")
        super().mkdir(path)

    def sync_folder(self, path: Path) -> None:
        self._note(f"sync {path.name}")
        super().sync_folder(path)


def test_replacing_makes_the_bytes_durable_before_the_name(tmp_path: Path) -> None:
    disk = Recorder()
    replace_durably(disk, tmp_path / "s.json", b"abc")
    assert disk.effects == [
        "open .s.json.part",
        "write",
        "write",
        "fsync",
        "rename .s.json.part s.json",
        f"sync {tmp_path.name}",
    ]
    assert (tmp_path / "s.json").read_bytes() == b"abc"


@pytest.mark.parametrize("fails", ["open .s.json.part", "write", "fsync", "rename .s.json.part s.json"])
def test_a_failed_replacement_leaves_the_old_content_and_nothing_else(tmp_path: Path, fails: str) -> None:
    target = tmp_path / "s.json"
    target.write_bytes(b"old")
    with pytest.raises(DiskError, match=r"s\.json: cannot write the file"):
        replace_durably(Recorder(fails), target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]


def test_every_new_folder_is_durable_before_the_next_is_made_in_it(tmp_path: Path) -> None:
    disk = Recorder()
    make_folder_durably(disk, tmp_path / "a" / "b")
    assert disk.effects == [f"sync {tmp_path.parent.name}", "mkdir a", f"sync {tmp_path.name}", "mkdir b", "sync a"]
    make_folder_durably(disk, tmp_path / "a" / "b")
    assert disk.effects[5:] == ["sync a"]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DiskError, match=r"cannot make the folder .*move it away"):
            make_folder_durably(REAL_DISK, path)


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "make it writable"),
        (errno.EIO, "system's log"),
        (errno.EPIPE, "see to the disk"),
    ],
)
def test_disk_trouble_names_the_place_and_the_fix(code: int, fix: str) -> None:
    message = str(trouble("write", Path("/runs/a"), OSError(code, os.strerror(code))))
    assert message.startswith("/runs/a: cannot write (")
    assert fix in message


def test_a_write_that_takes_nothing_is_a_failure(tmp_path: Path) -> None:
    class Nothing(RealDisk):
        def write(self, descriptor: int, data: bytes | memoryview) -> int:
            return 0

    with pytest.raises(OSError, match="nothing was written"):
        write_whole(Nothing(), 1, b"x")


def test_descriptors_are_close_on_exec_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        REAL_DISK.open(tmp_path / "link", os.O_WRONLY | os.O_CREAT)
    descriptor = REAL_DISK.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    assert not os.get_inheritable(descriptor)
    REAL_DISK.close(descriptor)


def test_only_regular_files_are_taken(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(LedgerError, match="not a regular file"):
        require_regular(descriptor, tmp_path)
    os.close(descriptor)


def test_a_folder_without_fsync_is_let_pass_and_a_fault_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(code: int) -> None:
        def fsync(_: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fsync)

    fail(errno.EINVAL)
    REAL_DISK.sync_folder(tmp_path)
    fail(errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        REAL_DISK.sync_folder(tmp_path)
