"""The names of what is made: what a template may use of a job, and what reserves them."""

from __future__ import annotations

import datetime
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.job import Job
from batchgen.state import RunState
from batchgen.store.names import Names, render

if TYPE_CHECKING:
    from batchgen.engine.ports import Namer


def namer(template: str, state: RunState, run_dir: Path) -> Namer:
    """Return what reserves names: a job's first by the template, later attempts' by the first one's name."""
    from batchgen.store.standing import Standing  # With all formats, which a plan does without.

    # Only when the first is asked for: a night that finds everything done reserves none.
    names = functools.cache(lambda: Names(state.names(), Standing(run_dir)))

    def reserve(job: Job, attempt: int) -> str:
        known = state.jobs.get(job.id)
        first = known.attempts[0].name if known and known.attempts else ""
        return names().reserve(first or render(template, fields(job)), job.id, attempt)

    return reserve


def no_names(job: Job, attempt: int) -> str:
    """Name nothing: for what never POSTs."""
    raise AssertionError(f"job {job.id} was to be sent by a command that never sends")


def fields(job: Job) -> dict[str, object]:
    """Return what a name template may use of a job. What the job itself says goes before its tags and settings."""
    today = datetime.datetime.fromtimestamp(time.time()).astimezone().date().isoformat()
    return {
        **job.tags,
        **job.settings,
        "index": job.index,
        "slug": job.prompt,
        "job": job.id,
        "seed": "" if job.seed is None else job.seed,
        "model": job.model,
        "date": today,
    }
