"""When a schedule runs: what people write, what cron reads, what systemd reads."""

from __future__ import annotations

import subprocess

import pytest
from support.needs import needs

from batchgen import errors
from batchgen.cli import schedule_times
from batchgen.cli.schedule_times import Times, crontab, daily, hourly, weekly

ANALYZE = "systemd-analyze"

SAYINGS = [
    (hourly(), "17 * * * *", "*-*-* *:17:00"),
    (daily("02:00"), "0 2 * * *", "*-*-* 02:00:00"),
    (daily("7:45"), "45 7 * * *", "*-*-* 07:45:00"),
    (weekly("sun", "03:30"), "30 3 * * 0", "Sun *-*-* 03:30:00"),
    (weekly("Mon", "23:59"), "59 23 * * 1", "Mon *-*-* 23:59:00"),
    (crontab(" 30 2  * * * "), "30 2 * * *", "*-*-* 02:30:00"),
    (crontab("*/20 1-3,22 * * *"), "*/20 1-3,22 * * *", "*-*-* 01,02,03,22:00,20,40:00"),
    (crontab("0 2 1,15 * *"), "0 2 1,15 * *", "*-*-01,15 02:00:00"),
    (crontab("0 2 * jan,12 mon,7"), "0 2 * jan,12 mon,7", "Sun,Mon *-01,12-* 02:00:00"),
    (crontab("0 2 29 2 *"), "0 2 29 2 *", "*-02-29 02:00:00"),
    (crontab("0-59 */1 1-31 1-12 0-7"), "0-59 */1 1-31 1-12 0-7", "*-*-* *:*:00"),
    (crontab("5-20/5 0 * * 1-5"), "5-20/5 0 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 00:05,10,15,20:00"),
]


@pytest.mark.parametrize(("times", "cron", "calendar"), SAYINGS, ids=[cron for _, cron, _ in SAYINGS])
def test_a_schedule_says_the_same_to_cron_and_to_systemd(times: Times, cron: str, calendar: str) -> None:
    assert (times.cron, times.calendar()) == (cron, calendar)


@needs(ANALYZE)
def test_systemd_understands_every_calendar() -> None:
    calendars = [calendar for _, _, calendar in SAYINGS]
    read = subprocess.run([ANALYZE, "calendar", *calendars], capture_output=True, text=True, check=False)

    assert read.returncode == 0, read.stderr
    assert read.stdout.count("Next elapse: ") == len(calendars)


@pytest.mark.parametrize("time", ["", "2", "24:00", "2:5", "02:60", "-1:00", "02:00:00", "noon", "٠٢:٠٠"])
def test_a_time_of_day_is_hours_and_minutes(time: str) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        daily(time)
    with pytest.raises(ValueError, match="HH:MM"):
        weekly("sun", time)


def test_a_day_is_one_of_seven_words() -> None:
    with pytest.raises(ValueError, match="sun, mon"):
        weekly("someday", "02:00")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("60 * * * *", "minute: they go from 0 to 59"),
        ("* 24 * * *", "hour: they go from 0 to 23"),
        ("* * 0 * *", "day of the month: they go from 1 to 31"),
        ("* * * 13 *", "month: they go from 1 to 12"),
        ("* * * * 8", "day of the week: they go from 0 to 7"),
        ("5-1 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("5/5 * * * *", "no minute of a crontab"),
        ("1,,2 * * * *", "no minute of a crontab"),
        ("* * * jan-mar *", "no month of a crontab"),
        ("x * * * *", "no minute of a crontab"),
        ("* * 30 2 *", "never comes"),
        ("* * 31 4,6 *", "never comes"),
    ],
)
def test_what_cron_would_refuse_or_never_reach_is_refused(fields: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        crontab(fields)


def test_what_only_cron_can_say_is_not_said_to_systemd() -> None:
    """Cron fires on either day; systemd's calendar would ask for both."""
    times = crontab("0 2 13 * fri")

    assert times.cron == "0 2 13 * fri"
    with pytest.raises(errors.UsageError, match="either"):
        times.calendar()


def test_hourly_is_off_the_full_hour() -> None:
    assert 0 < schedule_times.HOURLY_MINUTE < 60
