"""Every defence can still be taken out by its edit, has tests that exist, and stands on the page.

`python tests/security/removals.py` takes each one out and sees its tests fail.
"""

from __future__ import annotations

import re

import pytest
from crash import mutations
from security import removals
from security.defences import DEFENCES, Defence


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: f"{defence.file}: {defence.rule}")
def test_every_removal_still_applies_and_names_tests_that_are_there(defence: Defence) -> None:
    assert removals.removal(defence).applied(mutations.PROJECT)
    for test in defence.tests:
        file, _, name = test.partition("::")
        text = (mutations.PROJECT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name.partition('[')[0]}\(", text, re.MULTILINE) or not name


def test_the_page_has_the_tables_of_the_removals() -> None:
    page = removals.PAGE.read_text(encoding="utf-8")
    assert removals.tables() in page, f"docs/security.md lacks what follows:\n\n{removals.tables()}"


def test_no_two_defences_are_the_same() -> None:
    assert len({(one.file, one.old) for one in DEFENCES}) == len(DEFENCES)
