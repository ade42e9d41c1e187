"""The user's file, validated: settings, limits, and a lazy stream of Jobs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batchgen.catalog.price import Pricing
from batchgen.catalog.schema import ModelSpec
from batchgen.errors import Problem
from batchgen.job import InputFile
from batchgen.manifest.expand import Expansion
from batchgen.manifest.recipe import PromptFile, Recipe, Source
from batchgen.manifest.sections import Limits, OutputSpec


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was found sound.

    `files` are the manifest and every list it names, in order; `content` is the manifest's text, None where it is a
    list itself; `inputs` says where the local files are that jobs send; `digest` (SHA-256, hex) is over all of them;
    `tags` are the names of all tags; `warnings` are what may be mistakes.
    """

    name: str
    path: Path
    models: tuple[ModelSpec, ...]
    limits: Limits
    output: OutputSpec
    pricing: Pricing
    files: tuple[Path, ...]
    content: bytes | None
    inputs: Mapping[InputFile, Path]
    digest: str
    tags: tuple[str, ...]
    warnings: tuple[Problem, ...]
    recipe: Recipe
    repeated: frozenset[int]
    product: int

    @property
    def folder(self) -> Path:
        """What paths in the manifest are relative to."""
        return self.path.parent

    def jobs(self) -> Expansion:
        """Return a fresh stream of the Jobs in order, each once; it counts duplicates and excluded ones as it goes."""
        return Expansion(self.recipe, self.repeated)

    def count(self) -> int:
        """Return the size of the product, by arithmetic.

        It is exact unless jobs are excluded or identical; then the exact number is that of `jobs()`, iterated.
        """
        return self.product

    def snapshot_names(self) -> Mapping[Path, str]:
        """Return a safe relative name for each of `files`, for a snapshot folder."""
        return snapshot_names(self.files)

    def digest_at(self, folder: Path) -> str:
        """Return the digest of a snapshot: equal to `digest` if the snapshot holds what was validated.

        Raises OSError where a file cannot be read.
        """
        names = self.snapshot_names().values()
        return digest({name: folder / name for name in names}, None, self.inputs)

    def at(self, folder: Path) -> Manifest:
        """Return the same manifest reading its lists from a snapshot folder; messages keep the original names."""
        names = self.snapshot_names()
        sources = tuple(_moved(source, folder, names) for source in self.recipe.sources)
        return replace(self, recipe=replace(self.recipe, sources=sources))


def snapshot_names(files: Sequence[Path]) -> dict[Path, str]:
    """Return `manifest.yaml`, `files/1_prompts.tsv` and so on, by file. Standard input has no suffix, and is YAML."""
    first, *lists = files
    named = {first: f"manifest{first.suffix.lower() or '.yaml'}"}
    return named | {path: f"files/{number}_{_safe(path.name)}" for number, path in enumerate(lists, 1)}


def digest(files: Mapping[str, Path], first: bytes | None, inputs: Iterable[InputFile]) -> str:
    """Return SHA-256 (hex) over names and contents, in order. Raises OSError.

    `first` is the first file's content where it was read already; `inputs` are local files, hashed already.
    """
    whole = hashlib.sha256()
    for name, path in files.items():
        if first is not None:
            content, first = hashlib.sha256(first).hexdigest(), None
        else:
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{name}\0{content}\n".encode())
    for name in sorted(file.name for file in inputs):
        whole.update(f"{name}\n".encode())
    return whole.hexdigest()


def _safe(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return re.sub(r"[^A-Za-z0-9._-]", "_", stem).lstrip(".")[:80] + dot + suffix.lower()


def _moved(source: Source, folder: Path, names: Mapping[Path, str]) -> Source:
    return replace(source, path=folder / names[source.path]) if isinstance(source, PromptFile) else source
