"""The sandbox's log: one holder, torn ends, shared fsyncs."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.sandbox.config import SandboxError
from batchgen.sandbox.journal import LOG_NAME, Journal, hold, replay
from batchgen.sandbox.records import (
    ACCEPTED_PREFIX,
    Accepted,
    CancelAsked,
    Faulted,
    Leaked,
    Opened,
    Record,
    RunFailed,
    decode,
    encode,
)
from batchgen.sandbox.sandbox import load_book

ACCEPTED = Accepted(2.5, "r1", "google/x", {"prompt": "狐 \x00"}, 0.5, 2, Decimal("0.16"))
RECORDS: list[Record] = [
    Opened(1.5, 4),
    ACCEPTED,
    CancelAsked(3.5, "r1"),
    RunFailed(4.5, "r1", {"type": "x"}),
    Faulted(5.5, "submit", "hang", 3),
    Leaked(6.5),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_read_back_as_it_was_written(record: Record) -> None:
    line = encode(record)
    assert line.count(b"\n") == 1
    assert decode(line) == record
    assert line.startswith(ACCEPTED_PREFIX) is isinstance(record, Accepted)


@pytest.mark.parametrize("line", [b"[]", b'{"op": "moon"}', b'{"op": "leak"}', b'{"op": "leak", "at": 1, "x": 2}', b""])
def test_a_line_nobody_wrote_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode(line)


@pytest.mark.parametrize("torn", [b'{"op": "leak", "at"', encode(Leaked(9.0))[:-1], b"\0\0\0\0", b"\0\n"])
def test_a_torn_end_is_cut_and_the_rest_kept(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / LOG_NAME
    whole = encode(Opened(1.0, 1)) + encode(ACCEPTED)
    path.write_bytes(whole + torn)
    book, size = load_book(tmp_path)
    assert (list(book.runs), size) == (["r1"], len(whole))

    async def reopen() -> None:
        journal = Journal(tmp_path, size)
        await journal.append(encode(Leaked(9.0)))
        await journal.close()

    asyncio.run(reopen())
    assert path.read_bytes() == whole + encode(Leaked(9.0))


def test_a_bad_line_before_a_good_one_is_no_torn_end(tmp_path: Path) -> None:
    (tmp_path / LOG_NAME).write_bytes(encode(Opened(1.0, 1)) + b"{}\n" + encode(Leaked(2.0)))
    with pytest.raises(SandboxError, match=r"requests\.jsonl:2: not a line this sandbox wrote") as caught:
        list(replay(tmp_path))
    assert caught.value.exit_code == 65


def test_only_one_server_holds_a_folder(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    with pytest.raises(SandboxError, match="another sandbox serves this folder") as caught:
        hold(tmp_path, wait=0)
    assert caught.value.exit_code == 75
    os.close(holder)
    os.close(hold(tmp_path, wait=0))


def test_appends_that_wait_together_share_an_fsync_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [encode(Leaked(float(number))) for number in range(50)]

    async def append_all() -> int:
        journal = Journal(tmp_path, 0)
        syncs = 0

        def count(descriptor: int) -> None:
            nonlocal syncs
            syncs += 1

        monkeypatch.setattr(os, "fsync", count)
        await asyncio.gather(*(journal.append(line) for line in lines))
        await journal.close()
        return syncs

    assert asyncio.run(append_all()) <= 2
    assert (tmp_path / LOG_NAME).read_bytes() == b"".join(lines)


def test_an_append_is_done_only_after_the_fsync_of_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    async def append_one() -> bool:
        journal = Journal(tmp_path, 0)
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
        await journal.append(encode(Leaked(1.0)))
        done = synced == [len(encode(Leaked(1.0)))]
        await journal.close()
        return done

    assert asyncio.run(append_one())


def test_after_a_failed_write_nothing_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def append_twice() -> None:
        journal = Journal(tmp_path, 0)

        def fail(descriptor: int) -> None:
            raise OSError(28, "no space left")

        monkeypatch.setattr(os, "fsync", fail)
        for _ in range(2):
            with pytest.raises(OSError, match="no space left"):
                await journal.append(encode(Leaked(1.0)))
        await journal.close()

    asyncio.run(append_twice())
