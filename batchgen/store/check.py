"""Looking at saved files again."""

from __future__ import annotations

import stat
from collections.abc import Container, Iterator
from pathlib import Path, PurePosixPath

from batchgen.store.formats import EXTENSIONS
from batchgen.store.names import key
from batchgen.store.parts import IMAGES

_ENDINGS = frozenset((*EXTENSIONS, "json"))


class Standing:
    """Knows the stems under which outputs or sidecars stood, whoever made them, when a folder was first asked about.

    A folder is listed once: looking for every ending of every name would cost more than all else about a name. Stems
    in `known` are left out, lest a long ledger's be kept twice.
    """

    def __init__(self, run_dir: Path, known: Container[str] = ()) -> None:
        self._images = run_dir / IMAGES
        self._known = known
        self._stems: dict[str, frozenset[str]] = {}

    def __call__(self, name: str) -> bool:
        """Tell whether something stood under a stem, which may lead through folders."""
        folder, _, stem = name.rpartition("/")
        if folder not in self._stems:
            self._stems[folder] = frozenset(self._listed(folder))
        return key(stem) in self._stems[folder]

    def _listed(self, folder: str) -> Iterator[str]:
        try:
            files = [path.name for path in (self._images / folder).iterdir()]
        except OSError:
            return  # Not there yet, or nothing that could be written to either.
        for file in files:
            stem, _, extension = file.rpartition(".")
            if extension.lower() in _ENDINGS and f"{folder}/{stem}".lstrip("/") not in self._known:
                yield from map(key, {stem, stem.removesuffix("_1")})


def whole(run_dir: Path, path: str, size: int) -> bool:
    """Tell whether a file of the ledger is there: a regular file of `size` bytes, reached through no link.

    `path` is relative to the run directory, with forward slashes, as the ledger has it.
    """
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or parts[0] == "/" or "\0" in path:
        return False
    here = run_dir
    try:
        for folder in parts[:-1]:
            here = here / folder
            if not stat.S_ISDIR(here.lstat().st_mode):
                return False
        found = (here / parts[-1]).lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size
