"""What a run does about each job: design's table, and the stream and counts that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from support.world import job

from batchgen import plan
from batchgen.catalog.price import Cost
from batchgen.errors import ErrorInfo, Stage
from batchgen.plan import Action, Policy, decide
from batchgen.state import Attempt, Fact, JobState, RunState, State

RUN, RETRY, FETCH = Policy(), Policy(retry_failed=True), Policy(fetch=True)
RESUBMIT = Policy(resubmit_unknown=True)
NOTHING, POST, COLLECT, HOLD = Action.NOTHING, Action.POST, Action.COLLECT, Action.HOLD


def known(*facts: Fact) -> JobState:
    """Return a job with an attempt at each of `facts`."""
    return JobState([attempt(number, fact) for number, fact in enumerate(facts, 1)])


def attempt(number: int, fact: Fact) -> Attempt:
    taken = fact not in (Fact.SUBMITTING, Fact.UNKNOWN, Fact.REFUSED, Fact.NOT_SENT)
    error = ErrorInfo("run_failed", Stage.RUN, "no") if fact in (Fact.FAILED, Fact.FAILED_AFTER_SUCCESS) else None
    return Attempt(number, fact, since="t", request_id=f"r{number}" if taken else None, error=error)


def is_whole(_: Attempt) -> bool:
    return True


def is_broken(_: Attempt) -> bool:
    return False


@pytest.mark.parametrize(
    ("facts", "run", "retry", "fetch"),
    [
        ((), POST, POST, NOTHING),
        ((Fact.REFUSED,), POST, POST, NOTHING),
        ((Fact.CANCELLED_BY_US,), POST, POST, NOTHING),
        ((Fact.NOT_SENT,), POST, POST, NOTHING),
        ((Fact.SUBMITTING,), HOLD, HOLD, HOLD),
        ((Fact.UNKNOWN,), HOLD, HOLD, HOLD),
        ((Fact.SUBMITTED,), COLLECT, COLLECT, COLLECT),
        ((Fact.FAILED,), HOLD, POST, HOLD),
        ((Fact.FAILED_AFTER_SUCCESS,), HOLD, COLLECT, COLLECT),
        ((Fact.LOST,), HOLD, POST, COLLECT),
        ((Fact.CANCELLED,), HOLD, POST, HOLD),
        ((Fact.DONE,), NOTHING, NOTHING, NOTHING),
        ((Fact.UNKNOWN, Fact.DONE), NOTHING, NOTHING, NOTHING),
        ((Fact.FAILED, Fact.REFUSED), HOLD, POST, HOLD),
        ((Fact.FAILED, Fact.SUBMITTED), COLLECT, COLLECT, COLLECT),
    ],
)
def test_a_job_is_treated_as_the_table_says(facts: Sequence[Fact], run: Action, retry: Action, fetch: Action) -> None:
    job_state = known(*facts) if facts else None
    assert [decide(job_state, policy, is_whole) for policy in (RUN, RETRY, FETCH)] == [run, retry, fetch]


@pytest.mark.parametrize("policy", [RUN, RETRY, FETCH])
def test_a_done_job_with_a_file_missing_is_collected_again_and_never_posted(policy: Policy) -> None:
    assert decide(known(Fact.DONE), policy, is_broken) is COLLECT


@pytest.mark.parametrize(
    ("facts", "action"),
    [
        ((Fact.DONE,), POST),
        ((Fact.DONE, Fact.REFUSED), POST),
        ((Fact.DONE, Fact.SUBMITTING), COLLECT),
        ((Fact.DONE, Fact.UNKNOWN), COLLECT),
        ((Fact.DONE, Fact.FAILED_AFTER_SUCCESS), HOLD),
        ((Fact.DONE, Fact.SUBMITTED), COLLECT),
    ],
)
def test_only_retry_missing_makes_a_deleted_picture_again_and_only_once(facts: Sequence[Fact], action: Action) -> None:
    assert decide(known(*facts), Policy(retry=frozenset({"missing"})), is_broken) is action


@pytest.mark.parametrize(
    ("facts", "policy", "action"),
    [
        ((Fact.UNKNOWN,), RESUBMIT, POST),
        ((Fact.SUBMITTING,), RESUBMIT, POST),
        ((Fact.UNKNOWN, Fact.REFUSED), RESUBMIT, POST),
        ((Fact.UNKNOWN, Fact.FAILED), RESUBMIT, HOLD),
        ((Fact.UNKNOWN, Fact.FAILED), Policy(resubmit_unknown=True, retry_failed=True), POST),
        ((Fact.UNKNOWN, Fact.UNKNOWN), RESUBMIT, POST),
        ((Fact.UNKNOWN,), Policy(resubmit_unknown=True, fetch=True), HOLD),
        ((Fact.UNKNOWN, Fact.FAILED_AFTER_SUCCESS), RESUBMIT, HOLD),
        ((Fact.UNKNOWN, Fact.FAILED_AFTER_SUCCESS), Policy(resubmit_unknown=True, retry_failed=True), COLLECT),
        ((Fact.UNKNOWN, Fact.FAILED_AFTER_SUCCESS), FETCH, COLLECT),
        ((Fact.UNKNOWN, Fact.LOST), FETCH, COLLECT),
        ((Fact.FAILED_AFTER_SUCCESS, Fact.FAILED), RETRY, COLLECT),
        ((Fact.FAILED_AFTER_SUCCESS, Fact.FAILED), RUN, HOLD),
    ],
)
def test_an_unknown_is_resent_only_when_told_and_not_over_a_resend_that_failed(
    facts: Sequence[Fact], policy: Policy, action: Action
) -> None:
    assert decide(known(*facts), policy, is_whole) is action


@pytest.mark.parametrize(
    ("fact", "kind", "action"),
    [
        (Fact.FAILED, "run_failed", POST),
        (Fact.FAILED, "invalid_input", HOLD),
        (Fact.FAILED_AFTER_SUCCESS, "run_failed", COLLECT),
        (Fact.LOST, "lost", POST),
        (Fact.CANCELLED, "cancelled", POST),
        (Fact.LOST, "cancelled", HOLD),
    ],
)
def test_retry_selects_by_kind(fact: Fact, kind: str, action: Action) -> None:
    assert decide(known(fact), Policy(retry=frozenset({kind})), is_whole) is action


def ledger(**facts: Sequence[Fact]) -> RunState:
    """Return a RunState whose jobs are named by prompt number: `j1=(Fact.DONE,)`."""
    state = RunState()
    for name, attempts in facts.items():
        state.jobs[job(int(name[1:])).id] = known(*attempts)
    return state


def test_what_is_in_flight_is_collected_first_selected_or_not_and_beside_a_done_attempt_too() -> None:
    state = ledger(j1=(Fact.FAILED_AFTER_SUCCESS,), j2=(Fact.DONE, Fact.SUBMITTED), j3=(Fact.SUBMITTED,))
    found = [(job_id, one.number) for job_id, one in plan.to_collect(state, RETRY, is_whole)]
    assert found == [(job(2).id, 2), (job(3).id, 1), (job(1).id, 1)]


def test_the_oldest_requests_are_collected_first() -> None:
    """The server deletes results after some days, those of a failed download as well."""
    state = ledger(j1=(Fact.SUBMITTED,), j2=(Fact.FAILED_AFTER_SUCCESS,), j3=(Fact.SUBMITTED,))
    for number, day in ((1, 3), (2, 1), (3, 2)):
        state.jobs[job(number).id].best.submitted_at = f"2025-11-0{day}T02:00:00.000Z"
    found = [job_id for job_id, _ in plan.to_collect(state, RETRY, is_whole)]
    assert found == [job(number).id for number in (2, 3, 1)]


def test_what_is_collected_in_a_run_is_not_posted_in_it() -> None:
    state = ledger(j1=(Fact.SUBMITTED,))
    settled = frozenset({job(1).id})
    state.jobs[job(1).id].attempts[0].fact = Fact.FAILED  # As it happens during the run.
    stream = plan.to_post([job(1), job(2)], state, price=price, policy=RETRY, whole=is_whole, settled=settled)
    assert [post.job.id for post in stream if post] == [job(2).id]


def test_the_stream_lets_others_breathe_while_it_finds_nothing() -> None:
    state = RunState()
    jobs = [job(number) for number in range(2 * plan.BREATH)]
    state.jobs.update({one.id: known(Fact.DONE) for one in jobs})
    stream = plan.to_post(jobs, state, price=price, policy=RUN, whole=is_whole, settled=frozenset())
    assert list(stream) == [None, None]


def price(_: object) -> Cost:
    return Cost(Decimal("0.08"), Decimal("0.10"))


def test_a_survey_counts_every_job_once_and_prices_what_is_new() -> None:
    state = ledger(
        j1=(Fact.DONE,),
        j2=(Fact.SUBMITTED,),
        j3=(Fact.FAILED,),
        j4=(Fact.UNKNOWN,),
        j5=(Fact.LOST,),
        j6=(Fact.CANCELLED,),
        j9=(Fact.FAILED,),
    )
    found = plan.survey(map(job, range(1, 9)), state, price=price, policy=RUN, whole=is_whole)
    counts = found.counts
    assert {state_word: counts[state_word] for state_word in State} == dict.fromkeys(State, 1) | {State.NEW: 2}
    assert counts["jobs"] == sum(counts[state_word] for state_word in State) == 8
    assert (counts["removed"], counts["missing"]) == (1, 0)
    assert (found.low, found.high, found.posts) == (Decimal("0.16"), Decimal("0.20"), 2)
    assert found.unlisted == (job(9).id,)


def test_a_plan_with_a_job_without_price_has_no_cost() -> None:
    found = plan.survey([job(1)], RunState(), price=lambda _: None, policy=RUN, whole=is_whole)
    assert found.cost is None
    assert found.unpriced == {job(1).model}


def test_selection_counts_what_is_selected_and_removed_counts_the_whole_manifest() -> None:
    state = ledger(j1=(Fact.DONE,), j2=(Fact.FAILED,), j3=(Fact.DONE,))
    jobs = [job(1), job(2)]
    found = plan.survey(jobs, state, price=price, policy=RUN, whole=is_whole, selected=lambda one: one.id == job(1).id)
    assert (found.counts["jobs"], found.counts[State.DONE], found.counts["removed"]) == (1, 1, 1)
    assert found.unlisted == (job(2).id,)
