"""How many requests may be in flight, as the server's refusals teach it."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.engine.capacity import (
    FIRST,
    MOST,
    PAUSE_S,
    PROBE_FIRST_S,
    PROBE_GROWTH,
    PROBE_LONGEST_S,
    STEP_S,
    Capacity,
)

PER_SECOND = 4.0


class Desk:
    """A Capacity, a clock, and the requests in flight."""

    def __init__(self, ceiling: int | None = 64, per_second: float = PER_SECOND) -> None:
        self.capacity = Capacity(ceiling, per_second, random.Random(1))
        self.now = 100.0
        self.requests = itertools.count()
        self.running: list[int] = []

    def permit(self, longest: float = 1.0) -> bool:
        """Wait for permission, at most so long, and set off."""
        wait = self.capacity.wait(self.now)
        while 0 < wait <= longest:
            self.now += wait
            longest -= wait
            wait = self.capacity.wait(self.now)
        if wait == 0:
            self.capacity.posting(self.now)
        return wait == 0

    def accept(self) -> None:
        """The server takes what set off last."""
        self.now += 0.1
        self.running.append(next(self.requests))
        self.capacity.accepted(self.running[-1], self.now)

    def refuse(self, retry_after: float | None = None) -> float:
        """The server refuses it."""
        self.now += 0.1
        return self.capacity.refused(self.now, retry_after)

    def fill(self, cap: int) -> None:
        """Submit until nothing may be any more, at a server that takes so many."""
        while self.permit(PROBE_FIRST_S - 0.5):
            if len(self.running) < cap:
                self.accept()
            else:
                self.refuse()

    def end(self) -> None:
        """The oldest request ends."""
        self.capacity.ended(self.running.pop(0))


@pytest.mark.parametrize("ceiling", [1, 8])
def test_a_chosen_number_is_used_from_the_start_and_never_passed(ceiling: int) -> None:
    desk = Desk(ceiling)
    desk.fill(1000)
    assert len(desk.running) == ceiling
    assert desk.capacity.wait(desk.now) == math.inf
    desk.end()
    assert desk.capacity.wait(desk.now + 1.0) == 0.0


def test_the_pace_is_kept() -> None:
    desk = Desk()
    began = desk.now
    for _ in range(21):
        assert desk.permit()
        desk.accept()
    assert desk.now - began == pytest.approx(20 / PER_SECOND + 0.1)


def test_without_a_chosen_number_every_acceptance_adds_one() -> None:
    desk = Desk(None)
    for _ in range(FIRST):
        assert desk.permit()
    assert not desk.permit()
    desk.accept()
    assert desk.permit()
    assert not desk.permit()
    desk = Desk(None)
    desk.fill(1000)
    assert len(desk.running) == MOST


def test_a_cap_is_found_confirmed_and_kept() -> None:
    desk = Desk()
    desk.fill(10)
    assert (len(desk.running), desk.capacity.limit) == (10, 10)
    desk.end()
    assert desk.permit(PROBE_FIRST_S)
    desk.accept()
    assert 0 < desk.capacity.wait(desk.now) <= PROBE_FIRST_S


def test_a_refusal_pauses_everybody_as_long_as_the_server_wishes() -> None:
    desk = Desk()
    desk.permit()
    desk.accept()
    desk.permit()
    desk.permit()
    pause = desk.refuse()
    assert 0.8 * PAUSE_S <= pause <= 1.2 * PAUSE_S
    assert desk.refuse(retry_after=30.0) == 30.0
    assert desk.capacity.wait(desk.now) == pytest.approx(30.0)


def test_refusals_of_one_episode_count_once() -> None:
    desk = Desk()
    for _ in range(4):
        desk.permit()
    desk.accept()
    left = [desk.refuse() for _ in range(3)]
    assert left == sorted(left, reverse=True)
    assert left[-1] > 0


def test_refusals_in_a_row_pause_longer_and_longer() -> None:
    desk = Desk()
    pauses = []
    for _ in range(7):
        assert desk.permit(1000.0)
        pauses.append(desk.refuse())
    assert [pause > 1.2 * earlier for earlier, pause in itertools.pairwise(pauses[:5])] == [True] * 4
    assert max(pauses) <= 36.0


def test_after_a_pause_one_post_waits_for_the_answer_of_the_one_before() -> None:
    desk = Desk()
    for _ in range(3):
        desk.permit()
        desk.accept()
    desk.permit()
    desk.refuse()
    desk.end()
    desk.end()
    assert desk.permit(2 * PAUSE_S)
    assert desk.capacity.wait(desk.now + 1.0) == math.inf
    desk.accept()
    assert desk.permit()


def learned_cap(cap: int = 10) -> Desk:
    """Return a desk that knows the cap and has waited for its first probe."""
    desk = Desk()
    desk.fill(cap)
    desk.now += desk.capacity.wait(desk.now)
    return desk


def test_a_refused_probe_costs_no_pause_and_makes_the_time_to_the_next_longer() -> None:
    desk = learned_cap()
    gap = PROBE_FIRST_S
    for _ in range(5):
        assert desk.permit()
        assert desk.refuse() == 0.0
        assert desk.capacity.limit == 10
        gap = min(PROBE_GROWTH * gap, PROBE_LONGEST_S)
        assert desk.capacity.wait(desk.now) == pytest.approx(gap)
        desk.now += gap


@pytest.mark.parametrize(("refused_before", "sizes"), [(0, [1, 53]), (4, [1, 2, 51])])
def test_accepted_probes_go_on_in_growing_steps_until_the_cap_is_believed_no_longer(
    refused_before: int, sizes: list[int]
) -> None:
    desk = learned_cap()
    for _ in range(refused_before):
        assert desk.permit()
        desk.refuse()
        desk.now += desk.capacity.wait(desk.now)
    taken = []
    while len(desk.running) < 64:
        before = len(desk.running)
        while desk.permit():
            desk.accept()
        taken.append(len(desk.running) - before)
        desk.now += STEP_S
    assert taken == sizes


def test_a_lower_cap_than_before_is_learned() -> None:
    desk = learned_cap(10)
    for _ in range(6):
        while desk.running:
            desk.end()
        desk.now += 60.0
        desk.fill(5)
    assert desk.capacity.limit == 5


def refuse_by_chance(desk: Desk, until: int, every: int) -> int:
    """Fill up to a number at a server that refuses one POST in so many; return how many it refused."""
    posts = refused = 0
    while len(desk.running) < until:
        assert desk.permit(100.0)
        posts += 1
        if posts % every:
            desk.accept()
        else:
            refused += 1
            desk.refuse()
    return refused


@pytest.mark.parametrize("every", [4, 10, 20])
def test_refusals_by_chance_are_no_cap(every: int) -> None:
    desk = Desk()
    refuse_by_chance(desk, 60, every)
    assert desk.capacity.limit == 64


def test_the_commoner_chance_refusals_are_the_shorter_are_the_pauses() -> None:
    desk = Desk()
    refuse_by_chance(desk, 60, 5)
    assert desk.permit()
    assert desk.refuse() < PAUSE_S / 10
    assert desk.refuse(retry_after=7.0) == 7.0


def test_where_chance_refusals_are_common_a_cap_takes_more_of_them_in_a_row() -> None:
    rows = []
    for common in (False, True):
        desk = Desk()
        if common:
            refuse_by_chance(desk, 30, 4)
        while len(desk.running) > 20:
            desk.end()
        while len(desk.running) < 20:
            desk.permit(10.0)
            desk.accept()
        rows.append(0)
        while desk.capacity.limit == 64:
            assert desk.permit(100.0)
            desk.refuse()
            rows[-1] += 1
    assert rows[0] == 2
    assert 3 <= rows[1] <= 6


def test_a_rate_is_told_from_a_cap_and_lowers_the_pace_alone() -> None:
    """Again and again refused after a few, at whatever number, and taken beyond it after the pause."""
    desk = Desk()
    for _ in range(3):
        for _ in range(6):
            assert desk.permit(10.0)
            desk.accept()
        assert desk.permit(10.0)
        desk.refuse()
    assert desk.capacity.pace.per_second < PER_SECOND
    assert desk.capacity.limit == 64


def test_refusals_with_nothing_in_flight_are_no_cap() -> None:
    desk = Desk()
    for _ in range(5):
        assert desk.permit(1000.0)
        desk.refuse()
    assert desk.capacity.limit == 64
    assert desk.permit(1000.0)


def test_answers_to_posts_from_before_the_pause_make_no_new_pause_but_may_ask_for_a_longer_one() -> None:
    desk = Desk(per_second=1000.0)
    for _ in range(4):
        assert desk.permit()
    first = desk.refuse()
    desk.now += first + 1.0
    assert desk.refuse() == 0.0
    assert desk.refuse(retry_after=9.0) == 9.0
    desk.now += 9.0
    desk.accept()
    assert desk.permit()
    assert desk.refuse() > 0.0


def test_requests_of_an_earlier_run_hold_their_places() -> None:
    desk = Desk(3)
    desk.capacity.found()
    desk.capacity.found()
    desk.fill(1000)
    assert len(desk.running) == 1
    desk.capacity.ended("old")
    assert desk.permit()


def test_a_post_without_an_answer_gives_its_place_back() -> None:
    desk = Desk(1)
    desk.permit()
    assert not desk.permit()
    desk.capacity.unanswered()
    assert desk.permit()


def test_places_that_are_all_left_to_the_server_are_known() -> None:
    desk = Desk(None)
    desk.permit()
    desk.accept()
    assert not desk.capacity.blocked
    for _ in range(desk.capacity.limit):
        desk.capacity.left()
    assert desk.capacity.blocked


def queueing(slots: int, ceiling: int | None) -> Desk:
    """Return a desk at a server that runs so many at once and tells the places of the others."""
    desk = Desk(ceiling)
    for _ in range(300):
        for place, request in enumerate(desk.running, 1 - slots):
            desk.capacity.standing(request, place if place > 0 else None)
        while desk.permit():
            desk.accept()
        desk.now += 1.0
        desk.end()
    return desk


def test_without_a_chosen_number_two_requests_wait_in_the_server_s_queue() -> None:
    assert len(queueing(8, None).running) + 1 == pytest.approx(10, abs=1)
    assert len(queueing(8, 30).running) + 1 == 30


def test_a_queue_of_other_people_s_requests_is_no_reason_to_send_fewer() -> None:
    desk = Desk(None)
    for number in range(60):
        while desk.permit():
            desk.accept()
        for request in desk.running:
            desk.capacity.standing(request, 500 + number)
    assert len(desk.running) == MOST


@given(st.lists(st.sampled_from(["post", "accept", "refuse", "fail", "end", "wait", "queue"]), max_size=200), st.data())
def test_whatever_happens_the_ceiling_holds_and_permission_comes_again(story: list[str], data: st.DataObject) -> None:
    ceiling = data.draw(st.one_of(st.none(), st.integers(1, 12)))
    desk = Desk(ceiling)
    on_wire = 0
    for what in story:
        if what == "post" and desk.capacity.wait(desk.now) == 0:
            desk.capacity.posting(desk.now)
            on_wire += 1
        elif what in ("accept", "refuse", "fail") and on_wire:
            on_wire -= 1
            match what:
                case "accept":
                    desk.accept()
                case "refuse":
                    desk.refuse()
                case _:
                    desk.capacity.unanswered()
        elif what == "end" and desk.running:
            desk.end()
        elif what == "queue" and desk.running:
            desk.capacity.standing(desk.running[-1], len(desk.running))
        elif what == "wait":
            desk.now += 7.0
        assert len(desk.running) + on_wire <= (ceiling or MOST)
    for _ in range(on_wire):
        desk.capacity.unanswered()
    while desk.running:
        desk.end()
    assert desk.permit(60.0)
