"""No bytes from outside break a rule or end in anything but our own errors: the kept corpus, and a short search.

`python tests/fuzz/run.py` is the long search.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fuzz import mutate, targets, worker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEPT = [(name, path) for name in targets.TARGETS for path in mutate.kept(name)]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("target", "path"), KEPT, ids=[f"{name}-{path.name}" for name, path in KEPT])
def test_a_kept_case_holds(target: str, path: Path) -> None:
    targets.TARGETS[target].check(path.read_bytes())


@pytest.mark.parametrize("target", targets.TARGETS)
def test_a_short_search_finds_nothing(target: str) -> None:
    pool, pieces = mutate.seeds(target), mutate.PIECES[target]

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=True))
    def search(chance: random.Random) -> None:
        targets.TARGETS[target].check(mutate.mutated(chance, pool, pieces))

    search()


def test_every_target_has_a_corpus_and_pieces() -> None:
    assert all(mutate.kept(name) and mutate.PIECES[name] for name in targets.TARGETS)
    assert {path.name for path in worker.CORPUS.iterdir()} == set(targets.TARGETS)
