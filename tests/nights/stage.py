"""Nights and mornings with the real command: what cron fires, what a person types, and what both are told, as text.

Every command believes that it is the time the story says. Times, folders and ids are made equal before they are shown.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support import sandboxed
from support.monitor import Monitor, monitor
from support.sandboxed import Ended, Sandbox, Workplace

TESTS = Path(__file__).resolve().parents[1]
FIRST_NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
QUICK = ("--service-time", "0.05")
SHOWN_FOLDER = "/home/you/pictures"
CRON = ("-q", "--if-running", "skip")

_EQUAL = (
    (re.compile(r"1 d 23 h old"), "2 d 00 h old"),
    (re.compile(r"4 d 23 h left"), "5 d 00 h left"),
    (re.compile(r"(cannot connect) \(.*?\]\)"), r"\1"),
    (re.compile(r"(after|UTC,) \d+ s\b"), r"\1 4 s"),
    (re.compile(r"(\d\d:\d\d):\d\d\b"), r"\1:07"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "9f2c7a10-1111-2222-3333-444455556666"),
)


@dataclass(slots=True)
class Stage:
    """A workplace with one manifest, its server and a monitor; `shown` is what has been fired, typed and said."""

    place: Workplace
    server: Sandbox
    monitor: Monitor
    day: int = 0
    shown: list[str] = field(default_factory=list)

    def manifest(self, prompts: Sequence[object], **sections: object) -> None:
        """Write autumn.yaml."""
        self.place.manifest(prompts, "autumn", **sections)

    def keep_token(self, token: str) -> None:
        """Write the token into its file, where cron finds it too."""
        path = Path(self.place.environment["XDG_CONFIG_HOME"], "runcomfy", "token.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"access_token": token}), encoding="utf-8")

    def fired(self, at: str, *more: str, **bent: object) -> Ended:
        """Let cron fire the run at this time of day, to its end."""
        heard = len(self.monitor.heard)
        ended = self.place.end_of(self.fire(at, *more, **bent))
        told = [one.path.strip("/") or "success" for one in self.monitor.heard[heard:]]
        self._show_firing(at, more, ended.err.splitlines() or ["(no mail)"], f"exit code {ended.code}", told)
        return ended

    def fire(self, at: str, *more: str, **bent: object) -> subprocess.Popen[str]:
        """Let cron fire the run at this time of day."""
        return self._start(at, ["run", self._path, *CRON, *more], bent)

    def killed(self, process: subprocess.Popen[str], at: str, what: str) -> None:
        """End a firing as SIGKILL and a power cut do; `what` is how the page says it."""
        process.kill()
        process.communicate()
        told = [one.path.strip("/") for one in self.monitor.heard]
        self._show_firing(at, (), [f"({what}: no mail)"], "", told)

    def typed(self, at: str, *words: str) -> Ended:
        """Let the person type a command at this time of day."""
        ended = self.place.end_of(self._start(at, words, {}))
        command = " ".join(["batchgen", *map(shlex.quote, words)])
        code = [f"[exit code {ended.code}]"] if ended.code else []
        self._show([f"{self._when(at)}  you: {command}", "", *(ended.out + ended.err).splitlines(), *code])
        return ended

    @property
    def book(self) -> sandboxed.Book:
        """The run directory."""
        return self.place.book("autumn")

    @property
    def _path(self) -> str:
        return str(self.place.folder / "autumn.yaml")

    def _start(self, at: str, words: Sequence[str], bent: dict[str, object]) -> subprocess.Popen[str]:
        hour, minute = map(int, at.split(":"))
        believed = FIRST_NIGHT.timestamp() + (self.day * 24 + hour) * 3600 + minute * 60
        how = json.dumps({"clock": believed - time.time(), **bent})
        return self.place.start(*words, wrap=[sys.executable, "-m", "support.bent", how])

    def _show_firing(self, at: str, more: Sequence[str], said: list[str], code: str, told: list[str]) -> None:
        command = " ".join(["batchgen run", self._path, *CRON, *more])
        end = ", ".join(filter(None, [code, f"monitor: {', '.join(told)}" if told else ""]))
        self._show([f"{self._when(at)}  cron: {command}", "", *said, f"[{end}]"])

    def _when(self, at: str) -> str:
        return f"{FIRST_NIGHT + timedelta(days=self.day):%a} {at}"

    def _show(self, lines: list[str]) -> None:
        text = "\n".join(lines).replace(str(self.place.folder), SHOWN_FOLDER)
        for pattern, equal in _EQUAL:
            text = pattern.sub(equal, text)
        self.shown.append(text.replace(self.server.origin.rpartition(":")[2], "8700"))


@contextmanager
def stage(folder: Path, *options: str) -> Iterator[Stage]:
    """Yield a stage in an empty folder; `options` are the server's."""
    with sandboxed.sandbox(folder / "server", *(options or QUICK)) as server, monitor() as watching:
        python = f"{TESTS}:{TESTS.parent}"
        place = Workplace.at(folder / "place", PYTHONPATH=python, BATCHGEN_PING_URL=watching.url, TZ="UTC")
        place.use(server.origin)
        try:
            here = Stage(place, server, watching)
            here.keep_token(sandboxed.TOKEN)
            yield here
        finally:
            place.close()
