"""Files that are ready together are synced together, and none of them waits for company or falls with another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from batchgen.store.group import GroupCommit

HERE, THERE = Path("here"), Path("there")


@dataclass
class Piece:
    """Work that writes down its steps, fails at one of them, or waits there."""

    name: str
    steps: list[str]
    fail: str = ""
    folders: Collection[Path] = (HERE,)
    wait: dict[str, Callable[[], object]] = field(default_factory=dict)

    def _step(self, word: str) -> None:
        if hold := self.wait.get(word):
            hold()
        self.steps.append(f"{word} {self.name}")
        if word == self.fail:
            raise OSError(word)

    def prepare(self) -> None:
        self._step("prepare")

    def sync(self) -> None:
        self._step("sync")

    def place(self) -> Collection[Path]:
        self._step("place")
        return self.folders

    def result(self) -> str:
        return self.name


@dataclass
class Folders:
    """Where folders are synced; syncing one of them may fail."""

    steps: list[str]
    broken: Path | None = None

    def __call__(self, folder: Path) -> None:
        self.steps.append(f"folder {folder}")
        if folder == self.broken:
            raise OSError("folder")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_the_bytes_are_synced_before_any_name_is_given_and_the_folders_last(threads: ThreadPoolExecutor) -> None:
    steps: list[str] = []

    async def run() -> str:
        return await GroupCommit[str](threads, Folders(steps)).commit(Piece("a", steps, folders=(HERE, THERE, HERE)))

    assert asyncio.run(run()) == "a"
    assert steps == ["prepare a", "sync a", "place a", "folder here", "folder there"]


def batch(threads: ThreadPoolExecutor, steps: list[str], folders: Folders, *pieces: Piece) -> list[str | BaseException]:
    """Commit the first piece, and the others while it is being synced: they form the next batch."""
    busy, go = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        go.wait(10)

    async def run() -> list[str | BaseException]:
        group = GroupCommit[str](threads, folders)
        first = group.commit(Piece("first", steps, wait={"sync": hold}))
        await asyncio.to_thread(busy.wait, 10)
        rest = [group.commit(piece) for piece in pieces]
        while len(group._ready) < sum(piece.fail != "prepare" for piece in pieces):  # noqa: ASYNC110
            await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    return asyncio.run(run())


def test_what_becomes_ready_meanwhile_shares_the_next_sync_of_the_folder(threads: ThreadPoolExecutor) -> None:
    steps: list[str] = []
    ended = batch(threads, steps, Folders(steps), Piece("a", steps), Piece("b", steps))
    assert ended == ["first", "a", "b"]
    assert steps.count("folder here") == 2


def test_one_that_fails_takes_nobody_with_it(threads: ThreadPoolExecutor) -> None:
    steps: list[str] = []
    pieces = [Piece(word, steps, fail=word) for word in ("prepare", "sync", "place")]
    first, *failed, well = batch(threads, steps, Folders(steps), *pieces, Piece("well", steps))
    assert (first, well) == ("first", "well")
    assert [str(problem) for problem in failed] == ["prepare", "sync", "place"]
    assert "place sync" not in steps


def test_a_folder_that_cannot_be_synced_fails_all_that_went_into_it(threads: ThreadPoolExecutor) -> None:
    steps: list[str] = []
    first, lost, well = batch(
        threads, steps, Folders(steps, broken=THERE), Piece("lost", steps, folders=(HERE, THERE)), Piece("well", steps)
    )
    assert (first, well) == ("first", "well")
    assert isinstance(lost, OSError)


def test_a_loop_that_is_gone_leaves_the_next_one_its_answers(threads: ThreadPoolExecutor) -> None:
    steps: list[str] = []
    group = GroupCommit[str](threads, Folders(steps))
    held = threading.Event()

    async def leave() -> None:
        group.commit(Piece("left", steps, wait={"sync": lambda: held.wait(10)}))

    async def come() -> str:
        later = group.commit(Piece("later", steps))
        held.set()
        return await later

    asyncio.run(leave())
    assert asyncio.run(come()) == "later"
    assert "place left" in steps
