"""Holding files against the ledger: is every output there, whole, and what it was?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from batchgen.job import File
from batchgen.store.check import whole

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Damage:
    """One file that is not what the ledger says. `what` is missing (or of another size), changed, or unreadable."""

    path: str
    what: str


def verify(run_dir: Path, files: Iterable[File]) -> Iterator[Damage]:
    """Yield what is wrong with the files of a run directory. Reads every byte of every file."""
    for file in files:
        if not whole(run_dir, file.path, file.bytes):
            yield Damage(file.path, "missing")
            continue
        try:
            digest = _digest(run_dir / file.path)
        except OSError:
            yield Damage(file.path, "unreadable")
        else:
            if digest != file.sha256:
                yield Damage(file.path, "changed")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as stream:  # noqa: PTH123
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
