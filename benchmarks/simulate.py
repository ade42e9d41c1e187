"""Hold the rules of polling and of concurrency against goals, other clients' habits and an oracle, in a few seconds.

    python benchmarks/simulate.py

Everything is simulated and seeded: the figures are the same on every machine. The network takes no time but where a
figure says so: its round trips come on top of everybody's, whatever the rule.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from statistics import fmean

from rivals import READ_COST_S, Exponential, Fixed, Halving, Oracle, Patient, Steady
from simulator import Gate, Laws, Rule, Server, SimJob, Simulation, draw
from table import Row

from batchgen.engine.capacity import Capacity
from batchgen.engine.polling import Polling

COMMAND = "python benchmarks/simulate.py"
SEEDS = (1, 2, 3)
JOBS = 1000
PLACES = 32
PER_SECOND = 4.0
FAST = 1000.0

WIDE: Laws = {"1K": (12.0, 0.5)}
NARROW: Laws = {"1K": (12.0, 0.25)}
SHORT: Laws = {"1K": (1.0, 0.25)}
TWO: Laws = {"1K": (6.0, 0.25), "4K": (24.0, 0.25)}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its goal; lower is better unless `higher`. `beside` are the same figure for others."""

    name: str
    goal: float | None
    here: float
    beside: dict[str, float] = field(default_factory=dict)
    higher: bool = False

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        return self.goal is None or (self.here >= self.goal if self.higher else self.here <= self.goal)

    @property
    def wanted(self) -> str:
        """The goal in words."""
        return "" if self.goal is None else f"{'at least' if self.higher else 'at most'} {self.goal:g}"


@cache
def oracle(kind: str, mean: float, sigma: float) -> Oracle:
    """Return the best rule for one kind, which is dear to find."""
    return Oracle({kind: (mean, sigma)})


@cache
def jobs_of(seed: int, *laws: tuple[str, tuple[float, float]]) -> Sequence[SimJob]:
    """Return the jobs of a seed."""
    return draw(seed, JOBS, dict(laws))


def simulate(laws: Laws, rule: Callable[[], Rule], gate: Callable[[int], Gate], **more: object) -> list[Simulation]:
    """Play the jobs of every seed; `more` goes to the Simulation, `server` as what makes one."""
    server = more.pop("server", Server)
    assert callable(server)
    played = []
    for seed in SEEDS:
        jobs = jobs_of(seed, *laws.items())
        played.append(Simulation(jobs, rule(), gate(seed), server(), **more).run())  # type: ignore[arg-type]
    return played


def polled(laws: Laws, rule: Callable[[], Rule], places: int = PLACES) -> list[Simulation]:
    """Play every seed with so many places, each filled at once."""
    return simulate(laws, rule, lambda _: Steady(places))


def lag(played: Sequence[Simulation]) -> float:
    """Return the mean lag in seconds."""
    return fmean(fmean(one.lags) for one in played)


def reads(played: Sequence[Simulation]) -> float:
    """Return the mean number of reads per job."""
    return fmean(fmean(one.reads) for one in played)


def cost(played: Sequence[Simulation], first: int = JOBS) -> float:
    """Return lag + cost x reads of the first requests to end."""
    return fmean(fmean(one.lags[:first]) + READ_COST_S * fmean(one.reads[:first]) for one in played)


def lag_at_equal_reads(laws: Laws) -> float:
    """Return the learned rule's lag over that of the fixed interval which reads as often."""
    learned = polled(laws, Polling)
    wanted = reads(learned)
    shortest, longest = 0.5, 8.0
    for _ in range(10):
        middle = (shortest + longest) / 2
        if reads(polled(laws, partial(Fixed, middle))) > wanted:
            shortest = middle
        else:
            longest = middle
    return lag(learned) / lag(polled(laws, partial(Fixed, longest)))


def over_oracle(laws: Laws, rule: Callable[[], Rule], first: int = JOBS) -> float:
    """Return a rule's lag + cost x reads over the oracle's."""
    kind, law = next(iter(laws.items()))
    return cost(polled(laws, rule), first) / cost(polled(laws, lambda: oracle(kind, *law)), first)


def makespan(played: Sequence[Simulation], laws: Laws, places: int) -> float:
    """Return how long the batch took over the least that so many places could take."""
    least = [sum(job.service for job in jobs_of(seed, *laws.items())) / places for seed in SEEDS]
    return fmean(one.now / bound for one, bound in zip(played, least, strict=True))


def polling_figures() -> Iterator[Figure]:
    """How soon ends are noticed, for how many reads."""
    yield Figure("lag at equal reads over a fixed interval, 12 s sigma 0.5", 0.76, lag_at_equal_reads(WIDE))
    yield Figure("the same, sigma 0.25", 0.48, lag_at_equal_reads(NARROW))
    yield Figure("the same, 6 s and 24 s told apart", 0.45, lag_at_equal_reads(TWO))
    for laws, spread in ((WIDE, "0.5"), (NARROW, "0.25")):
        for first, goal in ((JOBS, 1.1), (150, 1.25)):
            beside = {
                "every 2 s": over_oracle(laws, lambda: Fixed(2.0), first),
                "every 5 s": over_oracle(laws, lambda: Fixed(5.0), first),
                "exponential": over_oracle(laws, Exponential, first),
            }
            name = f"lag + {READ_COST_S:g} s x reads over the oracle, first {first}, sigma {spread}"
            yield Figure(name, goal, over_oracle(laws, Polling, first), beside)


def makespan_figures() -> Iterator[Figure]:
    """How full the places are kept."""
    for places, goal in ((8, 1.06), (32, 1.11)):
        beside = {
            "every 2 s": makespan(polled(NARROW, lambda: Fixed(2.0), places), NARROW, places),
            "every 5 s": makespan(polled(NARROW, lambda: Fixed(5.0), places), NARROW, places),
        }
        here = makespan(polled(NARROW, Polling, places), NARROW, places)
        yield Figure(f"makespan over its lower bound, {places} places", goal, here, beside)
    yield queue_figure("8 server slots, 2 ahead", lambda _: Steady(10))
    yield queue_figure("8 server slots, concurrency auto", partial(learned, ceiling=None))


def queue_figure(name: str, gate: Callable[[int], Gate]) -> Figure:
    """Eight slots, whatever is beyond them queues."""

    def eight() -> Server:
        return Server(slots=8)

    none_ahead = makespan(simulate(NARROW, Polling, lambda _: Steady(8), server=eight), NARROW, 8)
    here = makespan(simulate(NARROW, Polling, gate, server=eight), NARROW, 8)
    return Figure(f"makespan over its lower bound, {name}", 1.01, here, {"none ahead": none_ahead})


def learned(seed: int, ceiling: int | None = 64, per_second: float = PER_SECOND) -> Gate:
    """Return the engine's gate under a ceiling; None leaves that to be learned, too."""
    return Capacity(ceiling, per_second, random.Random(seed))  # noqa: S311 - jitter is no secret


def capacity_figures() -> Iterator[Figure]:
    """What is made of limits that the server does not publish; measured until the last job is taken."""
    gates: dict[str, Callable[[int], Gate]] = {
        "learned": learned,
        "halving": lambda _: Halving(64),
        "64 and a pause": lambda _: Patient(64),
    }
    capped = {name: simulate(NARROW, Polling, gate, server=lambda: Server(cap=10)) for name, gate in gates.items()}
    used = {
        name: fmean(one.server.busy(one.last_accepted) / 10 / one.last_accepted for one in played)
        for name, played in capped.items()
    }
    yield Figure("hidden cap of 10 under a limit of 64: utilisation", 0.96, used.pop("learned"), used, higher=True)
    yield refusals("hidden cap of 10", 10, capped)
    rated = {name: simulate(NARROW, Polling, gate, server=lambda: Server(rate=2.0)) for name, gate in gates.items()}
    through = {name: fmean(JOBS / one.last_accepted / 2.0 for one in played) for name, played in rated.items()}
    yield Figure("hidden rate of 2 a second: throughput over it", 0.94, through.pop("learned"), through, higher=True)
    yield refusals("hidden rate of 2 a second", 25, rated)


def noise_figures() -> Iterator[Figure]:
    """What refusals by chance cost, over the throughput of a client that loses nothing by them but the POST."""
    cases = (("1%", 0.01, 0.95, 0.6), ("5%", 0.05, 0.9, 0.6), ("30%", 0.3, 0.75, 0.1))
    for percent, share, goal, _ in cases:
        beside = {
            "halving": noisy(share, NARROW, lambda _: Halving(64)),
            "64 and a pause": noisy(share, NARROW, lambda _: Patient(64)),
        }
        name = f"{percent} refused by chance, service 12 s: throughput over the possible"
        yield Figure(name, goal, noisy(share, NARROW, learned), beside, higher=True)
    for percent, share, _, goal in cases:
        name = f"{percent} refused by chance, service 1 s, any pace: the same"
        yield Figure(name, goal, noisy(share, SHORT, partial(learned, per_second=FAST), per_second=FAST), higher=True)
    name = "5% refused by chance, hidden cap of 10: the same"
    yield Figure(name, 0.9, noisy(0.05, NARROW, learned, 10), higher=True)


def noisy(
    share: float, laws: Laws, gate: Callable[[int], Gate], cap: int = 64, per_second: float = PER_SECOND
) -> float:
    """Return the throughput over what places and pace allow, at a server that refuses that share of POSTs."""
    ((mean, _),) = laws.values()
    possible = min(cap / mean, per_second * (1 - share))
    through = []
    for seed in SEEDS:
        server = Server(cap=cap, noise=share, chance=random.Random(seed))  # noqa: S311 - simulated, no secret
        played = Simulation(jobs_of(seed, *laws.items()), Polling(), gate(seed), server).run()
        through.append(JOBS / played.last_accepted / possible)
    return fmean(through)


def refusals(name: str, goal: float, played: dict[str, list[Simulation]]) -> Figure:
    """Return the 429s per 1,000 jobs."""
    count = {gate: fmean(one.refusals for one in runs) * 1000 / JOBS for gate, runs in played.items()}
    return Figure(f"{name}: 429s per 1,000 jobs", goal, count.pop("learned"), count)


def read_figures() -> Iterator[Figure]:
    """What is gained by reading the result alone, with round trips of 0.1 s and 8 places."""
    alone, both = (
        simulate(NARROW, Polling, lambda _: Steady(8), round_trip=0.1, status_first=first) for first in (False, True)
    )
    yield Figure("reads per job, result alone", None, reads(alone), {"status, then result": reads(both)})
    name = "makespan over its lower bound, 8 places, round trips of 0.1 s, result alone"
    yield Figure(name, None, makespan(alone, NARROW, 8), {"status, then result": makespan(both, NARROW, 8)})
    paced = simulate(NARROW, Polling, lambda _: Steady(64), reads_per_second=20.0)
    free = simulate(NARROW, Polling, lambda _: Steady(64))
    yield Figure("lag with 64 places and 20 reads a second, in s", None, lag(paced), {"any number of reads": lag(free)})


def figures() -> Iterator[Figure]:
    """Every figure of the simulator."""
    yield from polling_figures()
    yield from makespan_figures()
    yield from capacity_figures()
    yield from noise_figures()
    yield from read_figures()


def rows() -> Iterator[Row]:
    """Yield each figure in the form that all benchmarks share."""
    for figure in figures():
        others = ", ".join(f"{name} {value:.3g}" for name, value in figure.beside.items())
        here = f"{figure.here:.3f}" + (f" ({others})" if others else "")
        missed = "" if figure.reached else f"missed by {math.fabs(figure.here - (figure.goal or 0.0)):.3f}"
        yield Row(figure.name, figure.wanted, here, COMMAND, missed)


def main() -> None:
    """Print one table."""
    print(f"{'figure':<78}  {'goal':<14}  {'here':>7}  baselines")
    for figure in figures():
        others = ", ".join(f"{name} {value:.3f}" for name, value in figure.beside.items())
        mark = "" if figure.reached else "  MISSED"
        print(f"{figure.name:<78}  {figure.wanted:<14}  {figure.here:7.3f}  {others}{mark}")


if __name__ == "__main__":
    main()
