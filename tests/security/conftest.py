"""One quick sandbox for all tests of hostile surroundings, and an empty place for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import sandboxed
from support.sandboxed import Sandbox, Workplace


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose requests are over soon. Nobody may ever send it the token together with a file's address."""
    with sandboxed.sandbox(tmp_path_factory.mktemp("calm"), "--service-time", "0.05") as server:
        yield server
        assert server.account()["token_leaks"] == 0


@pytest.fixture
def place(tmp_path: Path, calm: Sandbox) -> Iterator[Workplace]:
    """An empty folder whose environment names the sandbox."""
    here = Workplace.at(tmp_path / "place", calm.origin)
    yield here
    here.close()
