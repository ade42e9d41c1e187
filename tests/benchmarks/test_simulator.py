"""What the simulator says of the rules: exact, since nothing in it is left to chance or to a clock."""

from __future__ import annotations

import pytest
import simulate
from rivals import Fixed, Steady
from simulator import Server, SimJob, Simulation

from batchgen.engine.polling import Polling

FIGURES = {
    "lag at equal reads over a fixed interval, 12 s sigma 0.5": 0.712,
    "the same, sigma 0.25": 0.449,
    "the same, 6 s and 24 s told apart": 0.399,
    "lag + 0.1 s x reads over the oracle, first 1000, sigma 0.5": 1.02,
    "lag + 0.1 s x reads over the oracle, first 150, sigma 0.5": 1.061,
    "lag + 0.1 s x reads over the oracle, first 1000, sigma 0.25": 1.08,
    "lag + 0.1 s x reads over the oracle, first 150, sigma 0.25": 1.15,
    "makespan over its lower bound, 8 places": 1.042,
    "makespan over its lower bound, 32 places": 1.06,
    "makespan over its lower bound, 8 server slots, 2 ahead": 1.005,
    "makespan over its lower bound, 8 server slots, concurrency auto": 1.005,
    "hidden cap of 10 under a limit of 64: utilisation": 0.962,
    "hidden cap of 10: 429s per 1,000 jobs": 9.0,
    "hidden rate of 2 a second: throughput over it": 1.003,
    "hidden rate of 2 a second: 429s per 1,000 jobs": 7.0,
    "1% refused by chance, service 12 s: throughput over the possible": 0.991,
    "5% refused by chance, service 12 s: throughput over the possible": 0.931,
    "30% refused by chance, service 12 s: throughput over the possible": 0.764,
    "1% refused by chance, service 1 s, any pace: the same": 0.674,
    "5% refused by chance, service 1 s, any pace: the same": 0.715,
    "30% refused by chance, service 1 s, any pace: the same": 0.118,
    "5% refused by chance, hidden cap of 10: the same": 0.929,
    "reads per job, result alone": 5.809,
    "makespan over its lower bound, 8 places, round trips of 0.1 s, result alone": 1.054,
    "lag with 64 places and 20 reads a second, in s": 0.826,
}


def test_every_figure_reaches_its_goal_and_is_what_it_was() -> None:
    """A change of a rule changes figures: look at them, and write them down here."""
    figures = {figure.name: figure for figure in simulate.figures()}
    assert [name for name, figure in figures.items() if not figure.reached] == []
    assert {name: round(figure.here, 3) for name, figure in figures.items()} == FIGURES


@pytest.mark.parametrize(
    ("server", "accepted"),
    [
        (Server(), [0, 1, 2, 3]),
        (Server(slots=1), [0, 1, 2, 3]),
        (Server(cap=2), [0, 1, None, None]),
        (Server(rate=1.0, burst=3), [0, 1, 2, None]),
    ],
)
def test_the_server_refuses_beyond_its_cap_or_rate_alone(server: Server, accepted: list[int | None]) -> None:
    assert [server.accept(10.0, 0.0) for _ in range(4)] == accepted


def test_the_server_refuses_its_share_by_chance_whatever_else_holds() -> None:
    server = Server(noise=0.3)
    refused = sum(server.accept(1.0, float(now)) is None for now in range(1000))
    assert 250 < refused < 350


def test_what_is_beyond_the_slots_queues_in_order() -> None:
    server = Server(slots=2)
    for service in (10.0, 4.0, 5.0, 1.0):
        server.accept(service, 0.0)
    assert server.ends == [10.0, 4.0, 9.0, 10.0]
    assert [server.place(number, 0.0) for number in range(4)] == [None, None, 1, 2]
    assert [server.place(number, 5.0) for number in range(4)] == [None, None, None, 1]
    assert server.busy(5.0) == 5.0 + 4.0 + 1.0


def test_round_trips_and_reads_are_counted() -> None:
    played = Simulation([SimJob("any", 1.0)], Fixed(0.5), Steady(1), round_trip=0.2).run()
    assert played.reads == [2]  # The server has it at 0.1 s; it is asked at 0.8 s and, after an answer, at 1.5 s.
    assert played.lags == [pytest.approx(0.4)]


def test_everything_is_seen_through_under_a_pace_of_reads() -> None:
    jobs = [SimJob("any", 3.0)] * 50
    played = Simulation(jobs, Polling(), Steady(50), reads_per_second=5.0).run()
    assert len(played.lags) == 50
    assert sum(played.reads) <= 5.0 * played.now + 10
