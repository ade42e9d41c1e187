"""One quick sandbox for all tests of the command, and an empty place for each."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import sandboxed
from support.sandboxed import Sandbox, Workplace


@pytest.fixture(scope="session", autouse=True)
def ordinary_signals() -> Iterator[None]:
    """Let commands start with the signals of a terminal, even where these tests run in the background or by nohup."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose requests are over soon. Nobody may ever send it the token together with a file's address."""
    with sandboxed.sandbox(tmp_path_factory.mktemp("quick"), "--service-time", "0.05") as server:
        yield server
        assert server.account()["token_leaks"] == 0


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that takes long enough for a client to leave, and not much longer."""
    options = ("--service-time", "1.2", "--service-spread", "0")
    with sandboxed.sandbox(tmp_path_factory.mktemp("slow"), *options) as server:
        yield server


@pytest.fixture(scope="session")
def stuck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose requests are never over in a test's lifetime."""
    options = ("--service-time", "600", "--service-spread", "0")
    with sandboxed.sandbox(tmp_path_factory.mktemp("stuck"), *options) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, quick: Sandbox) -> Iterator[Workplace]:
    """An empty folder whose environment names the quick sandbox."""
    here = Workplace.at(tmp_path / "place", quick.origin)
    yield here
    here.close()
