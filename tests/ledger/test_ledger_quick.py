"""The quick fold says of every ledger what the fold of its events says, mistakes included."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from support.histories import ERROR, FILE, JOBS, STARTED, event, histories, line, ordinary, said, story

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


@pytest.mark.parametrize(
    ("spelt", "otherwise"),
    [
        (b'"prompt":"p"', '"prompt":"\u72d0 \\u0000 \\" \\ud83d\\ude00"'.encode()),
        (b'"prompt":"p"', b'"prompt":"\xff"'),
        (b'"prompt":"p"', b'"prompt":"\xed\xa0\x80"'),
        (b'"prompt":"p"', b'"prompt":"\\ud800"'),
        (b'"prompt":"p"', b'"prompt":"\x01"'),
        (b'"prompt":"p"', b'"prompt":"p","x":[01]'),
        (b'"prompt":"p"', b'"prompt":"p","x":NaN'),
        (b'"prompt":"p"', b'"prompt":"p","x":' + b"9" * 400),
        (b'"prompt":"p"', b'"prompt":"p","x":' + b"[" * 3000 + b"]" * 3000),
        (b'"prompt":"p"', b'"prompt":"p","x":{"event":"lost","job":"j","time":7}'),
        (b'"prompt":"p"', b'"prompt":"p","job":"' + b"b" * 32 + b'"'),
        (b'"prompt":"p"', b'"prompt":"p","event":"lost"'),
        (b'"prompt":"p"', b'"prompt":"p","v":2'),
        (b'"prompt":"p"', b'"prompt":"p","attempt":2,"attempt":1'),
        (b'"v":1,', b'"v":2,"v":1,'),
        (b'"v":1,', b' "\\u0076" : 1 ,'),
        (b'"event":"', b'"event":"lost","event":"'),
    ],
)
@pytest.mark.parametrize("words", [["submitting"], ["submitting", "submitted"], ["submitting", "submitted", "done"]])
def test_a_line_that_is_spelt_in_another_way_says_the_same_to_both_folds(
    words: list[str], spelt: bytes, otherwise: bytes, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    for place in range(len(words)):
        some = [line(number, event(word, "a" * 32)) for number, word in enumerate(words)]
        some[place] = some[place].replace(spelt, otherwise, 1)
        log.write_bytes(b"".join(some) + ordinary(2))
        assert said(lambda: replay.load(log)) == said(lambda: fold(replay.read(log)))


def test_a_number_that_is_too_wide_is_damage_unless_nobody_needs_it(tmp_path: Path) -> None:
    """It is JSON, though none that batchgen writes or keeps: what is skipped is only seen to be JSON."""
    log = tmp_path / "log.jsonl"
    lines = [line(number, event(word, "a" * 32)) for number, word in enumerate(["submitting", "submitted", "done"])]
    begun = lines[0].replace(b'"tags":{}', b'"tags":{"x":1e999}')
    log.write_bytes(begun + lines[1] + lines[2])
    assert len(replay.load(log).jobs.packed) == 1
    log.write_bytes(begun + lines[1])
    with pytest.raises(LedgerError, match=r"log\.jsonl:1: not a line"):
        replay.load(log)


def test_an_odd_job_does_not_send_the_others_the_long_way(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    done = event("done", "f" * 32, files=[FILE, {**FILE, "path": "images/a_2.png"}])
    odd = [
        event("submitting", "f" * 32),
        event("submitted", "f" * 32),
        done,
        {**done, "event": "failed", "error": ERROR},
    ]
    log.write_bytes(ordinary(600) + b"".join(line(2, one) for one in odd))
    state = replay.load(log)
    assert (len(state.jobs.packed), list(state.jobs.loose)) == (600, ["f" * 32])


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
