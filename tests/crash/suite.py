"""`python tests/crash/suite.py`: no crash loses a picture or pays twice. Prints what was tried; exit 1 if it is not so.

Without options every boundary of the main scenario is killed, and a sample of everything else. With `--minutes` all of
it is tried, again and again with other chances, until the time is over. A violation names what shows it again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crash import forked, power, storms
from crash.oracle import Tally
from crash.points import Killer, Point, Scout, Trial
from crash.scenarios import SCENARIOS, Scenario

WORKERS = 8
"""Most of a run is waiting for the server, so more than there are cores."""

SAMPLE = 8
TWICE = 4
STORMS = 8
PARTS = {"points": 0.7, "power": 0.5, "storms": 1.0}
"""The suites, each with its share of the time that is left."""

SHOWN = 20
ROWS = (
    ("boundaries found", "boundaries"),
    ("killed", "killed"),
    ("not reached again", "not_reached"),
    ("power losses", "power_losses"),
    ("runs resumed", "resumed"),
    ("submissions accepted", "accepted"),
    ("paid twice", "paid_twice"),
    ("sent again by a person", "resent"),
    ("lost", "lost"),
    ("unknown", "unknown"),
    ("of them accounted for", "decided"),
)


@dataclass(slots=True)
class Suite:
    """One round of the suites in `folder`; `deadline` is on the monotonic clock."""

    folder: Path
    seed: int
    chosen: Sequence[Scenario]
    full: bool
    deadline: float
    cases: int = 0
    spreads: int = 0

    def points(self, at: str = "", again: str = "") -> Tally:
        """Kill at every boundary of the main scenario, and at some or all of the others'; some are killed twice."""
        recorded = self._spread([self._point(one) for one in self.chosen], Scout, Trial)
        tally = Tally(boundaries=sum(map(len, recorded)))
        chance = random.Random(self.seed)
        points: list[Point] = []
        for scenario, boundaries in zip(self.chosen, recorded, strict=False):
            if at:
                points += [self._point(scenario, at, again)]
                continue
            every = [self._point(scenario, name) for name in boundaries]
            some = self.full or scenario is SCENARIOS[0]
            points += every if some else chance.sample(every, min(SAMPLE, len(every)))
            for _ in range(len(every) if self.full else TWICE):
                points.append(self._point(scenario, chance.choice(boundaries), chance.choice(recorded[0])))
        return self._added(tally, points, Trial)

    def storms(self) -> Tally:
        """Kill client and server at random moments."""
        count = STORMS * (5 if self.full else 1)
        return self._added(Tally(), [self._point(storms.STORM, deal=deal) for deal in range(count)], storms.Storm)

    def power(self) -> Tally:
        """Cut the power at every operation on the disk."""
        count = 4 if self.full else 1
        points = [self._point(one, deal=deal) for one in self.chosen for deal in range(count)]
        return self._added(Tally(), points, power.Outage)

    def _point(self, scenario: Scenario, fatal: str = "", again: str = "", deal: int = 0) -> Point:
        self.cases += 1
        return Point(scenario, fatal, self.cases, again, deal)

    def _added(self, tally: Tally, points: Sequence[Point], trial: type[Trial]) -> Tally:
        for one in self._spread(points, Killer, trial):
            tally += one
        return tally

    def _spread(self, points: Sequence[Point], kind: Callable[..., Any], trial: type[Trial]) -> list[Any]:
        self.spreads += 1
        folder, seed = self.folder / str(self.spreads), self.seed
        folder.mkdir(parents=True)
        return forked.spread(
            points,
            lambda number: kind(folder / f"worker-{number}", seed, trial),
            workers=WORKERS,
            folder=folder,
            deadline=self.deadline,
        )


def main() -> int:
    """Run what the command line asks for, and return the exit code."""
    options = _parser().parse_args()
    chosen = [one for one in SCENARIOS if options.scenario in ("", one.name)]
    # Nothing here is kept, and what a power loss does is modelled: memory will do.
    memory = "/dev/shm" if "TMPDIR" not in os.environ and Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="batchgen-crash-", dir=memory))
    began = time.monotonic()
    deadline = began + 60 * options.minutes if options.minutes else float("inf")
    forked.warm_up()
    tally, seed = Tally(), options.seed
    while True:
        suite = Suite(folder / str(seed), seed, chosen, bool(options.minutes), deadline)
        for part in options.only or (["points"] if options.at else PARTS):
            if options.minutes and not options.only:
                suite.deadline = time.monotonic() + PARTS[part] * max(0.0, deadline - time.monotonic())
            tally += suite.points(options.at, options.again) if part == "points" else getattr(suite, part)()
        if tally.problems or not options.minutes or time.monotonic() >= deadline:
            break
        seed += 1
    _show(tally, f"seed {options.seed}" + (f" to {seed}" if seed > options.seed else ""), time.monotonic() - began)
    if not tally.problems:
        shutil.rmtree(folder)
        return 0
    _say(f"{len(tally.problems)} violations, seed {seed}; what they left is in {folder}", *tally.problems[:SHOWN])
    return 1


def _show(tally: Tally, seeds: str, seconds: float) -> None:
    _say(*(f"{title:24}{getattr(tally, name):10,}" for title, name in ROWS), f"{seeds}, {seconds:.0f} s")


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seed", type=int, default=0, help="what all chances are drawn from")
    add("--minutes", type=float, default=0.0, help="try everything, until this time is over")
    add("--only", nargs="+", choices=PARTS, help="some of the suites")
    add("--scenario", default="", help="one of the scenarios: " + ", ".join(one.name for one in SCENARIOS))
    add("--at", default="", help='one boundary, such as "before Client.submit #1"')
    add("--again", default="", help="a boundary at which the run that resumes ends as well")
    return parser


if __name__ == "__main__":
    sys.exit(main())
