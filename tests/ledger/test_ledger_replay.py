"""Reading back stops at the last whole line, and refuses what no crash leaves."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from batchgen import events
from batchgen.errors import LedgerError
from batchgen.ledger import lines, replay

TIME = "2026-01-02T03:04:05.678Z"


def line(number: int) -> bytes:
    return lines.encode(events.Lost(time=TIME, job=f"{number:032x}", attempt=1, request_id=f"r{number}"))


def ids(path: Path) -> list[str]:
    return [event.request_id for event in replay.read(path) if isinstance(event, events.Lost)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1) + line(2))
    return path


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"{",
        line(3)[:-2],
        b"\0" * 5000,
        b"garbage\n",
        b"\n",
        b"a\nb\nc",
        b'{"v":1}\n',
        b"7",
        line(3)[:9] + b"\0\0\n",
    ],
)
def test_readers_stop_at_the_last_whole_line(log: Path, tail: bytes) -> None:
    log.write_bytes(log.read_bytes() + tail)
    assert ids(log) == ["r1", "r2"]


@pytest.mark.parametrize("after", [b"", b"\0", b"\0" * 5000])
def test_a_last_line_without_its_newline_is_whole_if_it_parses(log: Path, after: bytes) -> None:
    log.write_bytes(log.read_bytes() + line(3)[:-1] + after)
    assert ids(log) == ["r1", "r2", "r3"]


@pytest.mark.parametrize("bad", [b"garbage\n", b"\n", b"\0\0\0\n", line(9)[:20] + b"\n", b"[1]\n"])
@pytest.mark.parametrize("last", [line(3), line(3)[:-1]])
def test_a_bad_line_with_a_good_one_after_it_is_named(log: Path, bad: bytes, last: bytes) -> None:
    log.write_bytes(log.read_bytes() + bad + b"more\n" + last)
    with pytest.raises(LedgerError, match=r"log\.jsonl:3: not a line of a ledger .*put the file back"):
        ids(log)


def test_an_event_that_is_not_as_its_word_promises_is_named_even_at_the_end(log: Path) -> None:
    """It is whole JSON, so no crash made it; cutting it off could lose a paid request."""
    log.write_bytes(log.read_bytes() + b'{"v":1,"event":"submitted","time":"t","job":"j","attempt":"one"}\n')
    with pytest.raises(LedgerError, match=r'log\.jsonl:3: "attempt" of a "submitted" event is not readable'):
        ids(log)


def test_unknown_words_are_skipped(log: Path) -> None:
    log.write_bytes(line(1) + b'{"v":1,"event":"teleported"}\n' + line(2))
    assert ids(log) == ["r1", "r2"]


def test_readers_read_what_they_know_of_a_newer_format(log: Path) -> None:
    newer = line(3).replace(b'"v":1', b'"v":2')
    log.write_bytes(log.read_bytes() + newer + b'{"v":2,"event":"lost","shape":"new"}\n')
    assert ids(log) == ["r1", "r2", "r3"]


def test_a_newer_format_is_refused_for_writing(log: Path) -> None:
    log.write_bytes(log.read_bytes() + line(3).replace(b'"v":1', b'"v":2'))
    descriptor = os.open(log, os.O_RDONLY)
    with pytest.raises(LedgerError, match=r"log\.jsonl:3: format 2, this batchgen writes 1"):
        list(replay.Replay(descriptor, log, writing=True))
    os.close(descriptor)


@pytest.mark.parametrize("content", [b"name,prompt\n", b'{"level":"info"}\n{"level":"warn"}\n'])
def test_somebody_elses_file_is_not_taken_for_a_torn_end(log: Path, content: bytes) -> None:
    log.write_bytes(content)
    with pytest.raises(LedgerError, match=r"log\.jsonl:\d: not a line .*nor is any other"):
        ids(log)


@pytest.mark.parametrize("content", [b"", b"{", line(1)[:30], b"\0" * 40, b"\0" * 40 + b"\n"])
def test_a_first_line_that_a_crash_tore_is_an_empty_ledger(log: Path, content: bytes) -> None:
    log.write_bytes(content)
    assert ids(log) == []


def test_a_line_of_unbelievable_length_is_refused(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 1000)
    log.write_bytes(log.read_bytes() + b"x" * 3_000_000)
    with pytest.raises(LedgerError, match="64 MiB"):
        ids(log)


def test_a_ledger_that_is_not_there_or_not_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(line(1))
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    expected = {"none": "is not there", "link": "symbolic link", "folder": "regular file", "pipe": "regular file"}
    for name, message in expected.items():
        with pytest.raises(LedgerError, match=f"{name}: .*{message}"):
            list(replay.read(tmp_path / name))


def test_loading_folds_lines_across_chunks_in_flat_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.jsonl"
    with log.open("wb") as file:
        for _ in range(4000):
            file.write(line(7))
    monkeypatch.setattr(replay, "_CHUNK", 4096)
    tracemalloc.start()
    state = replay.load(log)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(state.jobs) == 1
    assert peak < log.stat().st_size / 4
