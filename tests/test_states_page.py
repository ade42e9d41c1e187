"""docs/states.md says what the fold and the plan do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from batchgen import events, plan
from batchgen.plan import Policy
from batchgen.state import STATE_OF, Attempt, Fact, JobState, State

PAGE = (Path(__file__).parent.parent / "docs/states.md").read_text("utf-8")
POLICIES = (Policy(), Policy(retry_failed=True), Policy(resubmit_unknown=True), Policy(fetch=True))
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in PAGE.rpartition("\n## ")[2].splitlines()
    if line.startswith("| ")
][2:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_of_the_table_is_what_is_decided(row: tuple[str, ...]) -> None:
    fact, _, missing = row[0].partition(", ")
    known = None if fact == "nothing" else JobState([Attempt(1, Fact(fact), request_id="r")])
    decided = [plan.decide(known, policy, lambda attempt: not missing).value for policy in POLICIES]

    assert (row[1], *row[2:]) == (known.state if known else State.NEW, *decided)


def test_the_table_has_every_fact_once() -> None:
    others = ["nothing", "done, a file missing"]

    assert sorted(row[0] for row in ROWS) == sorted([*(fact.value for fact in STATE_OF), *others])


def test_every_event_of_a_job_has_its_arrow_and_every_arrow_its_row() -> None:
    arrows = re.findall(r"^    \w+ --> \w+: (\w+)", PAGE, re.MULTILINE)
    rows = re.findall(r"^\| [\w ,]+ \| `(\w+)` \|", PAGE, re.MULTILINE)

    assert arrows == rows
    assert set(arrows) == {word for word, kind in events.EVENTS.items() if issubclass(kind, events.JobEvent)}
