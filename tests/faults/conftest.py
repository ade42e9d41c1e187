"""A quick sandbox for all fault tests, an empty place for each, and the real command on a bent system."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import sandboxed
from support.sandboxed import Ended, Sandbox, Workplace

Bent = Callable[..., Ended]


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose requests are over soon."""
    with sandboxed.sandbox(tmp_path_factory.mktemp("calm"), "--service-time", "0.05") as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, calm: Sandbox) -> Iterator[Workplace]:
    """An empty folder whose environment names the calm sandbox."""
    tests = Path(__file__).parents[1]
    here = Workplace.at(tmp_path / "place", calm.origin, PYTHONPATH=f"{tests}:{tests.parent}")
    yield here
    here.close()


@pytest.fixture
def bent(desk: Workplace) -> Bent:
    """What runs a command on a system bent as `support.bent` says."""

    def run(*arguments: str, **how: object) -> Ended:
        return desk.run(*arguments, wrap=[sys.executable, "-m", "support.bent", json.dumps(how)])

    return run
