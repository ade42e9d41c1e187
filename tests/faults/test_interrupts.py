"""Signals once, twice and three times at every stage of the real command: no unknown is made by our own hand."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.sandboxed import Ended, Workplace, wait_until
from support.staged import Staged

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
NONE: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Case:
    """A stage to be interrupted in, how, and what is left: the words of the only job's events, and further POSTs.

    `released` says whether the server goes on after the signals.
    """

    stage: str
    signals: int
    words: str
    released: bool = False
    options: tuple[str, ...] = ()
    number: signal.Signals = signal.SIGINT


LEAVE, NOW = ("--on-interrupt", "leave"), ("--grace", "0")
CASES = [
    Case("models", 1, ""),
    Case("submit", 1, "submitting submitted", released=True, options=LEAVE),
    Case("submit", 1, "submitting submitted done", released=True),
    Case("submit", 1, "submitting submitted", released=True, options=NOW, number=signal.SIGTERM),
    Case("submit", 1, "submitting submitted", released=True, options=("--on-interrupt", "cancel")),
    Case("submit", 2, "submitting submitted", released=True, number=signal.SIGHUP),
    Case("submit", 2, "submitting unknown"),
    Case("submit", 3, "submitting", number=signal.SIGTERM),
    Case("status", 1, "submitting submitted done", released=True, number=signal.SIGHUP),
    Case("status", 1, "submitting submitted", options=("--grace", "1s")),
    Case("status", 1, "submitting submitted", options=LEAVE, number=signal.SIGTERM),
    Case("status", 2, "submitting submitted"),
    Case("result", 1, "submitting submitted", options=NOW),
    Case("file", 1, "submitting submitted done", released=True),
    Case("file", 1, "submitting submitted", options=("--grace", "1s"), number=signal.SIGHUP),
    Case("file", 2, "submitting submitted", number=signal.SIGTERM),
]


@contextmanager
def interrupted(place: Workplace, case: Case) -> Iterator[tuple[Staged, Ended]]:
    """Run a batch of one up to the stage, interrupt it, and yield what is left, with the server going on."""
    with Staged(case.stage) as server:
        place.environment["RUNCOMFY_MODEL_API_BASE"] = server.origin
        pricing = {} if case.stage == "models" else {"base_usd": 0.06}
        process = place.start("run", place.manifest(["a fox"], pricing=pricing), *case.options)
        assert server.arrived.wait(30)
        for _ in range(case.signals):
            process.send_signal(case.number)
            wait_for_word(process, case.number.name)
        if case.released:
            server.release.set()
        ended = place.end_of(process)
        server.stage = ""
        server.release.set()
        yield server, ended


def wait_for_word(process: subprocess.Popen[str], word: str) -> None:
    """Read standard error up to the line that answers a signal, or to its end."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """An empty folder."""
    here = Workplace.at(tmp_path / "place", "http://127.0.0.1:9", PYTHONPATH=str(Path(__file__).parents[1]))
    yield here
    here.close()


def words(place: Workplace) -> str:
    """Return the events of the only job."""
    return " ".join(line["event"] for line in place.book().lines() if "job" in line)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.stage}-{case.signals}-{case.number.name}{'-'.join(('', *case.options[1:]))}"
)
def test_an_interruption_leaves_what_can_be_gone_on_with(place: Workplace, case: Case) -> None:
    """The exit code is the signal's; the same command goes on, and what the server took is paid for once."""
    with interrupted(place, case) as (server, ended):
        assert ended.code == CODES[case.number], ended.err
        assert words(place) == case.words
        taken = len(server.taken)
        again = place.run("run", "m.yaml", "-q")
        if case.words.split()[-1:] in (["unknown"], ["submitting"]):
            assert (again.code, len(server.taken)) == (4, taken)
        else:
            assert (again.code, len(server.taken), place.book().count("done")) == (0, 1, 1), again.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_before_the_first_post_ends_by_that_signal(place: Workplace, number: signal.Signals) -> None:
    """Nothing was begun: the system's own end of the process is as good as ours."""
    with Staged("models") as server:
        place.environment["RUNCOMFY_MODEL_API_BASE"] = server.origin
        process = place.start("run", place.manifest(["a fox"], pricing=NONE))
        assert server.arrived.wait(30)
        process.send_signal(number)
        assert place.end_of(process).code in (-number, CODES[number])
        assert (words(place), server.taken) == ("", [])


@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_during_the_final_writes_changes_nothing_that_was_made(place: Workplace, signals: int) -> None:
    """The batch was done: whatever the code says, the ledger is complete and the same command finds nothing to do."""
    with Staged() as server:
        place.environment["RUNCOMFY_MODEL_API_BASE"] = server.origin
        flag = place.folder / "flag"
        wrap = [sys.executable, "-m", "support.bent", json.dumps({"hold_summary": str(flag)})]
        process = place.start("run", place.manifest(["a fox"]), wrap=wrap)
        wait_until(flag.exists, "the summary")
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
        flag.unlink()
        ended = place.end_of(process)
        assert ended.code in (0, 130), ended.err
        assert words(place) == "submitting submitted done"
        assert place.book().lines()[-1]["event"] == "run_finished"
        assert place.run("run", "m.yaml", "-q").code == 0
        assert len(server.taken) == 1
