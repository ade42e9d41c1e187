"""Holding files against the ledger: is every output there, whole, and what it was?"""

from __future__ import annotations

import hashlib
import os
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


def damage_of(run_dir: Path, file: File) -> Damage | None:
    """Return what is wrong with a file of a run directory, None where nothing is. Reads every byte of it."""
    if not whole(run_dir, file.path, file.bytes):
        return Damage(file.path, "missing")
    try:
        digest = _digest(run_dir / file.path)
    except OSError:
        return Damage(file.path, "unreadable")
    return None if digest == file.sha256 else Damage(file.path, "changed")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as stream:  # noqa: PTH123
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
