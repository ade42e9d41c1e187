"""How many requests may be in flight, as the server's refusals teach it."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.engine.capacity import CAREFUL_S, FIRST, MOST, PAUSE_S, PROBE_FIRST_S, STEP_S, Capacity

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
        while self.permit(10.0):
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
    assert desk.permit(60.0)
    desk.accept()
    assert PROBE_FIRST_S - 20 < desk.capacity.wait(desk.now) <= PROBE_FIRST_S


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


def test_a_refused_probe_costs_no_pause_and_doubles_the_time_to_the_next() -> None:
    desk = learned_cap()
    for expected in (2 * PROBE_FIRST_S, 4 * PROBE_FIRST_S, 4 * PROBE_FIRST_S):
        assert desk.permit()
        assert desk.refuse() == 0.0
        assert desk.capacity.limit == 10
        assert desk.capacity.wait(desk.now) == pytest.approx(expected)
        desk.now += expected


def test_an_accepted_probe_is_followed_in_growing_steps() -> None:
    desk = learned_cap()
    sizes = []
    for _ in range(5):
        before = len(desk.running)
        while desk.permit():
            desk.accept()
        sizes.append(len(desk.running) - before)
        desk.now += STEP_S
    assert sizes == [1, 1, 2, 4, 8]


def test_a_lower_cap_than_before_is_learned() -> None:
    desk = learned_cap(10)
    for _ in range(12):
        while desk.running:
            desk.end()
        desk.now += CAREFUL_S
        desk.fill(5)
    assert desk.capacity.limit == 5


def test_a_rate_is_told_from_a_cap_and_lowers_the_pace_alone() -> None:
    """What was refused at a number is accepted beyond it after the pause: the number was not the reason."""
    desk = Desk()
    for _ in range(6):
        desk.permit()
        desk.accept()
    desk.permit()
    desk.refuse()
    for _ in range(3):
        assert desk.permit(5.0)
        desk.accept()
    assert desk.capacity.pace.per_second < PER_SECOND
    for _ in range(30):
        assert desk.permit(5.0)
        desk.accept()
    assert len(desk.running) == 39


def test_a_refusal_with_nothing_in_flight_is_no_cap() -> None:
    desk = Desk()
    desk.permit()
    desk.refuse()
    assert desk.capacity.pace.per_second < PER_SECOND
    assert desk.permit(2 * PAUSE_S)


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
