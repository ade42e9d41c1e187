"""One writer: the kernel's lock among processes, the ten minutes' rule among hosts."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen import events
from batchgen.errors import DiskError, LedgerError, LockedError
from batchgen.ledger import lines, lock
from batchgen.ledger.files import REAL_DISK, RealDisk
from batchgen.state import fold

HOLD = """
import sys, time
from decimal import Decimal
from pathlib import Path
from batchgen.ledger import lock
from batchgen.ledger.files import REAL_DISK
lock.acquire(REAL_DISK, Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def started(host: str = "other", pid: int = 4711) -> events.RunStarted:
    return events.RunStarted(
        time="2026-01-02T03:04:05.678Z",
        version="1",
        name="n",
        manifest="h",
        api="a",
        counts={},
        host=host,
        pid=pid,
        boot_id="b",
    )


@contextmanager
def holder(log: Path) -> Iterator[subprocess.Popen[str]]:
    """A second process that holds the lock until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_kept_out_and_told_who_holds_it(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines.encode(started(pid=1)) + lines.encode(started()) + b'{"torn')
    with (
        holder(log),
        pytest.raises(LockedError, match=r"another run holds this run directory .*process 4711 on other, 2026-01-02T"),
    ):
        lock.acquire(REAL_DISK, log)


def test_a_holder_without_a_name_still_keeps_others_out(tmp_path: Path) -> None:
    with holder(tmp_path / "log.jsonl"), pytest.raises(LockedError, match="not yet named"):
        lock.acquire(REAL_DISK, tmp_path / "log.jsonl")


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with holder(log) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(lock.acquire(REAL_DISK, log))


def test_a_child_program_does_not_keep_the_lock_alive(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    descriptor = lock.acquire(REAL_DISK, log)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        os.close(descriptor)
        os.close(lock.acquire(REAL_DISK, log))
        child.kill()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_that_cannot_lock_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(_: int, __: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(DiskError, match=r"cannot lock files .*local disk"):
        lock.acquire(REAL_DISK, tmp_path / "log.jsonl")


def test_a_lock_on_a_removed_file_is_not_taken_for_one(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"

    class Meddled(RealDisk):
        opened = 0

        def open(self, path: Path, flags: int) -> int:
            descriptor = super().open(path, flags)
            self.opened += 1
            if self.opened == 1:
                path.unlink()
            return descriptor

    descriptor = lock.acquire(Meddled(), log)
    assert os.path.samestat(os.fstat(descriptor), log.stat())
    os.close(descriptor)


def test_a_ledger_that_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LedgerError, match="regular"):
        lock.acquire(REAL_DISK, tmp_path / "pipe")
    for name, fix in (("link", "symbolic link"), ("folder", "a folder stands")):
        with pytest.raises(DiskError, match=fix):
            lock.acquire(REAL_DISK, tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


FINISHED = events.RunFinished(time="2026-01-02T04:00:00.000Z", counts={}, exit_code=0, reason="", cost_usd=Decimal(0))


@pytest.mark.parametrize(
    ("history", "quiet_for", "alive"),
    [
        ([], 0, False),
        ([started()], 0, True),
        ([started()], 599, True),
        ([started()], -30, True),
        ([started()], 600, False),
        ([started("here")], 0, False),
        ([started(), FINISHED], 0, False),
        ([started("here"), FINISHED, started()], 0, True),
        ([started(), started("here")], 0, False),
    ],
)
def test_another_hosts_unfinished_run_is_alive_for_ten_minutes(
    history: list[events.Event], quiet_for: float, alive: bool
) -> None:
    other = lock.living_elsewhere(fold(history), "here", quiet_for)
    assert other == (started() if alive else None)


def test_this_machine_and_boot_have_names() -> None:
    assert lock.host_name()
    assert lock.boot_id() == lock.boot_id()
