"""What the command line chose, and the manifest that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchgen import errors
from batchgen.catalog.schema import ModelSpec
from batchgen.catalog.words import value_text
from batchgen.cli import place
from batchgen.cli.specs import Specs
from batchgen.job import Job
from batchgen.ledger.rundir import RunDirectory
from batchgen.manifest.loader import draft
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.overrides import Overrides
from batchgen.plan import Policy


@dataclass(frozen=True, slots=True)
class Choice:
    """What to run, where, and which of it. `text` is the manifest where it came from standard input."""

    manifest: Path
    overrides: Overrides
    policy: Policy
    output_dir: Path | None = None
    sandbox: bool = False
    allow_hosts: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    limit: int | None = None
    refresh_schema: bool = False
    text: bytes | None = None

    @property
    def takes_all(self) -> bool:
        """Whether every job of the manifest is selected."""
        return not self.where and self.limit is None

    def selection(self) -> Selection:
        """Return a fresh selection, for one pass over the manifest's jobs. Raises UsageError."""
        return Selection(self.where, self.limit)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A sound manifest, and the run directory that is its own.

    `pinned` are the schemas that its `catalog.json` holds.
    """

    manifest: Manifest
    place: RunDirectory
    pinned: Mapping[str, ModelSpec] = field(default_factory=dict)

    @property
    def specs(self) -> dict[str, ModelSpec]:
        """The schemas of the manifest's models, by id."""
        return {spec.id: spec for spec in self.manifest.models}

    @property
    def replaced(self) -> dict[str, ModelSpec]:
        """The pinned schemas that are not those of the manifest's models, after `--refresh-schema`."""
        pinned = ((model, self.pinned.get(model, spec), spec) for model, spec in self.specs.items())
        return {model: before for model, before, spec in pinned if before.digest != spec.digest}


def load_manifest(choice: Choice) -> Loaded:
    """Read and check the manifest, by the schemas that `Specs` finds for its models.

    Raises ManifestError with everything that is wrong, and what `Specs` raises.
    """

    def run_directory(name: str, output: Path | None) -> RunDirectory:
        folder, sandbox = choice.manifest.parent, choice.sandbox
        return RunDirectory(place.directory(name, folder, output, output_dir=choice.output_dir, sandbox=sandbox))

    read = draft(choice.manifest, choice.overrides, choice.text)
    specs = Specs(run_directory(*read.whereabouts).catalog, sandbox=choice.sandbox, refresh=choice.refresh_schema)
    manifest = read.manifest(specs)
    return Loaded(manifest, run_directory(manifest.name, manifest.output.dir), specs.pinned)


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
