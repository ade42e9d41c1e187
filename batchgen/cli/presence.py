"""Whether the pictures of done jobs are there: packed jobs are looked at once, and loosened where they are not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path

from batchgen.state import Attempt, Fact, RunState
from batchgen.store.check import whole

There = Callable[[str, int], bool]
"""Whether a file of the ledger, path and size, is there."""


def wholeness(run_dir: Path) -> Callable[[Attempt], bool]:
    """Return what looks whether a done attempt's files are there."""
    return lambda attempt: all(whole(run_dir, path, size) for path, size in attempt.files)


def look(state: RunState, is_there: There) -> None:
    """Look at the files of all packed jobs, once, and loosen those whose files are not all there."""
    for job_id in [job for job, files in state.jobs.packed_files() if not all(is_there(*file) for file in files)]:
        state.jobs.loosen(job_id)


def count_missing(state: RunState, is_there: There) -> int:
    """Return how many done jobs have files that are not all there, and leave the state as it is."""
    return state.jobs.count_damaged(is_there) + len(
        missing(state, lambda attempt: all(is_there(*file) for file in attempt.files))
    )


def folders(state: RunState) -> set[str]:
    """Return the folders, relative to the run directory, that done jobs have files in."""
    packed = (file for _, files in state.jobs.packed_files() for file in files)
    loose = (file for _, attempt in state.loose_attempts() for file in attempt.files)
    return {path.rpartition("/")[0] for path, _ in chain(packed, loose)}


def missing(state: RunState, is_whole: Callable[[Attempt], bool]) -> frozenset[str]:
    """Return the ids of done jobs whose files are not all there, by the `look` at packed ones that was before."""
    return frozenset(
        job_id
        for job_id, known in state.jobs.loose.items()
        if known.attempts and known.best.fact is Fact.DONE and not is_whole(known.best)
    )
