"""The client's side of a simulated life: real ledger, rules and engine on virtual time, and a way to die at any moment.

The run directory is real; its disk forgets nothing that was committed, and of what was not, whatever the test decides
survives a death. Pictures are in memory, with durable and merely visible names apart.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock

from batchgen import events, plan
from batchgen.catalog.price import Cost
from batchgen.cli import naming, presence, stream
from batchgen.cli.batch import DiskTrouble
from batchgen.cli.verdict import Verdict, verdict
from batchgen.engine.ports import Opener
from batchgen.engine.scheduler import Engine, Limits
from batchgen.engine.stop import Cause, Stop, Why
from batchgen.job import File, Job
from batchgen.ledger import lock
from batchgen.ledger.files import RealDisk
from batchgen.ledger.journal import Batch, Journal
from batchgen.ledger.rundir import RunDirectory
from batchgen.plan import Policy, Rules
from batchgen.state import Attempt, RunState
from support.remote import Remote, Weather
from support.virtual_time import Died, VirtualLoop

COMMIT_S = 0.02
"""How long a write and its fsync take."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A wish to stop, `after` seconds into a run: end_posts, leave or cancel; and `hurry` so many seconds later."""

    after: float
    how: str
    hurry: float | None = None


@dataclass(frozen=True, slots=True)
class Death:
    """The end of the process after so many `rounds` of its loop; with `writing`, then while a line is on its way.

    `kept` is the share of what was on its way to the ledger that got there, less `cut` bytes; `nuls` NUL bytes follow.
    `names` tells, one by one, whether names of pictures that were not yet durable survive.
    """

    rounds: int
    writing: bool = False
    kept: float = 0.0
    cut: int = 0
    nuls: int = 0
    names: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person asks of one run. `fetch` collects and submits nothing."""

    policy: Policy = field(default_factory=Policy)
    concurrency: int = 3
    max_cost_usd: Decimal | None = None
    max_jobs: int | None = None
    limit: int | None = None


class QuickDisk(RealDisk):
    """A disk whose fsync takes no time: what was written is kept."""

    def fsync(self, descriptor: int) -> None:
        """Do nothing."""

    def sync_folder(self, path: Path) -> None:
        """Do nothing."""


class Clerk(ThreadPoolExecutor):
    """Does the journal's writing on virtual time instead of on a thread; `on_the_way` is what it was given last."""

    def __init__(self) -> None:
        super().__init__(1)
        self.alive = True
        self.on_the_way: Batch = []

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Take a batch; it is durable `COMMIT_S` later."""
        loop, batch = arguments
        self.on_the_way = batch
        loop.call_later(COMMIT_S, self._do, work, loop, batch)
        return Future()

    def _do(self, work: Callable[..., Any], loop: asyncio.AbstractEventLoop, batch: Batch) -> None:
        if self.alive:
            self.on_the_way = []
            work(loop, batch)


@dataclass
class Pictures:
    """The store: `visible` is what the folder shows, `before` what a power loss may bring back, by path."""

    alive: bool = True
    visible: dict[str, bytes] = field(default_factory=dict)
    before: dict[str, bytes | None] = field(default_factory=dict)

    async def save(self, openers: Sequence[Opener], *, job: Job, attempt: int, name: str) -> tuple[File, ...]:
        """Receive every output, then name them all, then make the names durable."""
        contents = []
        for opener in openers:
            async with opener() as received:
                contents.append(b"".join([piece async for piece in received]))
        saved = []
        for number, content in enumerate(contents, 1):
            await self._wait()
            path = f"images/{name}.png" if len(contents) == 1 else f"images/{name}_{number}.png"
            self.before.setdefault(path, self.visible.get(path))
            self.visible[path] = content
            saved.append(File(path, len(content), sha256(content).hexdigest(), "png"))
        await self._wait()
        for file in saved:
            self.before.pop(file.path, None)
        return tuple(saved)

    def whole(self, attempt: Attempt) -> bool:
        """Whether every file of a done attempt is there, in its size."""
        return all(self.is_there(*file) for file in attempt.files)

    def is_there(self, path: str, size: int) -> bool:
        """Whether a file is there, in its size."""
        return len(self.visible.get(path, b"")) == size

    def lose_power(self, survives: Iterable[bool]) -> None:
        """Take back the names that were not durable, except those that survive."""
        for (path, old), kept in zip(list(self.before.items()), survives, strict=False):
            if not kept and old is None:
                del self.visible[path]
            elif not kept and old is not None:
                self.visible[path] = old
        self.before.clear()

    async def _wait(self) -> None:
        await asyncio.sleep(0.02)
        if not self.alive:
            raise asyncio.CancelledError


@dataclass
class Ended:
    """How a run that did not die ended: the verdict, its live RunState, and the survey before it and after it."""

    verdict: Verdict
    state: RunState
    found: plan.Survey


@dataclass
class Desk:
    """Whoever works with one run directory, over many runs. `now` is the true time, `skew` how wrong the clock is."""

    folder: Path
    remote: Remote
    pictures: Pictures
    price: Callable[[Job], Cost | None]
    now: float
    skew: float = 0.0
    loop: VirtualLoop | None = None

    @property
    def place(self) -> RunDirectory:
        """The run directory."""
        return RunDirectory(self.folder)

    def clock(self) -> float:
        """Return the true time in Unix seconds."""
        return self.now + (self.loop.time() - 1000.0 if self.loop else 0.0)

    def rules(self, policy: Policy) -> Rules:
        """Return what decides about each job."""
        return Rules(policy, self.price, self.pictures.whole)

    def run(
        self, jobs: Sequence[Job], wishes: Wishes, weather: Weather, manifest: str, end: Interrupt | Death | None = None
    ) -> Ended | None:
        """Run, or fetch. None where it died."""
        self.remote.begin(weather)
        self.pictures.alive = True
        trouble = DiskTrouble()
        opened = self.place.open_for_writing(disk=QuickDisk(), now=self.wrong_clock, on_failure=trouble)
        with opened as (journal, state):
            clerk = journal._thread = Clerk()
            self.loop = _loop_until(end, clerk)
            try:
                life = self._live(jobs, wishes, manifest, end, journal, state, trouble)
                return self.loop.run_until_complete(life)
            except Died:
                assert isinstance(end, Death)
                self._die(end, clerk, journal)
                return None
            finally:
                self.now = self.clock()
                self.loop.bury()
                self.loop.close()
                self.loop = None

    async def _live(
        self,
        jobs: Sequence[Job],
        wishes: Wishes,
        manifest: str,
        end: Interrupt | Death | None,
        journal: Journal,
        state: RunState,
        trouble: DiskTrouble,
    ) -> Ended:
        rules, chosen = self.rules(wishes.policy), frozenset(job.id for job in jobs[: wishes.limit])
        presence.look(state, self.pictures.is_there)
        collecting = stream.collection(self.place.log, state, rules, self.remote.origin)
        found = self.survey(jobs, chosen, state, wishes.policy)
        if wishes.policy.fetch:
            found.counts = Counter(state.counts)
            found.counts["missing"] = sum(work.again for work in collecting)
            found.unlisted = tuple(state.unlisted)
        posts = () if wishes.policy.fetch else [job for job in jobs if job.id in chosen]
        source = stream.work(collecting, posts, state, rules)
        # Jitter is chance too, and a life must be the same when it is lived again.
        with mock.patch.object(random, "Random", partial(random.Random, 7)):
            engine = Engine(
                self.remote,
                self.pictures,
                journal,
                state,
                naming.namer("{slug}", state, self.folder),
                limits=Limits(wishes.concurrency, 2, 20.0, wishes.max_cost_usd, wishes.max_jobs, 1800.0),
                now=self.wrong_clock,
            )
        trouble.watch(engine)
        await engine.recorder.record(self._run_started(found, manifest, "fetch" if wishes.policy.fetch else "run"))
        if isinstance(end, Interrupt):
            asyncio.get_running_loop().call_later(end.after, _interrupt, engine.stop, end)
        causes = await engine.run(source)
        state.counts["missing"] = len(presence.missing(state, rules.whole))
        ended = verdict(causes, state.counts)
        await engine.recorder.record(
            events.RunFinished(
                time=events.stamp(self.wrong_clock()),
                counts={**state.counts},
                exit_code=ended.code,
                reason=ended.reason,
                cost_usd=state.committed_usd,
            )
        )
        await journal.close()
        return Ended(ended, state, found)

    def survey(self, jobs: Sequence[Job], chosen: frozenset[str], state: RunState, policy: Policy) -> plan.Survey:
        """Hold the manifest against the ledger."""
        return plan.survey(
            jobs,
            state,
            price=self.price,
            policy=policy,
            whole=self.pictures.whole,
            selected=lambda job: job.id in chosen,
        )

    def _run_started(self, found: plan.Survey, manifest: str, command: str) -> events.RunStarted:
        return events.RunStarted(
            time=events.stamp(self.wrong_clock()),
            version="1",
            name="machine",
            manifest=manifest,
            api=self.remote.origin,
            counts={**found.counts},
            host=lock.host_name(),
            pid=1,
            boot_id="boot",
            command=command,
            unlisted=tuple(found.unlisted),
        )

    def wrong_clock(self) -> float:
        """Return the time as this machine has it."""
        return self.clock() + self.skew

    def _die(self, death: Death, clerk: Clerk, journal: Journal) -> None:
        assert self.loop is not None
        self.remote.alive = self.pictures.alive = clerk.alive = False
        lost = b"".join(line for line, _ in [*clerk.on_the_way, *journal._waiting])
        self.loop.bury()
        journal._waiting = []
        with self.place.log.open("ab") as log:
            log.write(lost[: max(0, int(len(lost) * death.kept) - death.cut)] + b"\0" * death.nuls)
        self.pictures.lose_power(death.names)


def _loop_until(end: Interrupt | Death | None, clerk: Clerk) -> VirtualLoop:
    if not isinstance(end, Death):
        return VirtualLoop()
    writing = end.writing
    return VirtualLoop(end.rounds, lambda: bool(clerk.on_the_way) or not writing)


def _interrupt(stop: Stop, wish: Interrupt) -> None:
    cause = Cause(Why.SIGNAL, "ended by SIGINT", 2)
    stop.cancel_queued = wish.how == "cancel"
    stop.end_posts(cause)
    if wish.how != "end_posts":
        stop.leave(cause)
    if wish.hurry is not None:
        asyncio.get_running_loop().call_later(wish.hurry, _leave_now, stop, cause)


def _leave_now(stop: Stop, cause: Cause) -> None:
    stop.hurry.set()
    stop.leave(cause)
