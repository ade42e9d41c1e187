"""Power losses: a recorded run is cut off at every operation, with every kind of tree that a disk may be left with."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crash import oracle
from crash.model_disk import ModelDisk, Operation, replayed
from crash.oracle import Server, Taken, Tally
from crash.points import ENDS, RESUME, Trial
from crash.recording import Promise, Recorder, read_recording, read_tree
from support.sandboxed import Book, Line

from batchgen import errors
from batchgen.ledger.files import RealDisk
from batchgen.ledger.rundir import RunDirectory

RUN = "runs/m"
RESUME_SHARE = 0.01
"""How many of the trees are run to their end; the others are opened, repaired and held against the promises."""

DEALS = 4
"""Trees for each operation of a recording."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A run as the disk saw it: the tree before, what was done, what was promised by then, and its end."""

    trial: Trial
    before: Mapping[str, bytes | None]
    operations: tuple[Operation, ...]
    promises: tuple[tuple[int, Promise], ...]
    """Each with the number of operations that came before it."""
    lines: tuple[Line, ...]
    taken: tuple[Taken, ...]

    @property
    def torn(self) -> bytes:
        """What the ledger had after its last whole line to begin with."""
        return (self.before.get(f"{RUN}/log.jsonl") or b"").rpartition(b"\n")[2]

    def promised(self, number: int) -> list[Promise]:
        """Return what had been promised before an operation."""
        return [promise for done, promise in self.promises if done <= number]


def record(trial: Trial) -> Recording:
    """Run the scenario's command to its end and return what it did to the disk."""
    trial.begin()
    folder, before = trial.place.folder, read_tree(trial.place.folder)
    code = trial.run_prepared(trial.arguments, lambda: Recorder(folder / "recording", folder).instrument())
    trial.tally.hold(code in ENDS, f"ends with {code} when nobody kills it")
    operations: list[Operation] = []
    promises: list[tuple[int, Promise]] = []
    for one in read_recording(folder / "recording"):
        if isinstance(one, Operation):
            operations.append(one)
        else:
            promises.append((len(operations), one))
    *_, (_, disk) = replayed(before, operations)
    _compare(disk, folder, trial.tally)
    lines = tuple(trial.book.lines())
    return Recording(trial, before, tuple(operations), tuple(promises), lines, tuple(trial.server.taken()))


def _compare(disk: ModelDisk, folder: Path, tally: Tally) -> None:
    """Hold that nothing reached the run directory past the seam."""
    modelled = {path: data for path, data in disk.tree().items() if path.startswith("runs")}
    real = {path: data for path, data in read_tree(folder).items() if path.startswith("runs")}
    different = sorted(path for path in modelled.keys() | real.keys() if modelled.get(path) != real.get(path))
    tally.hold(not different, f"changed past the disk's seam: {different}")


class Quick(RealDisk):
    """A disk that is not asked to keep anything: what is checked here is thrown away at once."""

    def fsync(self, descriptor: int) -> None:
        """Promise nothing."""

    def sync_folder(self, path: Path) -> None:
        """Promise nothing."""


class Outage(Trial):
    """A trial whose command is recorded once and then cut off at each operation."""

    def carry_out(self) -> Tally:
        """Record, cut, judge."""
        recording = record(self)
        for number, disk in replayed(recording.before, recording.operations):
            for deal in range(DEALS):
                self._cut(recording, number, disk, random.Random(f"{self.seed} {self.point.deal} {number} {deal}"))
        return self.tally

    def _cut(self, recording: Recording, number: int, disk: ModelDisk, chance: random.Random) -> None:
        cut = Cut(recording, number, disk.after_power_loss(chance), Tally())
        cut.judge(resume=chance.random() < RESUME_SHARE)
        where = recording.operations[number] if number < len(recording.operations) else Operation("end")
        words = f"power lost before operation {number}, {where.kind} {where.path or where.descriptor}"
        cut.tally.problems = [f"{words}: {problem}" for problem in cut.tally.problems]
        self.tally += cut.tally


@dataclass(slots=True)
class Cut:
    """One tree that a power loss left, and what must be true of it."""

    recording: Recording
    number: int
    tree: Mapping[str, bytes | None]
    tally: Tally
    book: Book = field(init=False)

    def judge(self, *, resume: bool) -> None:
        """Hold the tree against the promises; run it to the end if wished."""
        self.tally.power_losses += 1
        with tempfile.TemporaryDirectory(dir=self.recording.trial.place.folder) as folder:
            _materialise(self.tree, Path(folder))
            self.book = Book(Path(folder) / RUN)
            visible = oracle.visible_files(self.book)
            left = oracle.whole_lines(self.book.log)
            self._judge_left(left, visible)
            if resume:
                self._resume(Path(folder), left, visible)
            else:
                self._judge_repaired(left)

    def _judge_left(self, left: list[Line], visible: Mapping[str, str]) -> None:
        recorded, hold = self.recording.lines, self.tally.hold
        hold(left == list(recorded[: len(left)]), "the ledger's lines are not the first ones that were written")
        hold(len(left) >= self._promised_lines(), f"{len(left)} lines are left, {self._promised_lines()} were durable")
        whole = {file["path"]: file["sha256"] for line in recorded if line["event"] == "done" for file in line["files"]}
        for path, sha256 in visible.items():
            is_whole = oracle.is_sidecar(self.book, path) if path.endswith(".json") else whole.get(path) == sha256
            hold(is_whole, f"{path} is partial under its final name")
        for line in left:
            if line["event"] == "done":
                missing = [file["path"] for file in line["files"] if visible.get(file["path"]) != file["sha256"]]
                hold(not missing, f"done is in the ledger, and {missing} is not whole")
        for file in (self.book.path / "summary.json", self.book.path / "catalog.json"):
            hold(not file.exists() or file.read_bytes().endswith(b"}\n"), f"{file.name} is not whole")
        self._judge_sent(left)

    def _promised_lines(self) -> int:
        """How many lines there must be at least: those from before, and those reported durable."""
        before = (self.recording.before.get(f"{RUN}/log.jsonl") or b"").count(b"\n")
        reported = sum(word.startswith("durable ") for word, _ in self.recording.promised(self.number))
        return before + reported

    def _judge_sent(self, left: list[Line]) -> None:
        """Hold that whatever the server was told or asked stands in the ledger."""
        ids = {line["request_id"] for line in left if line.get("request_id")}
        intents = oracle.attempts(left)
        for word, subject in self.recording.promised(self.number):
            if word == "submit":
                intents[subject["job"]] -= 1
                self.tally.hold(intents[subject["job"]] >= 0, f"job {subject['job']} was sent and is not in the ledger")
            elif word in ("status", "result", "cancel"):
                self.tally.hold(subject["request"] in ids, f"request {subject['request']} was asked for and is gone")

    def _judge_repaired(self, left: list[Line]) -> None:
        """Open the run directory as the next run does."""
        try:
            with RunDirectory(self.book.path).open_for_writing(disk=Quick()):
                pass
        except errors.BatchgenError as error:
            self.tally.hold(False, f"cannot be opened again: {error}")
            return
        self.tally.hold(self.book.lines() == left, "the repair lost whole lines, or made some")
        torn = self.recording.torn
        kept = b"".join(path.read_bytes() for path in (self.book.log, self.book.path / "log.torn") if path.exists())
        self.tally.hold(torn in kept, "the torn end is neither in the ledger nor in log.torn")

    def _resume(self, folder: Path, left: list[Line], visible: dict[str, str]) -> None:
        """Run to the end on the tree, against the server as it was when the power failed."""
        trial = Resumed(self.recording, folder, self.number)
        trial.judge(oracle.standing(left), visible, trial.run_again(RESUME))
        self.tally += trial.tally


class Resumed(Trial):
    """The run after a power loss; the server has taken what was sent before it, and what is sent from now on."""

    def __init__(self, recording: Recording, folder: Path, number: int) -> None:
        origin = recording.trial
        super().__init__(origin.point, origin.sandbox, folder / "again", origin.seed)
        self.place.folder = folder
        self.book = self.place.book()
        sent = Counter(subject["job"] for word, subject in recording.promised(number) if word == "submit")
        # Only the last attempt of a job was taken; those before it were refused.
        intended = oracle.attempts(recording.lines)
        told = {prompt for job, prompt in oracle.prompts(recording.lines).items() if sent[job] == intended[job]}
        known = {line["request_id"] for line in oracle.whole_lines(self.book.log) if line.get("request_id")}
        self.server = Later(
            origin.server.log,
            origin.server.prompt_mark,
            origin.server.log.stat().st_size,
            [one for one in recording.taken if one.prompt in told or one.request_id in known],
        )


@dataclass(slots=True)
class Later(Server):
    """A server's log from now on, and what it had taken before."""

    earlier: list[Taken] = field(default_factory=list)

    def taken(self) -> list[Taken]:
        """Return what was taken before, and since."""
        return [*self.earlier, *Server.taken(self)]


def _materialise(tree: Mapping[str, bytes | None], folder: Path) -> None:
    for path, data in tree.items():
        if data is None:
            (folder / path).mkdir(exist_ok=True)
        else:
            (folder / path).write_bytes(data)
