"""The judge: a run directory held against what the server really took, by the table of one job's timeline.

It reads the raw lines of the ledger by itself and shares no code with what it judges.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crash.seams import Subject
from support.sandboxed import Book, Line, digest

FAIL_MARK = "[sandbox:fail]"

_LATEST = {
    "submitting": "unknown",
    "unknown": "unknown",
    "refused": "new",
    "submitted": "in_flight",
    "attached": "in_flight",
    "done": "done",
    "failed": "failed",
    "lost": "lost",
}
_RANK = {"new": 0, "failed": 1, "lost": 1, "cancelled": 1, "unknown": 2, "in_flight": 3, "done": 4}


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that the server accepted."""

    request_id: str
    prompt: str
    cost_usd: float


@dataclass(slots=True)
class Server:
    """The server's own log, read from where a case began. `prompt_mark` tells the case's requests from others'."""

    log: Path
    prompt_mark: str
    offset: int = 0

    @classmethod
    def from_now(cls, folder: Path, prompt_mark: str) -> Server:
        """Return the view on what will be accepted from now on by the sandbox of `folder`."""
        log = folder / "requests.jsonl"
        return cls(log, prompt_mark, log.stat().st_size)

    def taken(self) -> list[Taken]:
        """Return every request accepted since, in order."""
        with self.log.open("rb") as file:
            file.seek(self.offset)
            whole = file.read().rpartition(b"\n")[0]
        records = (json.loads(line) for line in whole.splitlines() if b'"accepted"' in line)
        return [
            Taken(record["request_id"], record["input"]["prompt"], float(record["cost"]))
            for record in records
            if record["op"] == "accepted" and self.prompt_mark in record["input"]["prompt"]
        ]


@dataclass(slots=True)
class Tally:
    """What many cases came to; `+=` adds them up."""

    boundaries: int = 0
    killed: int = 0
    not_reached: int = 0
    power_losses: int = 0
    resumed: int = 0
    accepted: int = 0
    paid_twice: int = 0
    resent: int = 0
    lost: int = 0
    unknown: int = 0
    decided: int = 0
    problems: list[str] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        for name in Tally.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def hold(self, holds: bool, problem: str) -> None:
        """Note a problem where something does not hold."""
        if not holds:
            self.problems.append(problem)


def whole_lines(log: Path) -> list[Line]:
    """Return the lines that a crash left whole: a last one without its newline counts if it parses."""
    if not log.exists():
        return []
    lines: list[Line] = []
    for text in log.read_bytes().split(b"\n"):
        try:
            lines.append(json.loads(text.rstrip(b"\0")))
        except ValueError:
            break
    return lines


def reads(log: Path) -> bool:
    """Whether every line of the ledger is whole."""
    content = log.read_bytes()
    return content.endswith(b"\n") and len(whole_lines(log)) == content.count(b"\n")


def standing(lines: Iterable[Line]) -> dict[str, str]:
    """Return where each job stands: the best of what is latest known of its attempts."""
    attempts: dict[tuple[str, int], str] = {}
    for line in lines:
        if "job" in line and attempts.get((line["job"], line["attempt"])) != "done":
            attempts[line["job"], line["attempt"]] = _latest(line)
    best: dict[str, str] = {}
    for (job, _), stands in sorted(attempts.items()):
        if job not in best or _RANK[stands] >= _RANK[best[job]]:
            best[job] = stands
    return best


def attempts(lines: Iterable[Line]) -> Counter[str]:
    """Return how many POSTs of each job were intended."""
    return Counter(line["job"] for line in lines if line["event"] == "submitting")


def open_attempts(lines: Iterable[Line]) -> Counter[str]:
    """Return how many attempts of each job are unknown."""
    latest = {(line["job"], line["attempt"]): _latest(line) for line in lines if "job" in line}
    return Counter(job for (job, _), stands in latest.items() if stands == "unknown")


def _latest(line: Line) -> str:
    match line["event"]:
        case "cancelled":
            return "new" if line["by"] == "us" else "cancelled"
        case "settled":
            return "new" if line["how"] == "not_sent" else "lost"
        case word:
            return _LATEST[word]


def prompts(lines: Iterable[Line]) -> dict[str, str]:
    """Return the prompt of every job that the ledger names."""
    return {line["job"]: line["prompt"] for line in lines if line["event"] == "submitting"}


def judge_order(track: Sequence[tuple[str, Subject]], before: Sequence[Line], tally: Tally) -> None:
    """Hold the order of what a process did: written down before it is sent, and before it is asked for."""
    intents: Counter[str] = Counter()
    known = {line["request_id"] for line in before if line["event"] in ("submitted", "attached")}
    for name, subject in track:
        call = name.rpartition(" ")[0]
        if call == "after Journal.append submitting":
            intents[subject["job"]] += 1
        elif call in ("after Journal.append submitted", "after Journal.append attached"):
            known.add(subject["request"])
        elif call == "before Client.submit":
            intents[subject["job"]] -= 1
            tally.hold(intents[subject["job"]] >= 0, f"{name}: a POST without a durable submitting of its own")
        elif call in ("before Client.status", "before Client.result", "before Client.cancel"):
            tally.hold(subject["request"] in known, f"{name}: asked for before its submitted was durable")


def judge_money(book: Book, taken: Sequence[Taken], tally: Tally, *, resent: bool = False) -> None:
    """Hold that every request that was taken is known or an unknown, and that nobody paid twice unasked."""
    lines = book.lines()
    prompt_of, unknown = prompts(lines), open_attempts(lines)
    job_of = {prompt: job for job, prompt in prompt_of.items()}
    ids = {line["request_id"]: line["job"] for line in lines if line.get("request_id")}
    cancelled = {line["request_id"] for line in lines if line["event"] == "cancelled"}
    orphans: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    for one in taken:
        job = ids.get(one.request_id) or job_of.get(one.prompt)
        if job is None:
            tally.lost += 1
            tally.hold(False, f"request {one.request_id} was taken, and the ledger knows nothing of it")
            continue
        tally.hold(prompt_of.get(job) == one.prompt, f"request {one.request_id} stands under another job")
        paid[job] += one.request_id not in cancelled
        orphans[job] += one.request_id not in ids
    for job, count in orphans.items():
        missing = max(0, count - unknown[job])
        tally.lost += missing
        tally.hold(not missing, f"job {job}: {count} requests taken that the ledger does not know, {unknown[job]} open")
    for job, count in paid.items():
        again = max(0, count - 1)
        tally.resent += again if resent else 0
        tally.paid_twice += 0 if resent else again
        tally.hold(resent or not again, f"job {job}: paid for {count} times")
    cost = {one.request_id: one.cost_usd for one in taken}
    tally.hold(ids.keys() <= cost.keys(), f"requests that the server never took: {sorted(ids.keys() - cost.keys())}")
    for line in lines:
        if line["event"] == "done":
            request_id, said = line["request_id"], line["cost_usd"]
            tally.hold(said == cost.get(request_id), f"request {request_id} cost {cost.get(request_id)}, not {said}")


def judge_files(book: Book, tally: Tally, *, sidecar: bool = False) -> None:
    """Hold that what `done` names is there and whole, with its `sidecar` if there is to be one, and nothing else."""
    named, found = book.named_files(), book.files()
    if sidecar:
        _judge_sidecars(book, {path for path in found if path.endswith(".json")}, tally)
        found = pictures(found)
    for path, sha256 in named.items():
        tally.hold(found.get(path) == sha256, f"{path} is not what the ledger says")
    owner: dict[str, str] = {}
    for line in book.lines("done"):
        for file in line["files"]:
            other = owner.setdefault(file["sha256"], line["job"])
            tally.hold(other == line["job"], f"{file['path']} is the picture of another job, {other}")
    tally.hold(found.keys() <= named.keys(), f"files nobody named: {sorted(found.keys() - named.keys())}")
    names = Counter(line["name"].casefold() for line in book.lines("submitting"))
    tally.hold(names.total() == len(names), f"names reserved twice: {names}")
    hidden = [str(path) for path in book.path.rglob(".*") if path.name not in (".checkpoint", ".looked")]
    tally.hold(not hidden, f"left behind: {hidden}")


def _judge_sidecars(book: Book, found: Collection[str], tally: Tally) -> None:
    names = {(line["job"], line["attempt"]): line["name"] for line in book.lines("submitting")}
    for line in book.lines("done"):
        path = f"images/{names[line['job'], line['attempt']]}.json"
        said = json.loads((book.path / path).read_text(encoding="utf-8"))["prompts"] if path in found else []
        tally.hold([one["text"] for one in said] == [line["prompt"]], f"{path} does not say what made the picture")
    tally.hold(len(found) == len(book.lines("done")), f"sidecars of nothing: {sorted(found)}")


def is_sidecar(book: Book, path: str) -> bool:
    """Whether a file is a whole sidecar."""
    try:
        return "prompts" in json.loads((book.path / path).read_bytes())
    except ValueError:
        return False


def pictures(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files that are no sidecars, with their digests."""
    return {path: sha256 for path, sha256 in files.items() if not path.endswith(".json")}


def visible_files(book: Book) -> dict[str, str]:
    """Return the digests of what stands under final names now, whatever state the run is in."""
    images = book.path / "images"
    found = (path for path in images.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(book.path).as_posix(): digest(path) for path in found}


def expected_code(stands: Mapping[str, str]) -> int:
    """Return the exit code of a run that was not stopped: by unknowns first, then by failures."""
    states = set(stands.values())
    return 4 if "unknown" in states else 1 if states & {"failed", "lost", "cancelled"} else 0


def judge_settled(book: Book, code: int, tally: Tally, *, jobs: int) -> None:
    """Hold that a run to the end left nothing between: whatever was killed before, however often."""
    after = standing(book.lines())
    tally.hold(len(after) == jobs, f"{len(after)} of {jobs} jobs are in the ledger")
    tally.hold(set(after.values()) <= {"done", "failed", "unknown"}, f"the jobs stand at {after}")
    tally.hold(code == expected_code(after), f"exit code {code}, where the jobs stand at {sorted(after.values())}")


def judge_end(
    before: Mapping[str, str], book: Book, code: int, taken: Sequence[Taken], tally: Tally, *, jobs: int
) -> None:
    """Hold what a run that resumed made of what a crash left: `before` is where each job stood then."""
    lines = book.lines()
    prompt_of, after = prompts(lines), standing(lines)
    times = Counter(one.prompt for one in taken)
    for job, stands in after.items():
        was, prompt = before.get(job, "new"), prompt_of[job]
        good = "failed" if FAIL_MARK in prompt else "done"
        allowed = {"unknown": {"unknown"}, "in_flight": {good, "cancelled"}}.get(was, {good} if was == "new" else {was})
        tally.hold(stands in allowed, f'job "{prompt}" was {was} after the crash and is {stands} now')
        if was != "unknown":
            tally.hold(times[prompt] >= 1, f'job "{prompt}" is {stands}, and the server never took it')
    tally.hold(len(after) == jobs, f"{len(after)} of {jobs} jobs are in the ledger")
    tally.hold(code == expected_code(after), f"exit code {code}, where the jobs stand at {sorted(after.values())}")
