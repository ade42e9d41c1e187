"""Group commit: shared fsyncs, order, cancelled callers, and closing with lines on their way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batchgen import events
from batchgen.errors import DiskError, LockedError
from batchgen.ledger import lines, replay
from batchgen.ledger.files import RealDisk
from batchgen.ledger.journal import Journal
from batchgen.ledger.rundir import RunDirectory


def lost(number: int) -> events.Lost:
    return events.Lost(time="2026-01-02T03:04:05.678Z", job=f"{number:032x}", attempt=1, request_id=f"r{number}")


def ids(folder: Path) -> list[str]:
    return [event.request_id for event in replay.read(folder / "log.jsonl") if isinstance(event, events.Lost)]


class GatedDisk(RealDisk):
    """A disk whose ledger fsyncs wait for `gate`, and which counts those that have begun."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Semaphore(0)

    def fsync(self, descriptor: int) -> None:
        self.began.release()
        assert self.gate.wait(30)
        super().fsync(descriptor)

    def hold(self) -> None:
        """Let the next fsync wait."""
        self.gate.clear()
        while self.began.acquire(blocking=False):
            pass


@pytest.fixture
def disk() -> GatedDisk:
    return GatedDisk()


@pytest.fixture
def journal(tmp_path: Path, disk: GatedDisk) -> Iterator[Journal]:
    with RunDirectory(tmp_path).open_for_writing(disk=disk) as (journal, _):
        yield journal
        disk.gate.set()


def test_appends_of_one_turn_of_the_loop_share_one_fsync(tmp_path: Path, journal: Journal) -> None:
    async def main() -> None:
        await asyncio.gather(*(journal.append(lost(number)) for number in range(64)))

    asyncio.run(main())
    assert journal.appends == 64
    assert journal.syncs == 1
    assert ids(tmp_path) == [f"r{number}" for number in range(64)]


def test_an_append_alone_waits_for_no_company(tmp_path: Path, journal: Journal) -> None:
    async def main() -> None:
        for number in range(5):
            await journal.append(lost(number))
            assert journal.syncs == number + 1
            assert ids(tmp_path)[-1] == f"r{number}"

    asyncio.run(main())


def test_the_order_of_the_calls_is_the_order_of_the_lines(tmp_path: Path, journal: Journal) -> None:
    async def worker(first: int) -> None:
        for step in range(10):
            called.append(first + step)
            await journal.append(lost(first + step))

    async def main() -> None:
        await asyncio.gather(*(worker(1000 * number) for number in range(7)))

    called: list[int] = []
    asyncio.run(main())
    assert ids(tmp_path) == [f"r{number}" for number in called]


def test_a_caller_goes_on_only_after_an_fsync_that_began_after_its_append(disk: GatedDisk, journal: Journal) -> None:
    """The fsync that was running when the second append came does not count for it."""

    async def main() -> None:
        disk.hold()
        first = asyncio.create_task(journal.append(lost(1)))
        assert await asyncio.to_thread(disk.began.acquire)
        second = asyncio.create_task(journal.append(lost(2)))
        await asyncio.sleep(0)
        assert not first.done()
        disk.gate.set()
        await first
        assert not second.done()
        await second
        assert journal.syncs == 2

    asyncio.run(main())


def test_a_cancelled_callers_line_is_written_like_the_others(tmp_path: Path, disk: GatedDisk, journal: Journal) -> None:
    async def main() -> None:
        disk.hold()
        running = asyncio.create_task(journal.append(lost(1)))
        assert await asyncio.to_thread(disk.began.acquire)
        waiting = asyncio.create_task(journal.append(lost(2)))
        last = asyncio.create_task(journal.append(lost(3)))
        await asyncio.sleep(0)
        for task in (running, waiting):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        disk.gate.set()
        await last

    asyncio.run(main())
    assert ids(tmp_path) == ["r1", "r2", "r3"]


def test_closing_finishes_what_is_on_its_way(tmp_path: Path, disk: GatedDisk, journal: Journal) -> None:
    async def main() -> None:
        disk.hold()
        tasks = [asyncio.create_task(journal.append(lost(1)))]
        assert await asyncio.to_thread(disk.began.acquire)
        tasks.append(asyncio.create_task(journal.append(lost(2))))
        await asyncio.sleep(0)
        closing = asyncio.create_task(journal.close())
        await asyncio.sleep(0)
        with pytest.raises(DiskError, match="closed"):
            await journal.append(lost(3))
        disk.gate.set()
        await asyncio.gather(closing, *tasks)

    asyncio.run(main())
    assert ids(tmp_path) == ["r1", "r2"]


def test_what_is_closed_is_still_held_until_it_is_let_go_of(tmp_path: Path, journal: Journal) -> None:
    """Who wrote the ledger may have something to do to its folder before anybody else has."""
    asyncio.run(journal.close())
    assert (tmp_path / ".ballast").exists()
    with pytest.raises(LockedError), RunDirectory(tmp_path).open_for_writing():
        pass
    journal.release()
    assert not (tmp_path / ".ballast").exists()
    with RunDirectory(tmp_path).open_for_writing():
        pass


def test_closing_twice_closes_nobody_elses_file(tmp_path: Path, journal: Journal) -> None:
    """The descriptor's number may be somebody else's by then."""
    journal.release()
    with (tmp_path / "other").open("wb") as other:
        journal.release()
        other.write(b"whole")
    assert (tmp_path / "other").read_bytes() == b"whole"


def leave_in_the_air(disk: GatedDisk, journal: Journal) -> Callable[[], None]:
    """Return a run that ends with one line on its way and one waiting behind it."""

    async def main() -> None:
        disk.hold()
        tasks = [asyncio.create_task(journal.append(lost(1)))]
        assert await asyncio.to_thread(disk.began.acquire)
        tasks.append(asyncio.create_task(journal.append(lost(2))))
        await asyncio.sleep(0)

    def run() -> None:
        asyncio.run(main())
        disk.gate.set()

    return run


def test_an_ended_loop_loses_no_line(tmp_path: Path, disk: GatedDisk, journal: Journal) -> None:
    leave_in_the_air(disk, journal)()
    journal.release()
    assert ids(tmp_path) == ["r1", "r2"]


def test_a_new_loop_goes_on_where_an_ended_one_stopped(tmp_path: Path, disk: GatedDisk, journal: Journal) -> None:
    leave_in_the_air(disk, journal)()
    asyncio.run(journal.append(lost(3)))
    assert ids(tmp_path) == ["r1", "r2", "r3"]


def test_a_line_too_long_to_be_read_back_is_not_written(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 50)
    with pytest.raises(DiskError, match="smaller"):
        asyncio.run(journal.append(lost(1)))
    assert (journal.failed, ids(tmp_path)) == (None, [])
