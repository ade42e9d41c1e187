"""A monitor hears that a run began and how it ended, never the token or a prompt, and can do a run no harm."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from support.monitor import Monitor, monitor
from support.sandboxed import TOKEN, Workplace

from batchgen import errors
from batchgen.cli import ping
from batchgen.cli.ping import Watch, address, watched


@pytest.fixture
def watching(place: Workplace) -> Iterator[Monitor]:
    with monitor() as here:
        place.environment["BATCHGEN_PING_URL"] = here.url
        yield here


def test_start_and_success_carry_one_id_and_the_summary_and_no_secret(place: Workplace, watching: Monitor) -> None:
    ended = place.run("run", place.manifest(["a watched fox"]), "-q")

    assert (ended.code, ended.err) == (0, "")
    start, end = watching.heard
    assert (start.path, start.body, end.path) == ("/start", None, "")
    assert start.rid == end.rid
    known = {key: value for key, value in place.book().summary().items() if key not in ("finished", "duration_s")}
    assert {key: end.body[key] for key in known} == known
    assert (end.body["goes_on"], end.body["done"], end.body["exit_code"]) == (True, 1, 0)
    for heard in watching.heard:
        assert TOKEN not in heard.whole
        assert "watched fox" not in heard.whole


@pytest.mark.parametrize(
    ("prompts", "words", "code", "path"),
    [
        (["a fox [sandbox:fail]"], [], 1, "/1"),
        (["a fox at the limit", "a heron at the limit"], ["--max-jobs", "1"], 3, ""),
        (["a fox without money"], ["--max-cost", "0.01"], 3, "/3"),
    ],
    ids=["failed", "goes on by itself", "waits for a person"],
)
def test_a_limit_that_the_next_run_goes_on_from_is_a_success_and_all_else_a_failure(
    place: Workplace, watching: Monitor, prompts: list[str], words: list[str], code: int, path: str
) -> None:
    ended = place.run("run", place.manifest(prompts), "-q", *words)

    assert ended.code == code, ended.err
    assert watching.paths() == ["/start", path]


def test_a_run_that_cannot_begin_is_a_failure_without_a_start(place: Workplace, watching: Monitor) -> None:
    ended = place.run("run", place.manifest(["a fox"], grid={"no_such_input": [1]}), "-q")

    assert ended.code == 65
    assert [(one.path, one.body) for one in watching.heard] == [("/65", {"exit_code": 65, "goes_on": False})]


def test_a_run_that_is_skipped_says_nothing_and_fetch_is_watched_too(place: Workplace, watching: Monitor) -> None:
    """The run that holds the directory speaks for itself; what a second one said would hide that it hangs."""
    manifest = place.manifest([f"a fox {number}" for number in range(5)], limits={"submits_per_second": 2})
    first = place.start("run", manifest, "-q")
    place.book().wait_for(first, "submitted")
    skipped = place.run("run", manifest, "-q", "--if-running", "skip")
    heard = watching.paths()
    assert (skipped.code, skipped.err) == (0, "")
    assert heard in (["/start"], ["/start", ""])
    assert place.end_of(first).code == 0
    assert watching.paths() == ["/start", ""]
    assert place.run("fetch", "runs/m", "-q").code == 0
    assert watching.paths() == ["/start", "", "/start", ""]
    assert watching.heard[-1].body["command"] == "fetch"


def test_a_monitor_that_is_away_is_named_and_changes_nothing(place: Workplace) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place.environment["BATCHGEN_PING_URL"] = f"http://127.0.0.1:{nobody.getsockname()[1]}/secret-check"
        ended = place.run("run", place.manifest(["an unwatched fox"]), "-q")

    assert ended.code == 0
    assert ended.err.splitlines() == [
        "warning: the ping could not be delivered (ConnectionRefusedError); look at BATCHGEN_PING_URL"
    ]


def test_an_address_on_the_command_line_is_not_kept(place: Workplace) -> None:
    with monitor() as here:
        ended = place.run("run", place.manifest(["a fox", "a heron"]), "--ping", here.url, "--max-jobs", "1")

        assert (ended.code, here.paths()) == (3, ["/start", ""])
        assert "--max-jobs 1" in ended.err
        assert "/check" not in ended.err + place.book().log.read_text("utf-8")


def test_a_bad_address_is_not_shown(place: Workplace) -> None:
    place.environment["BATCHGEN_PING_URL"] = "http://hc-ping.example/secret-check"
    ended = place.run("run", place.manifest(["a fox"]), "-q")

    assert ended.code == 64
    assert "https" in ended.err
    assert "secret" not in ended.err


def test_a_monitor_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        watch = Watch(address(f"http://127.0.0.1:{deaf.getsockname()[1]}/check"), patience=0.2)
        watch.began()

        assert watch.ended(0) == "no answer in time"


@pytest.mark.parametrize(
    ("answers", "paths", "problem"),
    [
        ([500, 429, 200], ["/1", "/1", "/1"], ""),
        ([503, 503, 503, 503], ["/1", "/1", "/1"], "HTTP 503"),
        ([404], ["/1"], "HTTP 404"),
        ([302], ["/1"], "HTTP 302"),
    ],
)
def test_a_ping_is_repeated_only_where_that_may_help(
    monkeypatch: pytest.MonkeyPatch, answers: list[int], paths: list[str], problem: str
) -> None:
    monkeypatch.setattr(ping, "PAUSE_S", 0.01)
    with monitor(answers) as here:
        assert Watch(address(here.url)).ended(1) == problem
        assert here.paths() == paths


def test_an_end_does_not_wait_for_a_start_that_is_still_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "PAUSE_S", 600.0)
    with monitor([500]) as here:
        watch = Watch(address(here.url))
        watch.began()
        watch.hear({"goes_on": True})

        assert watch.ended(0) == ""
        assert here.paths() == ["/start", ""]


def test_every_way_to_end_is_told() -> None:
    """By the code that the command exits with; an error that nobody expected too."""
    endings: list[tuple[BaseException, str]] = [
        (errors.LockedError("held"), "/75"),
        (errors.TokenError("none"), "/77"),
        (OSError("disk"), "/73"),
        (KeyboardInterrupt(), "/130"),
        (ZeroDivisionError(), "/1"),
    ]
    with monitor() as here:
        for problem, _ in endings:
            with pytest.raises(type(problem)):
                watched(Watch(address(here.url)), _raising(problem))
        assert here.paths() == [path for _, path in endings]


def _raising(problem: BaseException) -> ping.Work:
    def work() -> int:
        raise problem

    return work


@pytest.mark.parametrize(
    ("url", "sound"),
    [
        ("https://hc-ping.com/5f3c", True),
        ("https://monitor.example:8443/ping/key/slug?create=1", True),
        ("http://127.0.0.1:8000/x", True),
        ("http://[::1]:8000/x", True),
        ("http://localhost/x", True),
        ("http://hc-ping.com/5f3c", False),
        ("http://127.0.0.1.example/x", False),
        ("ftp://hc-ping.com/x", False),
        ("hc-ping.com/x", False),
        ("https://user:secret@monitor.example/x", False),
        ("https://", False),
        ("https://a b/", False),
        ("https://a/x\r\nHost: b", False),
        ("https://a:99999/", False),
        ("", False),
    ],
)
def test_pings_go_over_https_or_stay_on_this_machine(url: str, sound: bool) -> None:
    if sound:
        address(url)
    else:
        with pytest.raises(ValueError, match="https") as caught:
            address(url)
        assert "secret" not in str(caught.value)


def test_an_address_keeps_its_query() -> None:
    with monitor() as here:
        assert Watch(address(f"{here.url}?create=1")).ended(4) == ""
        assert here.heard[0].whole.startswith(f"/check/4?create=1&rid={here.heard[0].rid}\n")
