"""Lives of a run directory at random: every promise holds after every step, whatever happened before it.

The engine, the rules and the ledger are the real ones, on virtual time; the server and the pictures are in memory and
know the truth. The ordinary run is small and always the same. A longer one, with a seed that brings it back:

    BATCHGEN_MACHINE_EXAMPLES=3000 pytest tests/machine --hypothesis-seed=7
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from itertools import dropwhile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import SearchStrategy
from support import oracle
from support.desk import Death, Desk, Ended, Interrupt, Pictures, Wishes
from support.oracle import Line, Permission
from support.remote import FILES, PRICE, READS, RETENTION_S, STUCK_S, SUBMITS, Fate, Remote, Request, Weather
from support.story import BEGAN

from batchgen import events
from batchgen.catalog.price import Cost
from batchgen.cli import decide
from batchgen.errors import RunError
from batchgen.job import Job, make_job
from batchgen.ledger import replay
from batchgen.plan import Policy
from batchgen.state import RunState, State, fold

EXAMPLES = int(os.environ.get("BATCHGEN_MACHINE_EXAMPLES", "0"))
MODELS = ("model/a", "model/b")
PROMPTS = 15
HOUR = 3600.0

calm = Weather()
fates = st.builds(
    Fate,
    queue=st.sampled_from([0.5, 30.0]),
    service=st.sampled_from([8.0, 1.0, 90.0, STUCK_S]),
    end=st.sampled_from([*["success"] * 5, "failed", "cancelled", "empty", "forgotten"]),
    outputs=st.sampled_from([1, 1, 2]),
    cost=st.sampled_from([PRICE, Decimal("0.05"), Decimal("0.31"), Decimal(0), None]),
    cost_after=st.sampled_from([0.0, 0.0, 0.5, 60.0]),
    deaf=st.booleans(),
)


def some(words: Sequence[str], most: int) -> SearchStrategy[tuple[str, ...]]:
    """Return a strategy for what some calls meet."""
    return st.just(()) | st.lists(st.sampled_from(words), min_size=most // 2, max_size=most).map(tuple)


weathers = st.builds(
    Weather,
    submits=some(SUBMITS, 8),
    reads=some(READS, 14),
    files=some(FILES, 6),
    fates=st.lists(fates, min_size=3, max_size=8).map(tuple),
)
policies = st.builds(
    Policy,
    retry_failed=st.booleans(),
    retry=st.sampled_from(["", "", "missing", "lost", "run_failed", "invalid"]).map(
        lambda kind: frozenset({kind} - {""})
    ),
    resubmit_unknown=st.sampled_from([False, False, True]),
)
wishes = st.builds(
    Wishes,
    policy=policies,
    concurrency=st.integers(1, 4),
    max_cost_usd=st.sampled_from([None, None, Decimal("0.40"), Decimal("1.00"), Decimal("2.00")]),
    max_jobs=st.sampled_from([None, None, None, 1, 3]),
    limit=st.sampled_from([None, None, None, 2]),
)
fetching = Wishes(Policy(fetch=True))
deaths = st.builds(
    Death,
    rounds=st.integers(0, 60) | st.integers(0, 200),
    writing=st.booleans(),
    kept=st.sampled_from([0.0, 1.0, 1.0, 0.3, 0.7]),
    cut=st.sampled_from([0, 1]),
    nuls=st.sampled_from([0, 0, 3]),
    names=st.lists(st.booleans(), max_size=4).map(lambda kept: (*kept, *[True] * 20)),
)
interrupts = st.builds(
    Interrupt,
    after=st.sampled_from([0.0, 0.1, 0.3, 1.0, 5.0, 20.0, 70.0]),
    how=st.sampled_from(["end_posts", "leave", "cancel"]),
    hurry=st.sampled_from([None, None, 0.0, 2.0]),
)


def job_of(number: int, index: int = 0) -> Job:
    """Return the job of a prompt; several prompts make the same slug."""
    prompt = f"{'fox' if number % 2 else 'Fox!'} {number // 3}" + "?" * number
    return make_job(index, MODELS[number % 5 == 4], {"prompt": prompt, "seed": 7, "size": number % 3})


def price_of(job: Job) -> Cost:
    """Return what a job should cost; the large ones twice as much."""
    cost = PRICE * 2 if job.input["size"] == 2 else PRICE
    return Cost(cost, cost)


class Life(RuleBasedStateMachine):
    """One run directory, its person, and the server."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="life-"))
        self.remote = Remote(self.now, self.witness)
        self.desk = Desk(self.folder / "run", self.remote, Pictures(), price_of, BEGAN)
        self.prompts = [0, 1, 2, 3, 4]
        self.manifests: dict[str, frozenset[str]] = {}
        self.lied: Counter[str] = Counter()
        self.wishes = Wishes()
        self.began = 0
        self.posts = 0
        self.leftover: frozenset[str] = frozenset()
        self.by_job: dict[str, Job] = {}

    def now(self) -> float:
        """Return the true time."""
        return self.desk.clock()

    def teardown(self) -> None:
        try:
            self.all_is_well_in_the_end()
        finally:
            shutil.rmtree(self.folder)

    def jobs(self) -> list[Job]:
        """Return the manifest's jobs."""
        made = [job_of(number, index) for index, number in enumerate(self.prompts, 1)]
        self.by_job.update((job.id, job) for job in made)
        return made

    def lines(self) -> list[Line]:
        """Return the ledger's whole lines, numbered."""
        return [{**line, "at": at} for at, line in enumerate(oracle.lines_of(self.desk.place.log))]

    # What a person does to the manifest, the folder and the clock.

    @rule(prompts=st.permutations(range(PROMPTS)), count=st.integers(1, 7))
    def edit_the_manifest(self, prompts: list[int], count: int) -> None:
        """Add, remove and move prompts; most of the old ones stay."""
        fresh = prompts[:count]
        self.prompts = [*fresh, *(one for one in self.prompts[: 8 - count] if one not in fresh)]

    @precondition(lambda self: self.desk.pictures.visible)
    @rule(at=st.integers(0, 20))
    def delete_a_picture(self, at: int) -> None:
        pictures = self.desk.pictures.visible
        del pictures[sorted(pictures)[at % len(pictures)]]

    @rule(seconds=st.sampled_from([1.0, 120.0, RETENTION_S / 2, RETENTION_S]), skew=st.sampled_from([0.0, HOUR, -HOUR]))
    def let_time_pass_and_set_the_clock(self, seconds: float, skew: float) -> None:
        self.desk.now += seconds
        self.desk.skew = skew

    # What a person decides.

    @precondition(lambda self: self.adrift())
    @rule(at=st.integers(0, 20))
    def attach_what_was_found(self, at: int) -> None:
        adrift = self.adrift()
        request = adrift[at % len(adrift)]
        with self.own_clock():
            decide.attach(self.desk.folder, request.job.id, request.id)

    @precondition(lambda self: self.unknown_jobs())
    @rule(at=st.integers(0, 20), how=st.sampled_from(["not_sent", "lost"]))
    def settle(self, at: int, how: str) -> None:
        unknown = self.unknown_jobs()
        job_id = unknown[at % len(unknown)]
        with self.own_clock():
            decide.settle(self.desk.folder, [job_id], how)

    def own_clock(self) -> AbstractContextManager[object]:
        """Have decisions made by this life's clock."""
        return mock.patch.object(decide, "_now", lambda: events.stamp(self.desk.wrong_clock()))

    @rule(number=st.integers(0, PROMPTS - 1), how=st.sampled_from(["attach", "settle"]))
    def decide_wrongly(self, number: int, how: str) -> None:
        """A decision about what is not unknown, or with a request that is somebody's, writes nothing."""
        job_id, before = job_of(number).id, self.lines()
        ids = [line["request_id"] for line in before if "request_id" in line]
        if how == "settle" and (job_id in self.unknown_jobs() or not self.desk.place.log.exists()):
            return
        if how == "attach" and not ids:
            return
        with pytest.raises(RunError):
            if how == "settle":
                decide.settle(self.desk.folder, [job_id], "lost")
            else:
                decide.attach(self.desk.folder, job_id, ids[0])
        assert self.lines() == before

    # Runs.

    @rule(weather=weathers, wish=wishes)
    def run(self, weather: Weather, wish: Wishes) -> None:
        self.go(weather, wish)

    @rule(wish=wishes)
    def run_in_calm_weather(self, wish: Wishes) -> None:
        self.go(calm, wish)

    @rule(weather=weathers, wish=wishes, death=deaths)
    def run_and_die(self, weather: Weather, wish: Wishes, death: Death) -> None:
        self.go(weather, wish, death)

    @rule(weather=weathers, wish=wishes, wanted=interrupts)
    def run_and_interrupt(self, weather: Weather, wish: Wishes, wanted: Interrupt) -> None:
        self.go(weather, wish, wanted)

    @precondition(lambda self: any(line["event"] == "run_started" for line in self.lines()))
    @rule(weather=weathers, end=st.none() | deaths | interrupts)
    def fetch(self, weather: Weather, end: Death | Interrupt | None) -> None:
        self.go(weather, fetching, end)

    def go(self, weather: Weather, wish: Wishes, end: Interrupt | Death | None = None) -> Ended | None:
        """Run once, and hold what came of it against the truth."""
        jobs = self.jobs()
        manifest = str(len(self.manifests))
        self.manifests[manifest] = frozenset(job.id for job in jobs[: wish.limit])
        self.wishes, self.posts = wish, 0
        lines = self.lines()
        self.began = len(lines)
        facts = oracle.by_attempt(lines)
        self.leftover = frozenset(
            oracle.request_of(history) or "" for history in facts.values() if oracle.fact(history) == "in_flight"
        )
        if wish.policy.fetch:
            manifest = next(line["manifest"] for line in reversed(lines) if line["event"] == "run_started")
        ended = self.desk.run(jobs, wish, weather, manifest, end)
        if ended is not None:
            self.check_the_end(jobs, ended, manifest)
        return ended

    # What holds at the moment a POST leaves.

    def witness(self, job: Job) -> int:
        """Hold that this POST is permitted, and return which attempt it is."""
        lines = self.lines()
        attempts = oracle.by_attempt(lines)
        number = max(number for job_id, number in attempts if job_id == job.id)
        history = attempts.pop((job.id, number))
        # What failed before a POST was made has not used its number up.
        history = list(dropwhile(lambda line: line["event"] == "failed", history))
        assert [line["event"] for line in history] == ["submitting"], "a POST without its own durable submitting"
        assert history[0]["at"] >= self.began
        earlier = [history for (job_id, _), history in sorted(attempts.items()) if job_id == job.id]
        policy = self.wishes.policy
        allowed = Permission(policy.retry_failed, policy.retry, policy.resubmit_unknown, policy.fetch)
        assert oracle.may_post(earlier, self.began, allowed, self.is_whole), [earlier, allowed]
        self.posts += 1
        assert self.wishes.max_jobs is None or self.posts <= self.wishes.max_jobs
        self.check_places(job)
        self.check_budget(lines)
        return number

    def check_places(self, job: Job) -> None:
        """Hold that what the client knows to be at the server, this POST with it, has a place each."""
        mine = [
            request
            for request in self.remote.running()
            if request.fate.over < STUCK_S and (request.id in self.leftover or self.is_known_to_this_run(request))
        ]
        assert len(mine) + self.remote.on_wire + 1 <= self.wishes.concurrency, [job.id, mine, self.remote.on_wire]

    def is_known_to_this_run(self, request: Request) -> bool:
        """Whether this run was told the request's id."""
        return request.answered and request.id in {
            line["request_id"] for line in self.lines()[self.began :] if line["event"] == "submitted"
        }

    def check_budget(self, lines: list[Line]) -> None:
        """Hold the limit: what is spent and possibly spent stays within it, but for prices above their estimates.

        Only pictures that turned out dearer than estimated in this run may carry it over, and by no more than that.
        """
        limit = self.wishes.max_cost_usd
        if limit is None:
            return
        spent = sum((oracle.money(history) for history in oracle.by_attempt(lines).values()), Decimal(0))
        dearer = sum(
            (
                max(Decimal(0), line["cost_usd"] - line.get("cost_estimate_usd", Decimal("0.16")))
                for line in lines[self.began :]
                if "cost_usd" in line and "job" in line
            ),
            Decimal(0),
        )
        assert spent <= limit + dearer, [spent, limit, dearer, *lines[self.began :]]

    def is_whole(self, done: Line) -> bool:
        """Whether all files of a done line are there."""
        visible = self.desk.pictures.visible
        return all(len(visible.get(file["path"], b"")) == file["bytes"] for file in done["files"])

    # What holds when a run came to its end.

    def check_the_end(self, jobs: list[Job], ended: Ended, manifest: str) -> None:
        """Hold the live state and its counts against the ledger read back."""
        again = fold(replay.read(self.desk.place.log))
        assert same(ended.state, again)
        chosen = self.manifests[manifest]
        known = [self.by_job[job_id] for job_id in chosen]
        recounted = self.desk.survey(known, chosen, again, self.wishes.policy).counts
        carried = {name: again.counts[name] for name in (*State, "jobs")}
        assert carried == {name: recounted[name] for name in carried}, carried
        assert ended.state.counts["missing"] == recounted["missing"]
        assert again.counts["missing"] >= 0
        assert again.counts["jobs"] == sum(again.counts[state] for state in State)
        if not self.wishes.policy.fetch:
            removed = self.desk.survey(jobs, chosen, again, self.wishes.policy).counts["removed"]
            assert ended.state.counts["removed"] == removed
        last = self.lines()[-1]
        assert (last["event"], last["cost_usd"]) == ("run_finished", Decimal(str(float(again.committed_usd))))

    # What holds always.

    @invariant()
    def the_ledger_tells_one_story(self) -> None:
        log = self.desk.place.log
        if not log.exists():
            return
        lines = [line for line in self.lines() if "job" in line]
        for history in oracle.by_attempt(lines).values():
            oracle.check_order(history)
        oracle.check_names(lines)
        assert same(replay.load(log), fold(replay.read(log)))

    @invariant()
    def no_accepted_request_is_forgotten(self) -> None:
        """Its id is in the ledger, or stands behind an attempt that is shown as unknown or was decided by a person."""
        attempts = oracle.by_attempt(self.lines())
        ids = {oracle.request_of(history) for history in attempts.values()}
        behind = Counter(request.job.id for request in self.remote.requests.values() if request.id not in ids)
        shown = Counter(
            job
            for (job, _), history in attempts.items()
            if oracle.fact(history) == "unknown" or any(line["event"] == "settled" for line in history)
        )
        assert behind <= shown, [behind, shown]

    @invariant()
    def nothing_is_paid_for_twice(self) -> None:
        """Beside one request that is good, a job has only those that failed, are in doubt or were asked for again."""
        lines = self.lines()
        good = Counter(
            job
            for (job, _), history in oracle.by_attempt(lines).items()
            if oracle.fact(history) in ("in_flight", "collectable")
            or (oracle.fact(history) == "done" and self.is_whole(history[-1]))
        )
        twice = {job for job, count in good.items() if count > 1}
        assert twice <= self.asked_for_twice(lines)

    def asked_for_twice(self, lines: list[Line]) -> set[str]:
        """Return the jobs with an attempt that was once unknown, or whose pictures were deleted or late."""
        histories = oracle.by_attempt(lines)
        doubtful = {
            job
            for (job, number), history in histories.items()
            if any(line["event"] in ("unknown", "attached", "lost") for line in history)
            or [line["event"] for line in history][:2] in (["submitting"], ["submitting", "settled"])
        }
        remade = {job for (job, _), history in histories.items() if oracle.fact(history) == "done"}
        return doubtful | remade

    @invariant()
    def money_is_accounted_for_to_the_cent(self) -> None:
        log = self.desk.place.log
        if not log.exists():
            return
        attempts = oracle.by_attempt(self.lines())
        total = sum(map(oracle.money, attempts.values()), Decimal(0))
        assert fold(replay.read(log)).committed_usd == total, [*attempts.values()]
        for history in attempts.values():
            request = self.remote.requests.get(oracle.request_of(history) or "")
            told = [line["cost_usd"] for line in history if "cost_usd" in line]
            if request is not None and told and not request.cancelled:
                assert set(told) <= {request.fate.cost}

    @invariant()
    def pictures_are_those_of_their_requests(self) -> None:
        visible = self.desk.pictures.visible
        for line in self.lines():
            if line["event"] != "done":
                continue
            request = self.remote.requests[line["request_id"]]
            assert (request.job.id, request.fate.end) == (line["job"], "success")
            assert len(line["files"]) == request.fate.outputs
            for number, file in enumerate(line["files"], 1):
                assert visible.get(file["path"]) in (None, request.picture(number))

    @invariant()
    def what_the_ledger_says_of_a_request_is_true(self) -> None:
        for line in self.lines():
            request = self.remote.requests.get(line.get("request_id", ""))
            if request is None:
                continue
            match line["event"]:
                case "cancelled":
                    assert request.cancelled or (line["by"], request.fate.end) == ("server", "cancelled")
                case "lost":
                    assert self.remote.forgotten(request)
                case "failed":
                    assert (line["error"]["stage"] == "run") == (request.fate.end == "failed")

    def all_is_well_in_the_end(self) -> None:
        """In calm weather everything known to be paid for arrives, and a second run finds nothing to send."""
        if self.desk.clock() - BEGAN > 60 * RETENTION_S:
            return
        self.desk.skew = 0.0
        ended = self.go(calm, Wishes())
        assert ended is not None
        if ended.verdict.reason in ("unavailable", "wait"):
            return
        assert ended.state.counts["new"] == ended.state.counts["in_flight"] == 0
        accepted = len(self.remote.requests)
        again = self.go(calm, Wishes())
        assert again is not None
        assert len(self.remote.requests) == accepted
        for line in self.latest_done():
            request = self.remote.requests[line["request_id"]]
            assert self.is_whole(line) or self.remote.forgotten(request) or again.state.counts["missing"]

    def latest_done(self) -> list[Line]:
        """Return the last line of every job's latest attempt that is done."""
        done = {
            job: history[-1]
            for (job, _), history in sorted(oracle.by_attempt(self.lines()).items())
            if oracle.fact(history) == "done"
        }
        return list(done.values())

    def adrift(self) -> list[Request]:
        """Return accepted requests whose id nobody wrote down and whose job has an unknown attempt."""
        ids = {line["request_id"] for line in self.lines() if "request_id" in line}
        unknown = self.unknown_jobs()
        return [one for one in self.remote.requests.values() if one.id not in ids and one.job.id in unknown]

    def unknown_jobs(self) -> list[str]:
        """Return the jobs with an unknown attempt."""
        attempts = oracle.by_attempt(self.lines())
        return sorted({job for (job, _), history in attempts.items() if oracle.fact(history) == "unknown"})


def same(one: RunState, other: RunState) -> bool:
    """Whether two states say the same."""
    return (
        {job: known.attempts for job, known in one.jobs.items()}
        == {job: known.attempts for job, known in other.jobs.items()}
        and all(one.counts[name] == other.counts[name] for name in (*State, "jobs", "removed"))
        and one.committed_usd == other.committed_usd
        and {*one.names()} == {*other.names()}
        and one.dearest == other.dearest
    )


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=EXAMPLES or 90,
    stateful_step_count=14,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
