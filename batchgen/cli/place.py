"""Where a run's directory is, from a manifest, the command line, or the word RUN of the reading commands."""

from __future__ import annotations

from pathlib import Path

from batchgen import errors
from batchgen.errors import Problem
from batchgen.ledger.rundir import is_run_directory

SUFFIX = "-sandbox"


def directory(
    name: str, folder: Path, output: Path | None, *, output_dir: Path | None = None, sandbox: bool = False
) -> Path:
    """Return the run directory: `output_dir` as it is, else the manifest's (`output`), else `runs/<name>` beside it.

    A sandbox's default directory ends in `-sandbox`, so that a rehearsal never meets what was paid for.
    """
    if output_dir is not None:
        return output_dir
    from batchgen.store.names import component  # Whoever names a run directory itself needs no other name.

    chosen = output or folder / "runs" / component(name)
    return chosen.with_name(chosen.name + SUFFIX) if sandbox else chosen


def of_manifest(manifest: Path, *, sandbox: bool = False) -> Path:
    """Return the run directory of the manifest at this path. Raises ManifestError where it cannot be read."""
    from batchgen.manifest.whereabouts import whereabouts

    name, output = whereabouts(manifest)
    return directory(name, manifest.parent, output, sandbox=sandbox)


def find_run(run: Path) -> Path:
    """Return the run directory that RUN means: itself, or the one of the manifest it names.

    Raises ManifestError (data) where there is none.
    """
    if is_run_directory(run):
        return run
    if run.is_file():
        for sandbox in (False, True):
            chosen = of_manifest(run, sandbox=sandbox)
            if is_run_directory(chosen):
                return chosen
        raise errors.ManifestError([Problem(str(run), 0, 0, f"has not been run yet: there is no run in {chosen}")])
    what = "is a folder without a ledger (log.jsonl)" if run.is_dir() else "does not exist"
    raise errors.ManifestError([Problem(str(run), 0, 0, what, "name a run directory, or a manifest that was run")])
