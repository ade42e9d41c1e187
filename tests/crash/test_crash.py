"""No crash loses a picture or pays twice: the suite of crash points and kills, at the size that fits a CI run."""

from __future__ import annotations

import pytest
from crash import mutations
from crash.in_ci import run_suite
from crash.seams import CLASSES, seams


@pytest.mark.timeout(300)
def test_a_run_killed_at_any_boundary_is_resumed_without_loss_and_pays_once() -> None:
    table = run_suite("--only", "points")
    assert table["boundaries found"] > 500
    assert table["killed"] > 0.9 * (table["killed"] + table["not reached again"])
    assert table["paid twice"] == table["lost"] == 0
    assert table["unknown"] == table["of them accounted for"] > 0


@pytest.mark.timeout(300)
def test_client_and_server_killed_at_random_moments_lose_nothing_and_pay_once() -> None:
    table = run_suite("--only", "storms")
    assert table["killed"] > 0
    assert table["paid twice"] == table["lost"] == 0


def test_every_seam_has_boundaries() -> None:
    """A class whose public methods are not found would be killed nowhere."""
    found = {owner for owner, _, _ in seams()}
    assert set(CLASSES) <= found


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.rule)
def test_every_mutation_still_applies(mutation: mutations.Mutation) -> None:
    """`mutations.py` breaks each rule in a copy and expects it to be noticed; here is only held that it can."""
    assert mutation.applied(mutations.PROJECT)
