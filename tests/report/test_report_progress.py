"""Progress while a run goes on: what is shown, how often, and that no stream can end a run."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
from collections.abc import Callable
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.story import Story, is_safe

from batchgen import events
from batchgen.events import News
from batchgen.report import bar, messages, progress, words
from batchgen.report.bar import Bar
from batchgen.report.progress import JsonLines, Lines, Progress, Silent, pick
from batchgen.report.tally import WINDOW, Tally
from batchgen.report.words import results, waiting

HOSTILE = "\x1b[2J\x1b]0;pwn\x07\r\n\u202efox\u2028{facts}%s\ud800"


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Broken(io.StringIO):
    """A stream whose reader has gone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.tries = 0

    def write(self, text: str) -> int:
        self.tries += 1
        raise self.error


def lines_of(story: Story, *, verbose: bool = False, clock: Clock | None = None) -> tuple[Lines, io.StringIO]:
    stream = io.StringIO()
    listener = Lines(story.state, stream, clock or Clock(), verbose=verbose)
    story.listeners.append(listener)
    return listener, stream


def test_lines_tell_a_small_run_from_start_to_end() -> None:
    story, clock = Story(), Clock()
    story.start(new=4, done=6, failed=2)
    listener, stream = lines_of(story, clock=clock)
    listener.start()
    clock.now += 10
    story.done(1)
    clock.now += 10
    story.failed(2)
    story.unknown(3)
    clock.now += 10
    story.submitted(4)
    listener.close()
    listener.close()
    assert stream.getvalue().splitlines() == [
        "started: 4 jobs to do; 6 done before",
        "1 of 4: 1 done, 3 queued; 6.0/min; about 30 s left; committed $0.08",
        "failed: 00002_fox: content_policy (run): refused by moderation",
        "2 of 4: 1 done, 1 failed, 2 queued; 6.0/min; about 20 s left; committed $0.16",
        "unknown: 00003_fox: may be accepted and paid for; timeout (submit): no answer",
        "3 of 4: 1 done, 1 failed, 1 unknown, 1 queued; 9.0/min; about 7 s left; committed $0.24",
        "ended after 30 s: 1 done, 1 failed, 1 unknown, 1 in flight",
    ]


def test_lines_say_nothing_of_cost_where_no_price_is_known() -> None:
    story, clock = Story(), Clock()
    story.start(new=2)
    listener, stream = lines_of(story, clock=clock)
    listener.start()
    clock.now += 1
    story.done(1, cost=None, price=None)
    assert stream.getvalue().splitlines()[-1] == "1 of 2: 1 done, 1 queued; 1.0/s; about 1 s left"


def test_lines_are_at_most_one_for_each_tenth_of_a_quick_run() -> None:
    story = Story()
    story.start(new=1000)
    listener, stream = lines_of(story)
    listener.start()
    for number in range(1000):
        story.done(number)
    listener.close()
    assert len(stream.getvalue().splitlines()) == 11


def test_lines_come_every_interval_while_nothing_ends() -> None:
    story, clock = Story(), Clock()
    story.start(new=8)
    listener, stream = lines_of(story, clock=clock)
    listener.start()
    story.submitted(1)
    for _ in range(120):
        clock.now += 1
        listener.tick()
    assert stream.getvalue().splitlines()[1:] == ["0 of 8: 0 done, 1 in flight, 7 queued; committed $0.08"] * 4


def test_trouble_of_one_kind_is_listed_twenty_times_then_counted() -> None:
    story = Story()
    story.start(new=100)
    listener, stream = lines_of(story)
    listener.start()
    for number in range(50):
        story.failed(number)
    for number in range(50, 55):
        story.failed(number, kind="timeout")
    listener.close()
    shown = stream.getvalue().splitlines()
    assert sum("content_policy (run)" in line for line in shown) == messages.LIMIT
    assert sum("timeout (run)" in line for line in shown) == 5
    note = "failed (content_policy): more of these; from here on they are counted, not listed"
    assert shown.count(note) == 1
    assert "55 failed" in shown[-1]


def test_verbose_lines_follow_each_job() -> None:
    story = Story()
    story.start(new=3)
    listener, stream = lines_of(story, verbose=True)
    story.refused(2, delay=5)
    story.done(1)
    story.tell(News("retry", "502 Bad Gateway", f"{1:032x}"))
    story.tell(News("queue", "queue position 7", f"{1:032x}"))
    story.cancelled(3, by="us")
    listener.close()
    assert stream.getvalue().splitlines() == [
        "refused: 00002_fox: rate_limit (submit): too many requests; again in 5 s",
        "submitted: 00001_fox: request r1",
        "done: 00001_fox: images/00001_fox.png",
        "retry: 00001_fox: 502 Bad Gateway",
        "submitted: 00003_fox: request r3",
        "cancelled: 00003_fox",
    ]


def test_without_verbose_only_trouble_and_news_of_the_run_are_told() -> None:
    story = Story()
    story.start(new=9)
    _, stream = lines_of(story)
    story.refused(2, delay=5)
    story.done(1)
    story.tell(News("retry", "502 Bad Gateway", f"{1:032x}"))
    story.tell(News("stopping", "waiting 30 s for 1 request"))
    story.tell(News("missing", "00001_fox: its files are gone", f"{1:032x}"))
    story.lost(3)
    story.cancelled(4)
    assert stream.getvalue().splitlines() == [
        "stopping: waiting 30 s for 1 request",
        "missing: 00001_fox: its files are gone",
        "lost: 00003_fox: the server no longer knows request r3",
        "cancelled: 00004_fox: by the server",
    ]


@pytest.mark.parametrize("mode", progress.MODES)
def test_a_paid_request_id_that_could_not_be_written_is_told_whole_by_every_listener(mode: str) -> None:
    story, stream = Story(), io.StringIO()
    listener = pick(mode, story.state, stream, Clock(), quiet=True, environ={"TERM": "xterm"})
    request = "r" * 500
    for _ in range(messages.LIMIT + 5):
        listener(News("unwritten", f"job 1 is paid for as request {request}", "1"))
    assert stream.getvalue().count(request) == messages.LIMIT + 5


@pytest.mark.parametrize("make", [Lines, lambda *args: Bar(*args, redraw=0.0)])
def test_an_unwritten_request_id_is_told_whole_beside_progress(make: Callable[..., Progress]) -> None:
    story, stream = Story(), io.StringIO()
    story.start(new=1)
    listener = make(story.state, stream, Clock())
    listener.start()
    listener(News("unwritten", "request " + "r" * 500))
    listener.close()
    assert "unwritten: request " + "r" * 500 in stream.getvalue()


def test_json_lines_are_the_ledgers_records_and_news() -> None:
    story, stream = Story(), io.StringIO()
    story.listeners.append(JsonLines(stream))
    story.start(new=1)
    story.done(1)
    story.tell(News("queue", "position 3", "j"))
    story.tell(News("stopping", "bye"))
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [record["event"] for record in records] == ["run_started", "submitting", "submitted", "done", "news", "news"]
    assert records[3]["cost_usd"] == 0.08
    assert isinstance(events.from_record(records[3]), events.Done)
    assert records[4] == {"v": 1, "event": "news", "kind": "queue", "text": "position 3", "job": "j"}
    assert records[5] == {"v": 1, "event": "news", "kind": "stopping", "text": "bye"}


def bar_of(story: Story, clock: Clock, width: int = 80) -> tuple[Bar, io.StringIO]:
    stream = io.StringIO()
    listener = Bar(story.state, stream, clock, redraw=0.0, width=lambda: width)
    story.listeners.append(listener)
    return listener, stream


def last_drawing(stream: io.StringIO) -> str:
    return stream.getvalue().rsplit("\r", 1)[-1].strip()


def test_the_bar_counts_this_runs_jobs_only() -> None:
    story, clock = Story(), Clock()
    story.start(new=10, done=90)
    listener, stream = bar_of(story, clock, width=120)
    listener.start()
    assert last_drawing(stream).endswith("0/10 done, 10 queued")
    clock.now += 4
    story.done(1)
    story.done(2)
    story.submitted(3)
    shown = last_drawing(stream)
    assert shown.startswith("20% ")
    assert shown.endswith(" 2/10 done, 1 in flight, 7 queued, 30/min, 16 s left, $0.24")


def test_messages_stand_on_their_own_lines_above_the_bar() -> None:
    story = Story()
    story.start(new=4)
    listener, stream = bar_of(story, Clock())
    listener.start()
    story.failed(1, message="the server's words " * 20)
    listener.close()
    rows = [row.rsplit("\r", 1)[-1] for row in stream.getvalue().split("\n")]
    assert rows[0].startswith("failed: 00001_fox: content_policy (run): the server's words")
    assert len(rows[0]) == 79
    assert rows[1:] == [""], "the bar is taken away at the end"


@pytest.mark.parametrize("columns", [5, 20, 40, 80, 120, 200])
def test_the_bar_never_reaches_the_edge_of_the_terminal(columns: int) -> None:
    story, clock = Story(), Clock()
    story.start(new=65_536)
    listener, stream = bar_of(story, clock, columns)
    listener.start()
    clock.now += 3600
    story.unknown(1)
    story.failed(2)
    for number in range(3, 20):
        story.done(number)
    drawn = [part for part in stream.getvalue().split("\r") if part.strip() and "\n" not in part]
    assert drawn
    assert {len(part) for part in drawn} == {columns - 1}


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (90, "1/50 done, 1 failed, 1 unknown, 2 in flight, 45 queued, 6.0/min, 8 min left, $0.40"),
        (80, "1/50 done, 1 failed, 1 unknown, 2 in flight, 45 queued, 8 min left, $0.40"),
        (65, "1/50 done, 1 failed, 1 unknown, 2 in flight, 8 min left, $0.40"),
        (50, "1/50 done, 1 failed, 1 unknown, 8 min left, $0.40"),
        (45, "1/50 done, 1 failed, 1 unknown, 8 min left"),
    ],
)
def test_a_narrow_bar_leaves_out_what_tells_least(room: int, shown: str) -> None:
    story, clock = Story(), Clock()
    story.start(new=50)
    tally = Tally(story.state, clock)
    tally.start()
    story.listeners.append(tally.take)
    clock.now += 30
    story.done(1)
    story.failed(2)
    story.unknown(3)
    story.submitted(4)
    story.submitted(5)
    assert bar.facts(tally, room) == shown


def test_the_bar_redraws_now_and_then_only() -> None:
    story, stream = Story(), io.StringIO()
    story.start(new=5000)
    listener = Bar(story.state, stream, Clock(), redraw=3600.0)
    story.listeners.append(listener)
    listener.start()
    for number in range(500):
        story.done(number)
    assert stream.getvalue().count("%") == 1


def test_a_bar_with_nothing_to_do_draws_nothing() -> None:
    story = Story()
    story.start(done=3)
    listener, stream = bar_of(story, Clock())
    listener.start()
    listener.close()
    assert stream.getvalue() == ""


def test_a_picture_that_is_gone_here_and_at_the_server_is_an_end() -> None:
    """No event tells of it: the job is as done as before, and waits for nothing."""
    story = Story()
    story.start(done=1)
    tally = Tally(story.state, Clock())
    tally.start(1)
    story.listeners.append(tally.take)
    story.tell(News("missing", "00001_fox: its files are gone", f"{1:032x}"))
    assert (tally.total_ended, tally.queued) == (1, 0)
    assert [*results(tally), *waiting(tally)] == ["0 done", "1 missing"]


def test_time_left_is_unknown_until_something_ended() -> None:
    story, clock = Story(), Clock()
    story.start(new=10, done=1000)
    tally = Tally(story.state, clock)
    tally.start()
    story.listeners.append(tally.take)
    clock.now += 60
    story.submitted(1)
    assert (tally.rate, tally.seconds_left) == (None, None)
    story.done(1)
    assert tally.seconds_left == 540


def test_time_left_follows_the_latest_jobs_and_grows_while_nothing_ends() -> None:
    story, clock = Story(), Clock()
    story.start(new=1000)
    tally = Tally(story.state, clock)
    tally.start()
    story.listeners.append(tally.take)
    for number in range(300):
        clock.now += 10
        story.done(number)
    for number in range(300, 300 + WINDOW):
        clock.now += 1
        story.done(number)
    assert tally.rate == pytest.approx(1.0)
    clock.now += 500
    assert tally.rate is not None
    assert tally.rate < 0.3


def test_the_total_is_what_this_run_works_on() -> None:
    story = Story()
    story.submitted(1)
    story.start(new=3, failed=4, done=5, unlisted=(f"{1:032x}",))
    tally = Tally(story.state, Clock())
    tally.start()
    assert (tally.todo, tally.in_flight, tally.queued) == (4, 1, 3)
    tally.start(todo=8)
    story.listeners.append(tally.take)
    story.done(1)
    assert (tally.todo, tally.in_flight, tally.queued) == (8, 0, 7)


def test_a_total_that_was_too_small_grows() -> None:
    story = Story()
    story.start(new=5)
    tally = Tally(story.state, Clock())
    tally.start(todo=1)
    story.listeners.append(tally.take)
    story.done(1)
    story.done(2)
    assert (tally.todo, tally.total_ended, tally.queued) == (2, 2, 0)


GONE: list[Callable[[], Exception]] = [
    BrokenPipeError,
    lambda: OSError(errno.EIO, "gone"),
    lambda: OSError(errno.ENOSPC, "full"),
    lambda: ValueError("I/O operation on closed file"),
]


@pytest.mark.parametrize("mode", progress.MODES)
@pytest.mark.parametrize("error", GONE)
def test_a_stream_that_fails_is_not_written_to_again(mode: str, error: Callable[[], Exception]) -> None:
    story, stream = Story(), Broken(error())
    story.start(new=40)
    listener = pick(mode, story.state, stream, Clock(), verbose=True, environ={"TERM": "xterm"})
    story.listeners.append(listener)
    listener.start()
    for number in range(30):
        story.failed(number)
    listener.close()
    assert stream.tries <= 1


@pytest.mark.parametrize("mode", progress.MODES)
def test_a_closed_or_absent_stream_is_borne(mode: str) -> None:
    closed = io.StringIO()
    closed.close()
    streams: tuple[TextIO | None, ...] = (closed, None)
    for stream in streams:
        story = Story()
        story.start(new=2)
        listener = pick(mode, story.state, stream, Clock(), environ={"TERM": "xterm"})
        story.listeners.append(listener)
        listener.start()
        story.done(1)
        story.failed(2)
        listener.close()


@pytest.mark.parametrize("mode", ["bar", "lines", "json"])
def test_a_pipe_whose_reader_left_is_borne(mode: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    story = Story()
    story.start(new=2)
    with os.fdopen(os.dup(writing), "w", buffering=1) as stream:
        listener = pick(mode, story.state, stream, Clock(), environ={})
        story.listeners.append(listener)
        listener.start()
        story.failed(1)
        listener.close()
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), stream.fileno())
    os.close(writing)


@given(
    mode=st.sampled_from(["bar", "lines", "json"]),
    foreign=st.text(max_size=300) | st.just(HOSTILE),
    encoding=st.sampled_from(["utf-8", "ascii"]),
    verbose=st.booleans(),
)
def test_nothing_hostile_reaches_the_stream(mode: str, foreign: str, encoding: str, verbose: bool) -> None:
    story = Story()
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    story.start(name=foreign, new=9)
    listener = pick(mode, story.state, stream, Clock(), verbose=verbose, environ={"TERM": "xterm"})
    story.listeners.append(listener)
    listener.start()
    story.failed(1, kind=foreign or "x", message=foreign, prompt=foreign)
    story.unknown(2, prompt=foreign, message=foreign)
    story.refused(3, message=foreign)
    story.tell(News("warning", foreign))
    story.tell(News("unwritten", foreign))
    story.tell(News(foreign, foreign, foreign))
    listener.close()
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    shown = raw.getvalue().decode()
    assert is_safe(shown.replace("\r", "").replace("\n", ""))
    assert len(shown.splitlines()) < 40


def test_a_character_the_stream_cannot_encode_does_not_silence_it() -> None:
    story = Story()
    story.start(new=2)
    raw = io.BytesIO()
    story.listeners.append(Lines(story.state, io.TextIOWrapper(raw, encoding="ascii", write_through=True), Clock()))
    story.failed(1, message="赤い狐")
    story.failed(2, message="a red fox")
    shown = raw.getvalue().decode("ascii").splitlines()
    assert shown[0].endswith(r"\u8d64\u3044\u72d0")
    assert shown[1].endswith("a red fox")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("mode", "terminal", "term", "quiet", "kind"),
    [
        ("auto", True, "xterm", False, Bar),
        ("auto", True, "dumb", False, Lines),
        ("auto", True, None, False, Lines),
        ("auto", False, "xterm", False, Lines),
        ("auto", True, "xterm", True, Silent),
        ("bar", False, None, False, Bar),
        ("lines", True, "xterm", False, Lines),
        ("lines", True, "xterm", True, Silent),
        ("json", True, "xterm", True, JsonLines),
        ("none", True, "xterm", False, Silent),
    ],
)
def test_the_listener_fits_the_stream(mode: str, terminal: bool, term: str | None, quiet: bool, kind: type) -> None:
    stream = Terminal() if terminal else io.StringIO()
    environ = {} if term is None else {"TERM": term}
    assert type(pick(mode, Story().state, stream, Clock(), quiet=quiet, environ=environ)) is kind


@pytest.mark.parametrize(
    ("rate", "shown"), [(34.2, "34/s"), (1, "1.0/s"), (0.5, "30/min"), (1 / 60, "1.0/min"), (0.001, "3.6/h")]
)
def test_a_speed_is_told_in_the_unit_that_reads_best(rate: float, shown: str) -> None:
    assert words.rate_words(rate) == shown


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="auto, bar, lines, json, none"):
        pick("loud", Story().state, None, environ={})


def test_on_a_real_terminal_the_bar_writes_no_escape_codes() -> None:
    ours, theirs = pty.openpty()
    story = Story()
    story.start(new=3)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        listener = pick("auto", story.state, stream, Clock(), environ={"TERM": "xterm"})
        assert isinstance(listener, Bar)
        story.listeners.append(listener)
        listener.start()
        story.failed(1, prompt=HOSTILE, message=HOSTILE)
        story.done(2)
        listener.close()
        shown = os.read(ours, 65_536).decode(errors="replace")
    os.close(ours)
    assert "\x1b" not in shown
    assert "3 queued" in shown
