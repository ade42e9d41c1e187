"""Carrying a batch out: what `run` and `fetch` have in common once the directory is held and the work is known."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass

import batchgen
from batchgen import errors, events
from batchgen.cli import console, presence
from batchgen.cli.manner import Manner
from batchgen.cli.shortfalls import Shortfalls
from batchgen.cli.sidecars import no_sidecar
from batchgen.cli.signals import Interrupts
from batchgen.cli.verdict import Verdict, verdict
from batchgen.engine.ports import Namer, Work
from batchgen.engine.scheduler import Engine
from batchgen.engine.stop import Cause, Why
from batchgen.ledger import lock
from batchgen.ledger.files import REAL_DISK, replace_durably, trouble
from batchgen.ledger.journal import Journal
from batchgen.ledger.rundir import RunDirectory
from batchgen.report import progress, summary
from batchgen.report.expiry import is_old
from batchgen.report.progress import Progress
from batchgen.report.survey import survey
from batchgen.runcomfy.client import Client
from batchgen.state import RunState
from batchgen.store.parts import clean_parts
from batchgen.store.writer import Sidecar, Store

TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Opening:
    """What `run_started` says of this run."""

    command: str
    name: str
    manifest: str
    counts: dict[str, int]
    command_line: str = ""
    unlisted: Collection[str] = ()


class DiskTrouble:
    """Passes the journal's first failure on to the engine, which is built later than the journal."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def __call__(self, error: errors.DiskError) -> None:
        """End the run: nothing may be paid for that cannot be written down."""
        if self._engine is not None:
            self._engine.stop.leave(Cause(Why.DISK, str(error)))

    def watch(self, engine: Engine) -> None:
        """Say whom to tell."""
        self._engine = engine


@dataclass(frozen=True, slots=True)
class Batch:
    """One run over a held run directory."""

    place: RunDirectory
    journal: Journal
    state: RunState
    client: Client
    namer: Namer
    manner: Manner
    opening: Opening
    commands: summary.Commands
    disk_trouble: DiskTrouble
    sidecar: Sidecar = no_sidecar

    async def carry_out(self, source: Iterator[Work | None], todo: int) -> int:
        """Run the engine over the `todo` jobs of `source`, show it, write the end down, and return the exit code."""
        started = time.time()
        with self._shown() as shown, Store(self.place.path, disk=REAL_DISK, sidecar=self.sidecar) as store:
            engine = self._engine(store, shown)
            await engine.recorder.record(self._run_started())
            if self.manner.watch is not None:
                self.manner.watch.began()
            for one in shown:
                one.start(todo)
            cancel = self.manner.on_interrupt == "cancel"
            say = functools.partial(engine.recorder.tell, "interrupt")
            with Interrupts(engine.stop, grace=self._grace(), cancel=cancel, say=say) as interrupts:
                if self.manner.max_time is not None:
                    interrupts.allow(self.manner.max_time)
                async with _ticking(shown):
                    causes = await engine.run(source)
                for one in shown:
                    one.close()
                return await self._finish(engine, causes, started)

    def _grace(self) -> float:
        return self.manner.grace if self.manner.on_interrupt == "drain" else 0.0

    def _engine(self, store: Store, shown: Sequence[Progress]) -> Engine:
        clean_parts(self.place.path, REAL_DISK)
        engine = Engine(
            self.client,
            store,
            self.journal,
            self.state,
            self.namer,
            limits=self.manner.limits,
            listeners=[*shown, Shortfalls(shown)],
        )
        self.disk_trouble.watch(engine)
        return engine

    @contextlib.contextmanager
    def _shown(self) -> Iterator[Sequence[Progress]]:
        """Open what shows the run: standard error as the person likes it, and the log file."""
        manner, state = self.manner, self.state
        first = progress.pick(
            manner.progress, state, sys.stderr, quiet=manner.quiet, verbose=manner.verbose, environ=os.environ
        )
        if manner.log_file is None:
            yield [first]
            return
        try:
            stream = manner.log_file.open("a", encoding="utf-8")
        except OSError as error:
            raise trouble("write the log file", manner.log_file, error) from error
        with stream:
            yield [first, progress.Lines(state, stream, verbose=manner.verbose, stamp=_time_of_day)]

    def _run_started(self) -> events.RunStarted:
        opening = self.opening
        return events.RunStarted(
            time=events.stamp(time.time()),
            version=batchgen.__version__,
            name=opening.name,
            manifest=opening.manifest,
            api=self.client.origin,
            counts=opening.counts,
            host=lock.host_name(),
            pid=os.getpid(),
            boot_id=lock.boot_id(),
            command=opening.command,
            command_line=opening.command_line,
            unlisted=tuple(sorted(opening.unlisted)),
        )

    async def _finish(self, engine: Engine, causes: tuple[Cause, ...], started: float) -> int:
        """Write `run_finished` and the summary, and say how it went."""
        if self.journal.failed is not None:
            causes = (*causes, Cause(Why.DISK, str(self.journal.failed)))
        # Files are known by looking only: what was collected again, or made by another attempt, is there.
        whole = presence.wholeness(self.place.path)
        self.state.counts["missing"] = len(presence.missing(self.state, whole))
        ended = verdict(causes, self.state.counts)
        try:
            await engine.recorder.record(self._run_finished(ended))
            self._write_summary(ended, started)
        except errors.DiskError as error:
            ended = verdict((*causes, Cause(Why.DISK, str(error))), self.state.counts)
        self._say_how_it_went(ended, started)
        if self.manner.watch is not None:
            self.manner.watch.hear(self._summary(ended, started))
        return ended.code

    def _run_finished(self, ended: Verdict) -> events.RunFinished:
        return events.RunFinished(
            time=events.stamp(time.time()),
            counts={**self.state.counts},
            exit_code=ended.code,
            reason=ended.reason,
            cost_usd=self.state.committed_usd,
        )

    def _summary(self, ended: Verdict, started: float) -> dict[str, object]:
        return summary.summary(
            self.state,
            exit_code=ended.code,
            reason=ended.reason,
            goes_on=ended.is_expected,
            started=started,
            ended=time.time(),
            run_dir=self.place.path,
        )

    def _write_summary(self, ended: Verdict, started: float) -> None:
        content = json.dumps(self._summary(ended, started), ensure_ascii=False, indent=2) + "\n"
        replace_durably(REAL_DISK, self.place.summary, content.encode())

    def _say_how_it_went(self, ended: Verdict, started: float) -> None:
        manner = self.manner
        if manner.as_json:
            console.show_json(self._summary(ended, started))
        if manner.progress == "json" or (manner.quiet and ended.is_expected and not self._keeps_waiting()):
            return
        console.say(
            *summary.closing(
                self.state,
                exit_code=ended.code,
                reason=ended.sentence,
                started=started,
                ended=time.time(),
                run_dir=self.place.path,
                commands=self.commands,
            )
        )

    def _keeps_waiting(self) -> bool:
        """Whether something paid for has not been collected for so long that its results may expire."""
        return is_old(survey(self.state).oldest_in_flight_s(time.time()))


def _time_of_day() -> str:
    return f"{events.stamp(time.time())} "


@contextlib.asynccontextmanager
async def _ticking(shown: Sequence[Progress]) -> AsyncIterator[None]:
    async def tick() -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for one in shown:
                one.tick()

    ticking = asyncio.ensure_future(tick())
    try:
        yield
    finally:
        ticking.cancel()
