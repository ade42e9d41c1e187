"""What is installed: read back as cron and systemd read it, and with no token in it."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.needs import needs

from batchgen import errors
from batchgen.cli.exit_codes import GOES_ON, ExitCode
from batchgen.cli.schedule_files import MAX_COMMAND, Call, Service, crontab_line, service_text, timer_text, unit_name

ANALYZE = "systemd-analyze"
WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1), max_size=4)


def service(folder: Path, *arguments: str, program: str = "/bin/true", **environ: str) -> Service:
    call = Call((program,), arguments, environ)
    return Service("batchgen-autumn", "batchgen: autumn", call, "daemon", folder, (folder,), folder / "token.json")


def as_cron_reads(line: str) -> list[str]:
    """Return what cron hands to sh, as sh splits it: a backslash before a % takes itself away, and none is bare."""
    read = ""
    escaped = False
    for character in line.split(maxsplit=5)[5]:
        assert escaped or character != "%", "here cron ends the command"
        if escaped and character == "%":
            read = read[:-1]
        read += character
        escaped = not escaped and character == "\\"
    return shlex.split(read)


@given(WORDS)
def test_what_cron_runs_is_what_was_scheduled(words: list[str]) -> None:
    call = Call(("/opt/my tools/batchgen",), ("run", *words), {"BASE": "http://127.0.0.1:1/a b%20c"})
    try:
        line = crontab_line("0 2 * * *", call)
    except errors.UsageError as refused:
        assert "backslash" in str(refused) or "longer" in str(refused)
        return

    assert "\n" not in line
    assert as_cron_reads(line) == ["BASE=http://127.0.0.1:1/a b%20c", *call.words()]


@pytest.mark.parametrize("word", ["two\nlines", "a\x00b", "bell\x07", "back\\%slash", "x" * (MAX_COMMAND + 1)])
def test_what_no_crontab_can_hold_is_refused(word: str) -> None:
    with pytest.raises(errors.UsageError):
        crontab_line("0 2 * * *", Call(("/bin/true",), (word,)))


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ('a "b"', '"a \\"b\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("it's", '"it\'s"'),
        ("", '""'),
        (";", '";"'),
    ],
)
def test_words_are_written_as_systemd_reads_them(word: str, written: str) -> None:
    text = service_text(service(Path("/srv/p"), "run", word))

    assert f"\nExecStart=/bin/true run {written}\n" in text


@pytest.mark.parametrize("name", ["a\nb", "a\\b", 'a"b', "a$b"])
def test_what_no_unit_can_hold_is_refused(name: str) -> None:
    with pytest.raises(errors.UsageError):
        service_text(service(Path("/srv") / name, "run"))


def test_systemd_takes_for_success_what_goes_on_and_its_own_stop() -> None:
    text = service_text(service(Path("/srv/p"), "run"))
    (codes,) = re.findall(r"^SuccessExitStatus=(.*)$", text, re.MULTILINE)

    assert {int(code) for code in codes.split()} | {0} == {*GOES_ON, ExitCode.TERMINATED} == {0, 3, 143}


def test_a_unit_is_named_after_the_manifest_in_characters_that_units_have() -> None:
    assert unit_name("autumn", fetch=False) == "batchgen-autumn"
    assert unit_name("my autumn/ä%", fetch=True) == "batchgen-my-autumn-fetch"
    assert unit_name("秋", fetch=False) == "batchgen-run"


@needs(ANALYZE)
def test_systemd_finds_nothing_wrong_and_the_service_is_little_exposed(tmp_path: Path) -> None:
    """Of 10, which is a service without any of it, at most 2 is left."""
    folder = tmp_path / "my 100% pictures"
    folder.mkdir()
    program = folder / "batch gen"
    program.symlink_to("/bin/true")
    made = service(folder, "run", f"{folder}/autumn.yaml", "--where", 'a="$b"', program=str(program), BASE="x y%")
    paths = [tmp_path / "batchgen-autumn.service", tmp_path / "batchgen-autumn.timer"]
    for path, text in zip(paths, (service_text(made), timer_text(made, "daily", "*-*-* 02:00:00")), strict=True):
        path.write_text(text, encoding="utf-8")
    verified = analyze("verify", *map(str, paths))
    security = analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(paths[0]))

    assert (verified.returncode, verified.stderr) == (0, "")
    assert security.returncode == 0, security.stdout


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, check=False)
