"""Names that are taken by files that stand there already."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from batchgen.store.fingerprints import Fingerprints
from batchgen.store.formats import EXTENSIONS
from batchgen.store.names import key
from batchgen.store.parts import IMAGES

_ENDINGS = frozenset((*EXTENSIONS, "json"))


class Standing:
    """Knows the stems under which outputs or sidecars stood, whoever made them, when a folder was first asked about.

    A folder is listed once: looking for every ending of every name would cost more than all else about a name.
    """

    def __init__(self, run_dir: Path) -> None:
        self._images = run_dir / IMAGES
        self._stems: dict[str, Fingerprints] = {}

    def __call__(self, name: str) -> bool:
        """Tell whether something stood under a stem, which may lead through folders."""
        folder, _, stem = name.rpartition("/")
        if folder not in self._stems:
            self._stems[folder] = Fingerprints()
            for one in self._listed(folder):
                self._stems[folder].add(one)
        return key(stem) in self._stems[folder]

    def _listed(self, folder: str) -> Iterator[str]:
        # What cannot be listed is not there yet, or nothing that could be written to either.
        with contextlib.suppress(OSError), os.scandir(self._images / folder) as entries:
            for entry in entries:
                stem, _, extension = entry.name.rpartition(".")
                if extension.lower() in _ENDINGS:
                    yield from map(key, {stem, stem.removesuffix("_1")})
