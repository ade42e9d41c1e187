"""A checkpoint changes how long a ledger takes to read, and never what it says."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.histories import FINISHED, JOBS, event, histories, line, ordinary, said

from batchgen.errors import LedgerError
from batchgen.ledger import checkpoint, replay
from batchgen.ledger.files import RealDisk
from batchgen.ledger.rundir import RunDirectory
from batchgen.state import RunState, fold, saved

LINE = line(4, event("submitting", "f" * 32))
LATER = 4e9
ENDED = line(1, FINISHED)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a checkpoint of every ledger, and use it however much follows."""
    monkeypatch.setattr(checkpoint, "FROM_BYTES", 1)
    monkeypatch.setattr(checkpoint, "REST", 0)


def hold(folder: Path, disk: RealDisk | None = None) -> None:
    """Be a command that takes the run directory and writes nothing."""
    with RunDirectory(folder).open_for_writing(disk=disk or RealDisk(), now=lambda: LATER):
        pass


def kept(folder: Path, content: bytes = b"") -> Path:
    """Return a ledger of this content, or of some, that a command held and left a checkpoint of."""
    log = folder / "log.jsonl"
    folder.mkdir(exist_ok=True)
    log.write_bytes(content or ordinary(20) + line(4, event("submitting", JOBS[0], attempt=2)) + ENDED)
    hold(folder)
    assert is_used(log)
    return log


def is_used(log: Path) -> bool:
    descriptor = os.open(log, os.O_RDONLY)
    try:
        return checkpoint.read(descriptor, log) is not None
    finally:
        os.close(descriptor)


def require_right(log: Path) -> None:
    assert said(lambda: replay.load(log)) == said(lambda: fold(replay.read(log)))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=histories(), at=st.floats(0, 1))
def test_with_a_checkpoint_a_ledger_says_what_its_events_say(content: bytes, at: float, tmp_path: Path) -> None:
    """Mistakes after it included, with the numbers of their lines."""
    log = tmp_path / "log.jsonl"
    lines = content.splitlines(keepends=True)
    cut = round(at * len(lines))
    beginning = b"".join(lines[:cut])
    log.write_bytes(beginning)
    descriptor = os.open(log, os.O_RDONLY)
    found = replay.Replay(descriptor, log)
    if not isinstance(said(found.fold), str) and found.whole == len(beginning) > 0 and found.ended:
        found = replay.Replay(descriptor, log)
        kept = checkpoint.Beginning(len(beginning), cut, found.fold())
        checkpoint.write(RealDisk(), descriptor, log, kept, checkpoint.marks(descriptor))
        assert is_used(log)
    os.close(descriptor)
    log.write_bytes(content)
    require_right(log)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(histories(), min_size=2, max_size=5))
def test_commands_one_after_the_other_go_on_from_each_others_checkpoints(pieces: list[bytes], tmp_path: Path) -> None:
    (tmp_path / ".checkpoint").unlink(missing_ok=True)
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"")
    for piece in pieces:
        with log.open("ab") as end:
            end.write(piece)
        with contextlib.suppress(LedgerError):
            hold(tmp_path)
        require_right(log)


def test_a_ledger_that_nobody_wrote_to_since_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = kept(tmp_path)
    monkeypatch.setattr(checkpoint, "_sum", pytest.fail)
    assert is_used(log)
    require_right(log)


@pytest.mark.parametrize("keeps_times", [False, True])
def test_an_edit_in_place_is_seen(tmp_path: Path, *, keeps_times: bool) -> None:
    """Of the same length, in the same file, and even where its time was set back."""
    log = kept(tmp_path)
    before = log.stat()
    content = log.read_bytes()
    with log.open("r+b") as file:
        file.seek(content.index(b"sandbox"))
        file.write(b"sandb0x")
    if keeps_times:
        os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not is_used(log)
    require_right(log)


def test_what_changes_while_it_is_read_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the sum of what stands there by then would go with the state of what stood there."""
    log = kept(tmp_path)
    (tmp_path / ".checkpoint").unlink()

    class Edited(replay.Replay):
        def fold(self, known: checkpoint.Beginning | None = None) -> RunState:
            state = super().fold(known)
            log.write_bytes(log.read_bytes().replace(b"sandbox", b"sandb0x"))
            return state

    with monkeypatch.context() as busy:
        busy.setattr(replay, "Replay", Edited)
        hold(tmp_path)
    require_right(log)


def test_a_copy_of_a_run_directory_takes_its_checkpoint_along(tmp_path: Path) -> None:
    log = kept(tmp_path / "one")
    (tmp_path / "two").mkdir()
    for name in ("log.jsonl", ".checkpoint"):
        (tmp_path / "two" / name).write_bytes((tmp_path / "one" / name).read_bytes())
    assert is_used(tmp_path / "two" / log.name)


def test_another_ledger_in_its_place_is_read(tmp_path: Path) -> None:
    log = kept(tmp_path)
    for content in (b"", ordinary(3), ordinary(21) + LINE):
        log.write_bytes(content)
        assert not is_used(log)
        require_right(log)


def test_no_byte_of_a_checkpoint_that_changed_changes_what_is_said(tmp_path: Path) -> None:
    log = kept(tmp_path, ordinary(3) + LINE + ENDED)
    file = tmp_path / ".checkpoint"
    sound = file.read_bytes()
    right = said(lambda: replay.load(log))
    for place in range(len(sound)):
        for changed in (sound[:place], sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :]):
            file.write_bytes(changed)
            assert said(lambda: replay.load(log)) == right


@pytest.mark.parametrize("what", ["link", "pipe", "folder", "unreadable", "huge"])
def test_what_is_no_checkpoint_is_passed_by(tmp_path: Path, what: str) -> None:
    log = kept(tmp_path)
    file = tmp_path / ".checkpoint"
    sound = file.read_bytes()
    file.unlink()
    if what == "link":
        (tmp_path / "elsewhere").write_bytes(sound)
        file.symlink_to("elsewhere")
    elif what == "pipe":
        os.mkfifo(file)
    elif what == "folder":
        file.mkdir()
    else:
        file.write_bytes(sound + (b"" if what == "unreadable" else bytes(2 << 20)))
        file.chmod(0 if what == "unreadable" else 0o600)
    assert not is_used(log) or (what == "unreadable" and os.geteuid() == 0)
    require_right(log)
    hold(tmp_path)
    require_right(log)


def test_a_checkpoint_of_another_format_is_passed_by_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = kept(tmp_path)
    with monkeypatch.context() as later:
        later.setattr("batchgen.state.saved.FORMAT", saved.FORMAT + 1)
        assert not is_used(log)
        require_right(log)
        hold(tmp_path)
        assert is_used(log)
    assert not is_used(log)


def test_a_short_ledger_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "log.jsonl").write_bytes(ordinary(100) + ENDED)
    hold(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "log.jsonl"]


def test_little_that_is_new_is_sealed_and_much_is_written(tmp_path: Path) -> None:
    log = kept(tmp_path, ordinary(200) + ENDED)
    file = tmp_path / ".checkpoint"

    def append(content: bytes) -> int:
        with log.open("ab") as end:
            end.write(content)
        hold(tmp_path)
        require_right(log)
        return file.stat().st_ino

    first = file.stat().st_ino
    assert append(ENDED) == first
    file.touch()
    assert append(ordinary(50) + ENDED) != first


def test_where_much_follows_everything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Event by event, the rest would take longer than the whole."""
    log = kept(tmp_path)
    with log.open("ab") as end:
        end.write(ordinary(10))
    assert is_used(log)
    monkeypatch.setattr(checkpoint, "REST", 8)
    assert not is_used(log)


class Failing(RealDisk):
    """Raises `problem` at one effect on the checkpoint, the `at`th."""

    def __init__(self, at: int, problem: Callable[[], BaseException]) -> None:
        self.at = at
        self._problem = problem
        self._its: set[int] = set()

    def open(self, path: Path, flags: int) -> int:
        is_it = "checkpoint" in path.name
        if is_it:
            self._step()
        descriptor = super().open(path, flags)
        if is_it:
            self._its.add(descriptor)
        return descriptor

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        if descriptor in self._its:
            written = super().write(descriptor, data[: len(data) // 2])
            self._step()
            return written
        return super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        if descriptor in self._its:
            self._step()
        super().fsync(descriptor)

    def close(self, descriptor: int) -> None:
        self._its.discard(descriptor)
        super().close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)
        self._step()

    def _step(self) -> None:
        self.at -= 1
        if self.at == 0:
            raise self._problem()


class DeathError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("problem", [lambda: OSError(errno.ENOSPC, "full"), KeyboardInterrupt, DeathError])
def test_a_checkpoint_that_cannot_be_kept_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Callable[[], BaseException], *, is_new: bool
) -> None:
    """However far its writing, before anything else, or its sealing, at the very end, came."""
    monkeypatch.setattr(checkpoint, "FRESH", 1)
    seen = (DeathError, KeyboardInterrupt) if is_new else (DeathError,)
    for at in range(1, 100):
        folder = tmp_path / f"{at}"
        log = kept(folder)
        if is_new:
            (folder / ".checkpoint").unlink()
        with log.open("ab") as end:
            end.write(LINE)
        disk = Failing(at, problem)
        with contextlib.suppress(*seen):
            hold(folder, disk)
        require_right(log)
        hold(folder)
        require_right(log)
        assert is_used(log)
        if disk.at > 0:
            break
    assert at > 2
