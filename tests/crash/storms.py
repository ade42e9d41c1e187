"""SIGKILL at random moments: of the client, of the server, of both, again and again."""

from __future__ import annotations

import os
import random
import signal
import time

from crash import forked, oracle
from crash.oracle import Tally
from crash.points import RESUME, Trial
from crash.scenarios import Scenario

STORM = Scenario(
    "storm",
    subjects=("a fox", "two herons", "a crane", f"a lost cause {oracle.FAIL_MARK}"),
    server=("--service-time", "0.1"),
)
MOST_KILLS = 4
LONGEST_S = 0.6


class Storm(Trial):
    """One batch that meets several kills."""

    def carry_out(self) -> Tally:
        """Start and kill, until one run is left in peace; then judge it."""
        chance = random.Random(f"{self.seed} {self.point.deal}")
        self.begin()
        for _ in range(chance.randint(1, MOST_KILLS)):
            self._strike(chance.choice(["client", "server", "both"]), chance.uniform(0.02, LONGEST_S))
        self._kill_server()
        code = self.run_again(RESUME)
        oracle.judge_settled(self.book, code, self.tally, jobs=len(self.scenario.subjects))
        self.settle()
        return self.tally

    def _strike(self, whom: str, after: float) -> None:
        client = forked.start(self.command(RESUME))
        time.sleep(after)
        if whom != "client":
            self._kill_server()
            time.sleep(after / 4)
        if whom != "server":
            os.kill(client, signal.SIGKILL)
            self.tally.killed += 1
        code = forked.end_of(client)
        self.tally.hold(code in (0, 1, 4, -signal.SIGKILL), f"exit code {code} while the {whom} was killed")

    def _kill_server(self) -> None:
        self.sandbox.restart()
        self.tally.killed += 1
