"""What a manifest comes to once it is read and found sound: everything expansion needs, and no places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.catalog.schema import ModelSpec
from batchgen.job import Json
from batchgen.manifest.media import Media
from batchgen.manifest.problems import Place
from batchgen.manifest.seeds import Seeds

PROMPT = "prompt"
"""The input that prompts go into."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model to run everything with. `settings` are the weakest values, `forced` the strongest (`--set`)."""

    spec: ModelSpec
    settings: Mapping[str, Json] = field(default_factory=dict)
    forced: Mapping[str, Json] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The model's id, as in the URL."""
        return self.spec.id


@dataclass(frozen=True, slots=True)
class Axis:
    """Inputs that vary together: each row has a value for each key. A grid key is an axis of one, `zip` is one axis."""

    keys: tuple[str, ...]
    rows: tuple[tuple[Json, ...], ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of the manifest, or a template with `vars` that stands for several."""

    text: str
    place: Place
    variables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    settings: Mapping[str, Json] = field(default_factory=dict)
    tags: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt list. `label` is its name in messages; `where` maps columns to the texts that are taken.

    `place` is where the manifest names it; `column_place` and `where_places` are where it names columns.
    """

    path: Path
    label: str
    place: Place
    column: str | None = None
    column_place: Place | None = None
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    where_places: Mapping[str, Place] = field(default_factory=dict)
    limit: int | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)
    tags: Mapping[str, Json] = field(default_factory=dict)


Source = Prompt | PromptFile

Exclusion = Mapping[str, tuple[Json, ...]]
"""What not to make: every key must have one of its values."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything expansion needs, in the manifest's order. `seeds` is None where the manifest says nothing of them.

    `media` are the local files that inputs name, and those that rows of prompt files do.
    """

    sources: tuple[Source, ...]
    models: tuple[Model, ...]
    axes: tuple[Axis, ...] = ()
    exclude: tuple[Exclusion, ...] = ()
    seeds: Seeds | None = None
    repeats: int = 1
    media: Media = field(default_factory=Media)

    @property
    def seeds_or_default(self) -> Seeds:
        """The seeds stage: one derived seed where the manifest is silent."""
        return Seeds() if self.seeds is None else self.seeds
