"""A disk that fills up, breaks or writes in pieces: what was promised stays true."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from batchgen import events
from batchgen.errors import DiskError
from batchgen.ledger import replay
from batchgen.ledger.appender import BALLAST_BYTES
from batchgen.ledger.files import RealDisk
from batchgen.ledger.journal import Journal
from batchgen.ledger.rundir import RunDirectory

NO_ROOM = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG]


def lost(number: int) -> events.Lost:
    return events.Lost(time="2026-01-02T03:04:05.678Z", job=f"{number:032x}", attempt=1, request_id=f"r{number}")


def ids(folder: Path) -> list[str]:
    return [event.request_id for event in replay.read(folder / "log.jsonl") if isinstance(event, events.Lost)]


class FaultyDisk(RealDisk):
    """Fails calls of the kinds in `faults` with their errno, the first `times` of them; writes at most `piece` bytes.

    A write that fails has taken half of its bytes first. `room` bounds the bytes that may be written, given back by
    removing the ballast.
    """

    def __init__(self) -> None:
        self.faults: dict[str, int] = {}
        self.times = 10**9
        self.piece = 10**9
        self.room = 10**9
        self.calls: list[str] = []

    def _maybe_fail(self, kind: str) -> None:
        self.calls.append(kind)
        if kind in self.faults and self.times > 0:
            self.times -= 1
            raise OSError(self.faults[kind], os.strerror(self.faults[kind]))

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        try:
            self._maybe_fail("write")
        except OSError:
            super().write(descriptor, data[: len(data) // 2])
            raise
        taken = min(len(data), self.piece, self.room)
        if taken == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= taken
        return super().write(descriptor, data[:taken])

    def fsync(self, descriptor: int) -> None:
        self._maybe_fail("fsync")
        super().fsync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        self._maybe_fail("truncate")
        self.room += max(0, os.fstat(descriptor).st_size - size)
        super().truncate(descriptor, size)

    def unlink(self, path: Path) -> None:
        self._maybe_fail("unlink")
        size = path.stat().st_size
        super().unlink(path)
        self.room += size


class Bench:
    """One journal on a faulty disk, and everything its user was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = FaultyDisk()
        self.told: list[DiskError] = []
        self.kept: list[str] = []
        self.refused: list[str] = []

    def run(self, *faults_before: dict[str, int]) -> Journal:
        """Append r0, r1, ... one at a time, each with its own faults."""

        async def main() -> None:
            for number, faults in enumerate(faults_before):
                self.disk.faults = faults
                try:
                    await journal.append(lost(number))
                except DiskError:
                    self.refused.append(f"r{number}")
                else:
                    self.kept.append(f"r{number}")

        with RunDirectory(self.folder).open_for_writing(disk=self.disk, on_failure=self.told.append) as (journal, _):
            asyncio.run(main())
            self.disk.faults = {}
        return journal


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_short_writes_are_continued(bench: Bench) -> None:
    bench.disk.piece = 7
    bench.run({}, {})
    assert ids(bench.folder) == bench.kept == ["r0", "r1"]
    assert bench.told == []


@pytest.mark.parametrize("code", NO_ROOM)
@pytest.mark.parametrize("at", range(3))
def test_a_full_disk_at_any_write_frees_the_ballast_and_keeps_the_line(bench: Bench, at: int, code: int) -> None:
    """The line is durable; the failure is told once, before the caller goes on, so that POSTs end."""
    bench.disk.times = 1
    journal = bench.run(*({"write": code} if number == at else {} for number in range(3)))
    assert ids(bench.folder) == bench.kept == ["r0", "r1", "r2"]
    assert [str(problem) for problem in bench.told] == [str(journal.failed)]
    assert "cannot append to the ledger" in str(journal.failed)


@pytest.mark.parametrize("code", NO_ROOM)
def test_a_disk_that_stays_full_refuses_lines_and_takes_them_again_when_there_is_room(bench: Bench, code: int) -> None:
    bench.run({}, {"write": code}, {"write": code}, {}, {"unlink": errno.EIO, "write": code}, {})
    assert ids(bench.folder) == bench.kept == ["r0", "r3", "r5"]
    assert bench.refused == ["r1", "r2", "r4"]
    assert len(bench.told) == 1


def test_the_ballast_is_room_for_the_lines_of_posts_under_way(tmp_path: Path) -> None:
    """With the disk full to the last byte, hundreds of lines still fit; then they are refused, and nothing is torn."""
    disk = FaultyDisk()

    async def main() -> None:
        await journal.append(lost(0))
        disk.room = 10
        with pytest.raises(DiskError, match="free some space"):
            while True:
                await asyncio.gather(*map(journal.append, map(lost, range(200))))

    with RunDirectory(tmp_path).open_for_writing(disk=disk) as (journal, _):
        asyncio.run(main())
        assert not (tmp_path / ".ballast").exists()
    content = (tmp_path / "log.jsonl").read_bytes()
    assert BALLAST_BYTES * 0.8 < len(content) <= BALLAST_BYTES + 1000
    assert content.endswith(b"\n")
    assert len(ids(tmp_path)) == content.count(b"\n")


def test_the_ballast_is_real_blocks(tmp_path: Path) -> None:
    with RunDirectory(tmp_path).open_for_writing():
        ballast = (tmp_path / ".ballast").stat()
        assert ballast.st_size == BALLAST_BYTES
        assert ballast.st_blocks * 512 >= BALLAST_BYTES
    assert not (tmp_path / ".ballast").exists()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_after_a_failed_fsync_nothing_is_trusted_and_no_fsync_is_repeated(bench: Bench, code: int) -> None:
    journal = bench.run({}, {"fsync": code}, {}, {})
    assert (bench.kept, bench.refused) == (["r0"], ["r1", "r2", "r3"])
    assert journal.syncs == 2
    assert len(bench.told) == 1


def test_everybody_who_waits_at_a_failed_fsync_is_refused(tmp_path: Path) -> None:
    disk = FaultyDisk()

    async def main() -> list[BaseException | None]:
        disk.faults = {"fsync": errno.EIO}
        appends = (journal.append(lost(number)) for number in range(10))
        return await asyncio.gather(*appends, return_exceptions=True)

    with RunDirectory(tmp_path).open_for_writing(disk=disk) as (journal, _):
        outcomes = asyncio.run(main())
        disk.faults = {}
    assert [type(outcome) for outcome in outcomes] == [DiskError] * 10
    assert journal.syncs == 1


@pytest.mark.parametrize(
    "faults",
    [
        {"write": errno.EIO},
        {"write": errno.ENOSPC, "truncate": errno.EIO},
        {"write": errno.ENOSPC, "truncate": errno.ENOSPC},
    ],
)
def test_a_fault_that_leaves_the_file_in_doubt_ends_all_appends(bench: Bench, faults: dict[str, int]) -> None:
    """Its torn piece is for the next start to repair."""
    bench.run({}, faults, {})
    assert (bench.kept, bench.refused) == (["r0"], ["r1", "r2"])
    assert ids(bench.folder) == ["r0"]
    assert Bench(bench.folder).run({}).failed is None
    assert ids(bench.folder) == ["r0", "r0"]


def test_nobody_goes_on_before_the_failure_is_told(tmp_path: Path) -> None:
    disk = FaultyDisk()
    order: list[str] = []

    async def main() -> None:
        disk.faults, disk.times = {"write": errno.ENOSPC}, 1
        await journal.append(lost(1))
        order.append("went on")

    def tell(_: DiskError) -> None:
        order.append("told")

    with RunDirectory(tmp_path).open_for_writing(disk=disk, on_failure=tell) as (journal, _):
        asyncio.run(main())
    assert order == ["told", "went on"]


def test_a_failure_nobody_thought_of_leaves_nobody_waiting(tmp_path: Path) -> None:
    class Broken(RealDisk):
        broken = False

        def write(self, descriptor: int, data: bytes | memoryview) -> int:
            if self.broken:
                raise MemoryError
            return super().write(descriptor, data)

    disk = Broken()
    with RunDirectory(tmp_path).open_for_writing(disk=disk) as (journal, _):
        disk.broken = True
        for _ in range(2):
            with pytest.raises(DiskError, match="MemoryError"):
                asyncio.run(journal.append(lost(1)))
