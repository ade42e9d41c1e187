"""The real command against a real server: processes, a clean place to work in, and the two accounts to compare.

The ledger says what the client believes, the sandbox's account what is true.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

MODEL = "google/nano-banana-2/text-to-image"
TOKEN = "right-token"
PRICE = 0.06
"""US dollars of one picture at 0.5K, the sandbox's default price and the manifest's here."""

PATIENCE_S = 45.0
Line = dict[str, Any]


@dataclass(slots=True)
class Sandbox:
    """A sandbox process, always at the same address; `options` are its command line's."""

    directory: Path
    options: tuple[str, ...] = ()
    origin: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> Self:
        """Start it, again if it was ended; `options` replace those it had."""
        self.options = options or self.options
        port = urlsplit(self.origin).port or 0
        command = [sys.executable, "-m", "batchgen.sandbox", "--dir", str(self.directory), "--port", str(port)]
        self.process = subprocess.Popen(
            [*command, "--parent-pipe", "--token", TOKEN, *self.options], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.origin = json.loads(self.process.stdout.readline())["api"]
        return self

    def end(self, number: int = signal.SIGKILL) -> None:
        """End it with a signal, SIGKILL by default."""
        if self.process is not None:
            self.process.send_signal(number)
            _reap(self.process)
            self.process = None

    def restart(self, *options: str) -> Self:
        """Kill it and start it on what it has kept."""
        self.end()
        return self.start(*options)

    def account(self) -> Line:
        """Return the ground truth, accepted ids included."""
        with urllib.request.urlopen(f"{self.origin}/sandbox/account?ids=1", timeout=10) as answer:
            account: Line = json.loads(answer.read())
        return account

    def accepted(self) -> int:
        """Return how many submissions were ever accepted."""
        return int(self.account()["accepted"])

    def accepted_prompts(self) -> list[str]:
        """Return the prompt of every accepted submission, in order."""
        with urllib.request.urlopen(f"{self.origin}/sandbox/requests", timeout=10) as answer:
            return [json.loads(line)["input"]["prompt"] for line in answer.read().splitlines()]


@contextmanager
def sandbox(directory: Path, *options: str) -> Iterator[Sandbox]:
    """Yield a sandbox that runs until the end of the block."""
    server = Sandbox(directory, options)
    try:
        yield server.start()
    finally:
        server.end()


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value of standard output."""
        return json.loads(self.out)


@dataclass(slots=True)
class Workplace:
    """A folder with an environment in which nothing of the outside shows; every command runs there."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @classmethod
    def at(cls, folder: Path, origin: str = "", **more: str) -> Self:
        """Return a workplace whose environment names the API at `origin` and a token."""
        home = folder / "home"
        home.mkdir(parents=True)
        api = {"RUNCOMFY_MODEL_API_BASE": origin, "RUNCOMFY_TOKEN": TOKEN} if origin else {}
        folders = {"HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        # Nothing here speaks TLS, and reading the system's certificates is a fifth of a command's start.
        fixed = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SSL_CERT_FILE": os.devnull}
        # Whoever tries a changed copy of the package says by this where it is.
        copy = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        return cls(folder, {**fixed, **copy, **folders, **api, **more})

    def use(self, origin: str) -> None:
        """Let the environment name another API."""
        self.environment["RUNCOMFY_MODEL_API_BASE"] = origin

    def run(self, *arguments: str, wrap: Sequence[str] = ()) -> Ended:
        """Run a command to its end; `wrap` is a command line that it is handed to."""
        return self.end_of(self.start(*arguments, wrap=wrap))

    def run_all(self, *commands: Sequence[str]) -> list[Ended]:
        """Run commands that do not get into each other's way, all at once."""
        return [self.end_of(process) for process in [self.start(*command) for command in commands]]

    def start(self, *arguments: str, wrap: Sequence[str] = (), stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a command; `stderr` is the descriptor of its standard error, by default a pipe."""
        process = subprocess.Popen(
            [*wrap, sys.executable, "-m", "batchgen", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
        )
        self.running.append(process)
        return process

    def end_of(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a command's end. No command may end in a traceback."""
        out, err = process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in err, err
        return Ended(process.returncode, out, err)

    def close(self) -> None:
        """Kill what still runs."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def manifest(self, prompts: Sequence[object], name: str = "m", **sections: object) -> str:
        """Write a manifest of quick small pictures, and return its file name; `sections` are added or replaced."""
        content = {
            "name": name,
            "model": MODEL,
            "prompts": list(prompts),
            "settings": {"resolution": "0.5K", "output_format": "jpeg"},
            "limits": {"submits_per_second": 100},
            "pricing": {"base_usd": PRICE},
            **sections,
        }
        (self.folder / f"{name}.yaml").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        return f"{name}.yaml"

    def book(self, name: str = "m") -> Book:
        """Return the run directory of the manifest of this name."""
        return Book(self.folder / "runs" / name)

    def tree(self) -> dict[str, tuple[int, int]]:
        """Return size and time of change of everything in the folder."""
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in self.folder.rglob("*")}


@dataclass(frozen=True, slots=True)
class Book:
    """A run directory as others see it: raw lines, files, summary."""

    path: Path

    @property
    def log(self) -> Path:
        """The ledger."""
        return self.path / "log.jsonl"

    def lines(self, *words: str) -> list[Line]:
        """Return the ledger's whole lines, those of `words` or all."""
        if not self.log.exists():
            return []
        whole = self.log.read_bytes().rpartition(b"\n")[0].splitlines()
        found: list[Line] = [json.loads(line) for line in whole]
        return [line for line in found if not words or line["event"] in words]

    def count(self, word: str) -> int:
        """Return how many lines of this word there are."""
        return len(self.lines(word))

    def summary(self) -> Line:
        """Return summary.json."""
        content: Line = json.loads((self.path / "summary.json").read_bytes())
        return content

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of every file below images/, by its path relative to the run directory."""
        images = self.path / "images"
        found = (path for path in images.rglob("*") if path.is_file())
        return {path.relative_to(self.path).as_posix(): digest(path) for path in found}

    def named_files(self) -> dict[str, str]:
        """Return the SHA-256 of every file that the ledger's `done` lines name, by path."""
        return {file["path"]: file["sha256"] for line in self.lines("done") for file in line["files"]}

    def wait_for(self, process: subprocess.Popen[str], word: str, count: int = 1) -> None:
        """Wait until the running command has made `count` lines of this word."""

        def holds() -> bool:
            ended = process.poll() is not None
            enough = self.count(word) >= count
            assert enough or not ended, f"ended without {count} x {word}: {process.communicate()[1]}"
            return enough

        wait_until(holds, f"{count} x {word}")


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wait_until(holds: Callable[[], bool], what: str, patience: float = PATIENCE_S) -> None:
    """Wait until something holds; fail where it does not within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def rules(*table: Mapping[str, object]) -> tuple[str, str]:
    """Return the sandbox's options for a table of faults."""
    return "--faults", json.dumps(table)


def _reap(process: subprocess.Popen[bytes]) -> None:
    process.wait(PATIENCE_S)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
