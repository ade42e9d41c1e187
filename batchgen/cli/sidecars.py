"""Whether a run writes sidecars, and what they hold."""

from __future__ import annotations

from batchgen import errors
from batchgen.cli import snapshot
from batchgen.job import Job
from batchgen.ledger.rundir import RunDirectory
from batchgen.manifest.sidecar import one_job
from batchgen.manifest.whereabouts import wants_sidecars
from batchgen.state import RunState
from batchgen.store.writer import Sidecar


def sidecars(wanted: bool) -> Sidecar:
    """Return what makes the sidecar of a job, or nothing where none are wanted."""
    return _sidecar if wanted else no_sidecar


def no_sidecar(job: Job, name: str) -> None:
    """Write none."""


def as_last_run(place: RunDirectory, state: RunState) -> Sidecar:
    """Return what the manifest of the last run asked for, as its snapshot says."""
    last = state.last_started
    digest = last.manifest if last is not None else ""
    for path in snapshot.folder_of(place, digest).glob("manifest.*") if digest else ():
        try:
            return sidecars(wants_sidecars(path))
        except errors.ManifestError:
            break  # What was run is not there as it was; it is no reason to leave pictures at the server.
    return no_sidecar


def _sidecar(job: Job, name: str) -> bytes | None:
    if not job.input:
        return None  # A request that was attached by hand: what made it is not in the ledger.
    up = "/".join([".."] * (name.count("/") + 1))
    return one_job(job, f"{up}/inputs/files")
