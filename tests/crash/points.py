"""Every crash point: the command is recorded once, then killed at each boundary and run again to its end."""

from __future__ import annotations

import random
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crash import forked, oracle
from crash.forked import Command
from crash.oracle import Server, Tally
from crash.scenarios import MANIFEST, Scenario
from crash.seams import DEATH, Track, instrument, read_track
from support.histories import said
from support.sandboxed import Line, Sandbox, Workplace

from batchgen.ledger import checkpoint, replay
from batchgen.state import fold

RESUME = ("run", MANIFEST)
ENDS = (0, 1, 4, 130)
"""The exit codes of runs that nobody killed."""


@dataclass(frozen=True, slots=True)
class Point:
    """One case: a scenario, the boundary to die at (none: run to the end), and a number that nobody else has.

    The run that resumes dies too, at the boundary `again`, if there is one; then comes a third. Where moments are left
    to chance, `deal` is what they are drawn from, beside the seed.
    """

    scenario: Scenario
    fatal: str
    number: int
    again: str = ""
    deal: int = 0

    @property
    def mark(self) -> str:
        """What the prompts of this case begin with."""
        return f"case-{self.number}:"

    def __str__(self) -> str:
        at = f' --at "{self.fatal}"' if self.fatal else f", deal {self.deal}"
        again = f' --again "{self.again}"' if self.again else ""
        return f"--scenario {self.scenario.name}{at}{again}"


class Killer:
    """Works through points, one after the other, against sandboxes of its own."""

    def __init__(self, folder: Path, seed: int, trial: type[Trial] | None = None) -> None:
        self._trial = trial or Trial
        self._folder = folder
        self._seed = seed
        self._sandboxes: dict[tuple[str, ...], Sandbox] = {}
        folder.mkdir(parents=True)

    def __call__(self, point: Point) -> Tally:
        """Kill, resume, judge; what was wrong says how to see it again."""
        trial = self._make(point)
        accepted = trial.sandbox.accepted()
        try:
            tally = trial.carry_out()
        except Exception:
            tally = Tally(problems=[traceback.format_exc()])
        account, taken = trial.sandbox.account(), trial.server.taken()
        tally.accepted = len(taken)
        tally.hold(account["accepted"] - accepted == len(taken), "the server's account and its log do not agree")
        tally.hold(account["token_leaks"] == 0, "the token went to where files are")
        tally.problems = [f"{point}: {problem}" for problem in tally.problems]
        if not tally.problems:
            shutil.rmtree(trial.place.folder)
        return tally

    def close(self) -> None:
        """End the sandboxes."""
        for sandbox in self._sandboxes.values():
            sandbox.end()

    def _make(self, point: Point) -> Trial:
        return self._trial(point, self._sandbox(point.scenario), self._folder / str(point.number), self._seed)

    def _sandbox(self, scenario: Scenario) -> Sandbox:
        known = self._sandboxes.get(scenario.server)
        if known is None:
            folder = self._folder / f"sandbox-{len(self._sandboxes)}"
            known = self._sandboxes[scenario.server] = Sandbox(folder, scenario.server).start()
        return known


class Scout(Killer):
    """Runs to the end and returns every boundary on the way."""

    def __call__(self, point: Point) -> list[str]:  # type: ignore[override]
        trial = self._make(point)
        trial.begin()
        code = trial.run_command()
        if trial.tally.problems or code not in ENDS:
            raise RuntimeError(f"{point.scenario.name} ends with {code} when nobody kills it: {trial.tally.problems}")
        return [name for name, _ in read_track(trial.track)]


class Trial:
    """One case from its empty folder to its judgement."""

    def __init__(self, point: Point, sandbox: Sandbox, folder: Path, seed: int) -> None:
        self.point = point
        self.scenario = point.scenario
        self.sandbox = sandbox
        self.place = Workplace.at(folder, sandbox.origin)
        self.book = self.place.book()
        self.server = Server.from_now(sandbox.directory, point.mark)
        self.track = folder / "track"
        self.tally = Tally()
        self.seed = seed
        self.arguments = self.scenario.command

    def begin(self) -> None:
        """Write the manifest, and make what a first run leaves behind; only then is the command known."""
        self.scenario.write_manifest(self.place, self.point.mark)
        if self.scenario.begun_until:
            code = self._run(RESUME, fatal=self.scenario.begun_until)
            self.tally.hold(code == DEATH, f"{self.scenario.begun_until} is not on the way any more")
        if self.scenario.command[0] in ("attach", "settle"):
            self.arguments = self._told(next(iter(oracle.open_attempts(self.book.lines()))))

    def run_command(self) -> int:
        """Run the scenario's command as far as its fatal boundary."""
        return self._run(self.arguments, fatal=self.point.fatal, interrupt=self.scenario.interrupt)

    def carry_out(self) -> Tally:
        """Run, die, run again, and judge."""
        self.begin()
        before = oracle.whole_lines(self.book.log)
        self._note_death(self.run_command(), before)
        if self.point.again:
            before = oracle.whole_lines(self.book.log)
            self._note_death(self._run(RESUME, fatal=self.point.again), before)
        left = oracle.standing(oracle.whole_lines(self.book.log))
        visible = oracle.visible_files(self.book)
        code = self.run_again(RESUME)
        self.judge(left, visible, code)
        return self.tally

    def _note_death(self, code: int, before: Sequence[Line]) -> None:
        self.tally.killed += code == DEATH
        self.tally.not_reached += code != DEATH
        oracle.judge_order(read_track(self.track), before, self.tally)

    def run_again(self, arguments: Sequence[str]) -> int:
        """Run a command to its end, with nothing in its way."""
        self.tally.resumed += 1
        return self._checked(forked.run_to_end(self.command(arguments), self.set_up))

    def set_up(self) -> None:
        """Make this process one of the scenario."""
        # However short the ledger, one is kept, used, and sealed once it is there; or none at all.
        least = 1 if self.scenario.checkpoint else sys.maxsize
        checkpoint.FROM_BYTES, checkpoint.REST, checkpoint.FRESH = least, 0, 1

    def judge(self, left: dict[str, str], visible: dict[str, str], code: int) -> None:
        """Hold the end against the server's account, then let a person decide what is unknown."""
        if not oracle.reads(self.book.log):
            self.tally.hold(False, "the ledger does not read")
            return
        taken = self.server.taken()
        oracle.judge_end(left, self.book, code, taken, self.tally, jobs=len(self.scenario.subjects))
        named = self.book.named_files()
        for path, sha256 in oracle.pictures(visible).items():
            self.tally.hold(named.get(path) == sha256, f"{path} was there after the crash, and is not what was made")
        self.settle()

    def settle(self) -> None:
        """Hold money, files and checkpoint, and let a person decide what is unknown."""
        self.set_up()
        log = self.book.log
        kept, plain = said(lambda: replay.load(log)), said(lambda: fold(replay.read(log)))
        self.tally.hold(kept == plain, "the checkpoint does not say what the ledger says")
        oracle.judge_money(self.book, self.server.taken(), self.tally)
        if "unknown" in oracle.standing(self.book.lines()).values():
            self._decide()
        oracle.judge_files(self.book, self.tally, sidecar=self.scenario.sidecar)

    def _decide(self) -> None:
        """Be the person: send again, or look at the server's page and tell what stands there."""
        unknown = oracle.open_attempts(self.book.lines())
        self.tally.unknown += unknown.total()
        resend = random.Random(f"{self.seed} {self.point.fatal} {self.point.deal}").random() < 0.5
        if resend:
            code = self.run_again([*RESUME, "--on-unknown", "resubmit"])
        else:
            self._tell(unknown)
            code = self.run_again(RESUME)
        if "unknown" in oracle.standing(self.book.lines()).values():
            # Sent again and failed: the first submission is as unknown as before.
            self._tell(oracle.open_attempts(self.book.lines()))
            code = self.run_again(RESUME)
        after = oracle.standing(self.book.lines())
        self.tally.hold("unknown" not in after.values(), f"still unknown after a person decided: {after}")
        self.tally.hold(code == oracle.expected_code(after), f"exit code {code} after a person decided")
        oracle.judge_money(self.book, self.server.taken(), self.tally, resent=resend)
        self.tally.decided += unknown.total()

    def _tell(self, unknown: Iterable[str]) -> None:
        for job in unknown:
            told = self._told(job)
            self.tally.hold(self.run_again(told) == 0, f"{told[0]} failed")

    def _told(self, job: str) -> tuple[str, ...]:
        """Return what a person says of an unknown submission after a look at the server's page."""
        ids = {line.get("request_id") for line in self.book.lines()}
        prompt = oracle.prompts(self.book.lines())[job]
        for one in self.server.taken():
            if one.prompt == prompt and one.request_id not in ids:
                return "attach", MANIFEST, job, one.request_id
        return "settle", MANIFEST, job, "--not-sent"

    def run_prepared(self, arguments: Sequence[str], prepare: Callable[[], object]) -> int:
        """Run a command in a process in which `prepare` is called first."""

        def both() -> None:
            self.set_up()
            prepare()

        return self._checked(forked.run_to_end(self.command(arguments), both))

    def _run(self, arguments: Sequence[str], *, fatal: str = "", interrupt: str = "") -> int:
        return self.run_prepared(arguments, lambda: instrument(Track(self.track, fatal=fatal, interrupt=interrupt)))

    def _checked(self, code: int) -> int:
        self.tally.hold(code != forked.DEFECT, self.command(()).said.read_text(encoding="utf-8")[-2000:])
        return code

    def command(self, arguments: Sequence[str]) -> Command:
        """Return a command line in the place of this case."""
        return Command(tuple(arguments), self.place.folder, self.place.environment)
