"""How a run ended, and what a scheduler may take for success."""

from __future__ import annotations

import pytest

from batchgen.cli.exit_codes import GOES_ON, ExitCode
from batchgen.cli.verdict import verdict
from batchgen.engine.cause import Cause, Why


@pytest.mark.parametrize("why", Why)
def test_every_cause_has_a_code_and_none_is_all_done(why: Why) -> None:
    ended = verdict([Cause(why, "because")], {})

    assert ended.code in set(ExitCode) - {ExitCode.OK}
    assert (ended.reason, ended.sentence) == (why.value, "because")


def test_a_scheduler_takes_those_codes_for_success_that_an_expected_end_has() -> None:
    ends = [verdict([], {}), *(verdict([Cause(why, "")], {}) for why in Why)]

    assert {ended.code for ended in ends if ended.is_expected} == GOES_ON
