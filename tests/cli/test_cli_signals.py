"""Signals: the first drains, the second leaves, the third exits; a POST on the wire is never left unrecorded."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import sandboxed
from support.sandboxed import Sandbox, Workplace, wait_until
from support.scripted import Scripted


@dataclass(frozen=True, slots=True)
class Adrift:
    """A run that was told twice to end while its POST is on the wire."""

    place: Workplace
    process: subprocess.Popen[str]


@pytest.fixture(scope="module", autouse=True)
def adrift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adrift]:
    """It has five seconds until it gives up, and has them while the other tests run."""
    with Scripted(hold=True) as server:
        place = Workplace.at(tmp_path_factory.mktemp("adrift") / "place", server.origin)
        process = place.start("run", place.manifest(["a fox adrift"]))
        assert server.arrived.wait(sandboxed.PATIENCE_S)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            await_answer(process, "SIGINT")
        yield Adrift(place, process)
        place.close()


def await_answer(process: subprocess.Popen[str], word: str) -> str:
    """Read standard error up to the line that answers a signal."""
    assert process.stderr is not None
    lines = ""
    while word not in lines:
        line = process.stderr.readline()
        assert line, f"no word of {word} in: {lines}"
        lines += line
    return lines


def test_the_first_signal_drains_and_the_same_command_goes_on(place: Workplace, quick: Sandbox) -> None:
    """Three runs at once, each ended by a signal of its own."""
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
    prompts = {number: [f"a fox and a {number.name} {count}" for count in range(8)] for number in codes}
    limits = {"submits_per_second": 2}
    runs = {number: place.start("run", place.manifest(prompts[number], number.name, limits=limits)) for number in codes}
    for number, process in runs.items():
        place.book(number.name).wait_for(process, "submitted")
        process.send_signal(number)
    ended = {number: place.end_of(process) for number, process in runs.items()}

    assert {number: one.code for number, one in ended.items()} == codes
    for number, code in codes.items():
        book, accepted = place.book(number.name), count_accepted(quick, number.name)
        assert number.name in ended[number].err
        assert (book.summary()["in_flight"], book.summary()["exit_code"]) == (0, code)
        assert book.lines()[-1]["exit_code"] == code
        assert 0 < book.count("done") == book.count("submitted") == accepted < 8
    assert place.run("run", place.manifest(prompts[signal.SIGINT], "SIGINT"), "-q").code == 0
    assert count_accepted(quick, "SIGINT") == 8


def count_accepted(server: Sandbox, word: str) -> int:
    """Return how many accepted submissions have this word in their prompt."""
    return sum(word in prompt for prompt in server.accepted_prompts())


def test_a_signal_that_was_ignored_at_the_start_stays_ignored(place: Workplace) -> None:
    manifest = place.manifest([f"a deaf fox {count}" for count in range(3)], limits={"submits_per_second": 5})
    process = place.start("run", manifest, "-q", wrap=["nohup"])
    place.book().wait_for(process, "submitted")
    process.send_signal(signal.SIGHUP)

    assert place.end_of(process).code == 0
    assert place.book().count("done") == 3


def test_the_second_signal_leaves_at_once(place: Workplace, stuck: Sandbox) -> None:
    place.use(stuck.origin)
    before = stuck.accepted()
    process = place.start("run", place.manifest(["a fox that stays"]))
    place.book().wait_for(process, "submitted")
    process.send_signal(signal.SIGINT)
    await_answer(process, "SIGINT")
    process.send_signal(signal.SIGINT)
    ended = place.end_of(process)

    assert ended.code == 130
    assert (place.book().summary()["in_flight"], stuck.accepted() - before) == (1, 1)
    assert "batchgen fetch" in ended.err


def test_the_end_of_grace_leaves_too(place: Workplace, stuck: Sandbox) -> None:
    place.use(stuck.origin)
    process = place.start("run", place.manifest(["a fox in no hurry"]), "--grace", "1s")
    place.book().wait_for(process, "submitted")
    process.send_signal(signal.SIGTERM)

    assert place.end_of(process).code == 143
    assert place.book().summary()["in_flight"] == 1


def test_leaving_posts_nothing_again_when_it_is_collected(place: Workplace, slow: Sandbox) -> None:
    place.use(slow.origin)
    before = slow.accepted()
    manifest = place.manifest(["a fox", "a heron"])
    process = place.start("run", manifest, "--on-interrupt", "leave")
    place.book().wait_for(process, "submitted", 2)
    process.send_signal(signal.SIGINT)
    left = place.end_of(process)

    assert left.code == 130, left.err
    assert (place.book().summary()["in_flight"], place.book().count("done")) == (2, 0)
    again = place.run("run", manifest, "-q")
    assert (again.code, again.err) == (0, "")
    assert (place.book().count("submitting"), place.book().count("done")) == (2, 2)
    assert slow.accepted() - before == 2


def test_cancelling_on_the_way_out_is_truthful_and_what_was_cancelled_is_made_anew(tmp_path: Path) -> None:
    """One slot: the first request runs and cannot be cancelled, the two behind it can."""
    options = ("--service-time", "2", "--service-spread", "0", "--slots", "1")
    with sandboxed.sandbox(tmp_path / "server", *options) as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        manifest = place.manifest(["a fox", "a heron", "an owl"])
        process = place.start("run", manifest, "--on-interrupt", "cancel")
        place.book().wait_for(process, "submitted", 3)
        process.send_signal(signal.SIGINT)
        ended = place.end_of(process)
        summary = place.book().summary()
        cancelled = server.account()["cancelled"]

        assert ended.code == 130, ended.err
        assert 1 <= cancelled <= 2
        assert f"{cancelled} cancelled, 1 could not be" in ended.err
        assert [line["by"] for line in place.book().lines("cancelled")] == ["us"] * cancelled
        assert (summary["in_flight"], summary["new"], summary["cancelled"]) == (1, cancelled, 0)

        server.restart("--service-time", "0.05")
        assert place.run("run", manifest, "-q").code == 0
        assert (server.accepted(), place.book().count("done")) == (3 + cancelled, 3)
        assert server.account()["charged_usd"] == pytest.approx(3 * sandboxed.PRICE)
        place.close()


def test_a_post_on_the_wire_is_awaited_and_written_down(place: Workplace) -> None:
    with Scripted(hold=True) as server:
        place.use(server.origin)
        process = place.start("run", place.manifest(["a fox on its way"]), "--on-interrupt", "leave")
        assert server.arrived.wait(sandboxed.PATIENCE_S)
        process.send_signal(signal.SIGINT)
        await_answer(process, "SIGINT")
        server.release.set()
        ended = place.end_of(process)

        assert ended.code == 130, ended.err
        assert [line["event"] for line in place.book().lines() if "job" in line] == ["submitting", "submitted"]
        again = place.run("run", "m.yaml", "-q")
        assert (again.code, server.posts, place.book().count("done")) == (0, 1, 1)


def test_the_third_signal_exits_at_once_and_the_post_is_unknown_all_the_same(place: Workplace) -> None:
    with Scripted(hold=True) as server:
        place.use(server.origin)
        process = place.start("run", place.manifest(["a fox in a storm"]))
        assert server.arrived.wait(sandboxed.PATIENCE_S)
        for _ in range(2):
            process.send_signal(signal.SIGTERM)
            await_answer(process, "SIGTERM")
        process.send_signal(signal.SIGTERM)
        ended = place.end_of(process)

    assert ended.code == 143
    assert place.run("status", "m.yaml", "--json").json["unknown"] == 1


def test_ctrl_c_while_it_starts_ends_it_without_a_traceback(place: Workplace, stuck: Sandbox) -> None:
    place.use(stuck.origin)
    process = place.start("run", place.manifest(["an early fox"]), "--on-interrupt", "leave")
    wait_until(place.book().path.exists, "a run directory")
    process.send_signal(signal.SIGINT)

    assert place.end_of(process).code == 130


def test_a_post_that_nobody_answers_in_a_hurry_is_unknown(adrift: Adrift) -> None:
    ended, book = adrift.place.end_of(adrift.process), adrift.place.book()

    assert ended.code == 130, ended.err
    assert [line["event"] for line in book.lines() if "job" in line] == ["submitting", "unknown"]
    assert book.summary()["unknown"] == 1
    assert "a fox adrift" in ended.err
