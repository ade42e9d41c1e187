"""`batchgen schedule` prints what works where it is installed, and says what would keep it from working."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import click
import pytest
from support.sandboxed import TOKEN, Workplace

from batchgen import errors
from batchgen.cli.main import cli


def keep_token(place: Workplace, mode: int = 0o600) -> Path:
    """Put the token where cron finds it, and take it out of the environment."""
    del place.environment["RUNCOMFY_TOKEN"], place.environment["XDG_CONFIG_HOME"]
    path = Path(place.environment["HOME"], ".config", "runcomfy", "token.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"access_token": TOKEN}))
    path.chmod(mode)
    return path


def under_cron(place: Workplace, line: str) -> subprocess.CompletedProcess[str]:
    """Run a crontab's command as cron does: by sh, from HOME, with an environment of four variables."""
    command = line.split(maxsplit=5)[5].replace("\\%", "%")
    home = place.environment["HOME"]
    environ = {"HOME": home, "LOGNAME": "you", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=home, env=environ, capture_output=True, text=True, check=False, timeout=45
    )


def test_a_crontabs_line_runs_as_cron_runs_it_and_says_nothing(place: Workplace) -> None:
    """With no environment to speak of, from another folder; the token comes from its file, and is nowhere else."""
    keep_token(place)
    (place.folder / place.manifest(["a fox by night"])).rename(place.folder / "it's 100% mine.yaml")
    made = place.run("schedule", "it's 100% mine.yaml", "--daily", "02:00", "--max-cost", "5", "--log-file", "n.log")
    heading, line = made.out.splitlines()
    ran = under_cron(place, line)

    assert made.code == 0, made.err
    assert heading == "# it's 100% mine.yaml, every day at 02:00: make what is asked for and not there yet"
    assert line.startswith("0 2 * * *  RUNCOMFY_MODEL_API_BASE=http://127.0.0.1:")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert place.book().summary()["done"] == 1
    assert (place.folder / "n.log").read_text().count("ended after") == 1
    assert TOKEN not in made.out + made.err + (place.folder / "n.log").read_text()


def test_an_hourly_fetch_collects_what_a_night_left(place: Workplace) -> None:
    keep_token(place)
    manifest = place.manifest(["a fox left behind"], limits={"wait": 0.001})
    assert place.run("run", manifest, "-q").code == 3
    made = place.run("schedule", manifest, "--hourly", "--fetch")
    ran = under_cron(place, made.out.splitlines()[-1])

    assert (ran.returncode, ran.stderr) == (0, "")
    assert place.book().count("done") == 1


def test_units_are_written_once_and_name_what_is_running(place: Workplace) -> None:
    path = keep_token(place)
    manifest = place.manifest(["a fox"])
    words = ["schedule", manifest, "--weekly", "sun", "03:30", "--systemd", "-o", "units"]
    assert place.run(*words, "--max-time", "3h").code == 0
    service = (place.folder / "units" / "batchgen-m.service").read_text()
    timer = (place.folder / "units" / "batchgen-m.timer").read_text()

    assert f"LoadCredential=runcomfy-token:{path}\n" in service
    assert re.search(
        rf"^ExecStart=/\S+ -m batchgen run {place.folder}/m.yaml --if-running skip --max-time 3h$", service, re.M
    )
    assert f"ReadWritePaths={place.folder}\n" in service
    assert "OnCalendar=Sun *-*-* 03:30:00\n" in timer
    assert TOKEN not in service + timer
    again = place.run(*words)
    assert (again.code, "left as it is" in again.err) == (64, True)
    assert (place.folder / "units" / "batchgen-m.service").read_text() == service


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say when, once"),
        (["--hourly", "--daily", "02:00"], "say when, once"),
        (["--daily", "26:00"], "HH:MM"),
        (["--cron", "* * * *"], "five fields"),
        (["--cron", "0 2 1 * mon", "--systemd"], "either"),
        (["--hourly", "--bogus"], "--bogus"),
        (["--hourly", "--", "--bogus"], "--bogus"),
        (["--hourly", "another.yaml"], "another.yaml"),
        (["--hourly", "--fetch", "--max-cost", "5"], "--max-cost"),
        (["--hourly", "--", "-o", "elsewhere"], "elsewhere"),
        (["--hourly", "--max-time", "soon"], "soon"),
        (["--hourly", "--", "--set", "resolution=9K"], "resolution"),
        (["--hourly", "--", "--log-file", "a\nb"], "elsewhere"),
    ],
)
def test_what_would_fail_every_night_is_refused_today(
    place: Workplace, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    manifest = place.folder / place.manifest(["a fox"])
    with pytest.raises((click.UsageError, errors.RunError), match=said):
        cli.main(["schedule", str(manifest), *words], standalone_mode=False)
    assert capsys.readouterr().out == ""


def test_a_manifest_that_does_not_load_is_not_scheduled(place: Workplace) -> None:
    assert place.run("schedule", "none.yaml", "--hourly").code == 65
    assert place.run("schedule", "-", "--hourly").code == 64


def test_what_can_be_seen_to_go_wrong_is_said(place: Workplace) -> None:
    """No token but in this shell, one that all can read, no limit, nobody to tell."""
    manifest = place.manifest(["a fox"])
    shell_only = place.run("schedule", manifest, "--daily", "02:00").err
    path = keep_token(place, 0o644)
    loose = place.run("schedule", manifest, "--daily", "02:00").err
    path.chmod(0o600)
    early = place.run("schedule", manifest, "--hourly", "--fetch").err
    fine = place.run("schedule", manifest, "--daily", "02:00", "--max-cost", "5", "--log-file", "n.log").err

    assert "set in this shell only" in shell_only
    assert TOKEN not in shell_only
    assert f"chmod 600 {path}" in loose
    assert "--max-cost" in loose
    assert "has not been run yet" in early
    assert "token" not in fine
    assert "--max-cost" not in fine
    assert "sendmail" not in fine
    limited = place.manifest(["a fox"], limits={"max_cost_usd": 5})
    assert "limits" not in place.run("schedule", limited, "--daily", "02:00").err
    (place.folder / "runs").touch()
    assert "runs" in place.run("schedule", manifest, "--daily", "02:00").err
