"""A real cron daemon fires what `batchgen schedule` wrote, as it stands, and a second firing overlaps the first.

The daemon lives in a mount namespace of its own: the machine's own crontabs are out of its sight and out of reach. The
test is skipped where there is no cron, no root or no namespace, unless the environment has MUST_NOT_SKIP.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nights.scenes import PROMPTS, READS_FAIL, TWO
from nights.stage import QUICK, Stage, stage
from support.needs import MUST_NOT_SKIP
from support.sandboxed import wait_until

SCRIPT = Path(__file__).with_name("private_cron.sh")
NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL")
TWO_MINUTES_S = 150.0


def runner() -> list[str]:
    """Return what runs the daemon: in its namespace, or in the open on a machine that is thrown away. Skips."""
    usable = os.geteuid() == 0 and shutil.which("cron") is not None
    if not usable and not MUST_NOT_SKIP:
        pytest.skip("needs root, and cron installed (apt-get install cron)")
    assert usable, "MUST_NOT_SKIP is set, and there is no cron or no root"
    namespace = shutil.which("unshare") and subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
    if namespace and namespace.returncode == 0:
        return [*NAMESPACE, "env", "PRIVATE=1"]
    if not MUST_NOT_SKIP:
        pytest.skip("needs a mount namespace (unshare --mount), so that the machine's own crontabs are left alone")
    return []


@contextmanager
def cron(folder: Path, crontab: str) -> Iterator[None]:
    """Run a daemon with this crontab to the end of the block."""
    folder.mkdir()
    (folder / "crontab").write_text(crontab, encoding="utf-8")
    command = [*runner(), str(SCRIPT), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as daemon:
        assert daemon.stdout is not None
        try:
            assert daemon.stdout.readline() == "started\n"
            yield
        finally:
            # unshare lets SIGTERM pass by, and takes everything with it when it is killed.
            daemon.send_signal(signal.SIGKILL if command[0] == "unshare" else signal.SIGTERM)


def recording_shell(folder: Path) -> tuple[Path, Path]:
    """Return a shell for cron that also writes down what it was given to run and how that ended, and where it does."""
    shell, record = folder / "shell", folder / "record"
    record.touch()
    shell.write_text(
        f'#!/bin/sh\necho "began $2" >>{record}\n/bin/sh "$@"\ncode=$?\necho "ended $code $2" >>{record}\nexit $code\n',
        encoding="utf-8",
    )
    shell.chmod(0o755)
    return shell, record


def scheduled(here: Stage, manifest: str, *words: str) -> str:
    """Return the crontab's lines that `batchgen schedule` prints for every minute."""
    made = here.place.run("schedule", manifest, "--cron", "* * * * *", *words)
    assert made.code == 0, made.err
    return made.out


@pytest.mark.timeout(240)
def test_cron_fires_what_schedule_wrote_and_a_second_firing_does_no_harm(tmp_path: Path) -> None:
    """Nothing is finished until the second firing has come and gone; a job that cannot begin is mailed, and only it."""
    with stage(tmp_path, *READS_FAIL) as here:
        del here.place.environment["BATCHGEN_PING_URL"]
        here.manifest(PROMPTS, limits=TWO)
        shutil.copy(here.place.folder / "autumn.yaml", here.place.folder / "it's 5% done.yaml")
        good = scheduled(here, "it's 5% done.yaml", "--max-cost", "5", "--log-file", "night.log")
        bad = scheduled(here, here.place.manifest(["a fox"], "spring"))
        (here.place.folder / "spring.yaml").unlink()
        shell, record = recording_shell(here.place.folder)

        def seen(*words: str) -> int:
            """Return how many lines of the record begin with one of these words and are of the good job."""
            lines = record.read_text("utf-8").splitlines()
            return sum(line.startswith(words) and "done.yaml" in line for line in lines)

        with cron(tmp_path / "cron", f"SHELL={shell}\n{good}{bad}"):
            wait_until(lambda: seen("ended 0") == 1, "the second firing", TWO_MINUTES_S)
            assert seen("began") == 2
            assert here.server.accepted() == here.book.count("submitted") == 2
            here.server.restart(*QUICK)
            wait_until(lambda: seen("ended 0") == 2, "the first firing's end", TWO_MINUTES_S)
        mail = (tmp_path / "cron" / "mail").read_text("utf-8")

        assert seen("ended") == 2
        assert here.server.accepted() == here.book.summary()["done"] == len(PROMPTS)
        assert here.book.count("run_started") == 1
        assert "spring.yaml" in mail
        assert "done.yaml" not in mail
        assert "ended after" in (here.place.folder / "night.log").read_text("utf-8")
