"""What the command line chose, and the manifest that it names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from batchgen import errors
from batchgen.catalog import pin, schema
from batchgen.catalog.schema import ModelSpec
from batchgen.catalog.words import value_text
from batchgen.cli import place
from batchgen.job import Job
from batchgen.ledger.rundir import RunDirectory
from batchgen.manifest.loader import load
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.overrides import Overrides
from batchgen.plan import Policy


@dataclass(frozen=True, slots=True)
class Choice:
    """What to run, where, and which of it."""

    manifest: Path
    overrides: Overrides
    policy: Policy
    output_dir: Path | None = None
    sandbox: bool = False
    allow_hosts: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    limit: int | None = None

    def selection(self) -> Selection:
        """Return a fresh selection, for one pass over the manifest's jobs. Raises UsageError."""
        return Selection(self.where, self.limit)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A sound manifest, and the run directory that is its own."""

    manifest: Manifest
    place: RunDirectory

    @property
    def specs(self) -> dict[str, ModelSpec]:
        """The schemas of the manifest's models, by id."""
        return {spec.id: spec for spec in self.manifest.models}


def load_manifest(choice: Choice) -> Loaded:
    """Read and check the manifest, by the schemas pinned in its run directory where there are any.

    Raises ManifestError with everything that is wrong.
    """
    manifest = load(choice.manifest, choice.overrides, schema.bundled)
    chosen = place.directory(
        manifest.name, manifest.folder, manifest.output.dir, output_dir=choice.output_dir, sandbox=choice.sandbox
    )
    run_directory = RunDirectory(chosen)
    pinned = pin.read(run_directory.catalog)
    if any(pinned.get(spec.id, spec).digest != spec.digest for spec in manifest.models):
        manifest = load(choice.manifest, choice.overrides, partial(_spec_of, pinned))
    return Loaded(manifest, run_directory)


def _spec_of(pinned: dict[str, ModelSpec], model: str) -> ModelSpec | None:
    return pinned.get(model) or schema.bundled(model)


class Selection:
    """`--where` and `--limit`: which of the manifest's jobs, in its order; a callable for one pass over them.

    Raises UsageError for a `--where` that is not KEY=VALUE.
    """

    def __init__(self, where: tuple[str, ...], limit: int | None) -> None:
        self._wanted: dict[str, set[str]] = {}
        for pair in where:
            key, equals, value = pair.partition("=")
            if not equals or not key:
                raise errors.UsageError(f"--where {pair}: write KEY=VALUE, a tag or setting and its value")
            self._wanted.setdefault(key, set()).add(value)
        self._left = limit

    def __call__(self, job: Job) -> bool:
        """Whether the job is selected; counts towards the limit if it is."""
        if not all(_text_of(job, key) in values for key, values in self._wanted.items()):
            return False
        if self._left is None:
            return True
        self._left -= 1
        return self._left >= 0


def _text_of(job: Job, key: str) -> str | None:
    value = job.tags.get(key, job.input.get(key))
    return None if value is None else value_text(value)
