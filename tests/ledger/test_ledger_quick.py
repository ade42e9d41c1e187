"""The quick fold says of every ledger what the fold of its events says, mistakes included."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from support.histories import JOBS, STARTED, event, histories, line, ordinary, said, story

from batchgen.errors import LedgerError
from batchgen.ledger import replay
from batchgen.state import fold


@pytest.mark.parametrize("chunk", [200, 1 << 16])
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content=story("submitting", "submitted", "done", "submitting"))
@example(content=story("submitting", "submitted", "done", request_id=None))
@given(content=histories())
def test_the_quick_fold_is_the_fold_of_the_events(
    content: bytes, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_CHUNK", chunk)
    log = tmp_path / "log.jsonl"
    log.write_bytes(content)

    quick, plain = said(lambda: replay.load(log)), said(lambda: fold(replay.read(log)))

    assert quick == plain


def test_ordinary_jobs_are_packed(tmp_path: Path) -> None:
    """Otherwise nothing above would tell the two ways apart."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(ordinary(1000) + line(3, event("submitting", "f" * 32)))
    state = replay.load(log)
    assert (len(state.jobs.packed), len(state.jobs.loose)) == (1000, 1)


def test_a_pass_tells_how_far_the_ledger_is_whole_either_way(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    for odd in (b"", line(4, event("submitted", JOBS[1], attempt=1.5))):
        for tail in (b"", b"torn", b'{"v":1,"event":"teleported"}'):
            log.write_bytes(ordinary(30) + odd.replace(b"1.5", b"1") + tail)
            descriptor = os.open(log, os.O_RDONLY)
            found = replay.Replay(descriptor, log)
            found.fold()
            again = replay.Replay(os.open(log, os.O_RDONLY), log)
            list(again)
            assert (found.whole, found.size, found.ended) == (again.whole, again.size, again.ended)
            assert found.size == log.stat().st_size
            os.close(descriptor)


def test_lines_that_are_json_only_together_are_not_taken_for_lines(tmp_path: Path) -> None:
    """Two objects in a line and one over two lines are as many as there are lines."""
    log = tmp_path / "log.jsonl"
    two = b'{"v":1,"event":"x"},{"v":1,"event":"x"}\n'
    torn = b'{"v":1,"event":"x","y":[1\n2]}\n'
    log.write_bytes(two + torn + line(1, STARTED))
    with pytest.raises(LedgerError, match=r"log\.jsonl:1: not a line"):
        replay.load(log)
