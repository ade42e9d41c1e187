"""Keeping what was run: the manifest and every list it names, in the run directory, under the hash over all of them.

Local input files are kept beside them, each once and by its own hash. A POST still reads the original, and fails where
that was changed; the copies are for making a picture again.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from batchgen import errors
from batchgen.errors import Problem
from batchgen.ledger.files import REAL_DISK, replace_durably, trouble
from batchgen.ledger.rundir import RunDirectory
from batchgen.manifest.manifest import Manifest
from batchgen.store.folders import Folders

DIGITS = 32
"""How much of the hash names the folder."""


def snapshot(manifest: Manifest, place: RunDirectory) -> Manifest:
    """Return the manifest reading its lists from `inputs/<hash>/`, copied there durably if they are not yet.

    The run then plans and sends by what was validated, whoever edits the originals meanwhile. Raises ManifestError
    where they changed since they were validated, and DiskError.
    """
    folder = folder_of(place, manifest.digest)
    if not _is_kept(manifest, folder):
        _copy(manifest, place, folder)
        if not _is_kept(manifest, folder):
            shutil.rmtree(folder, ignore_errors=True)
            raise _changed(manifest.path)
    _keep_inputs(manifest, place)
    return manifest.at(folder)


def folder_of(place: RunDirectory, digest: str) -> Path:
    """Return the folder with the manifest of this hash."""
    return place.inputs / digest[:DIGITS]


def _is_kept(manifest: Manifest, folder: Path) -> bool:
    try:
        return manifest.digest_at(folder) == manifest.digest
    except OSError:
        return False


def _copy(manifest: Manifest, place: RunDirectory, folder: Path) -> None:
    """Copy every file, each whole or not at all; a crash in between leaves a folder that is simply completed."""
    folders = Folders(place.path, REAL_DISK)
    for source, name in manifest.snapshot_names().items():
        target = folder / name
        folders.ensure(*target.parent.relative_to(place.path).parts)
        known = manifest.content if source == manifest.path else None
        replace_durably(REAL_DISK, target, _content(source) if known is None else known)


def _keep_inputs(manifest: Manifest, place: RunDirectory) -> None:
    folders = Folders(place.path, REAL_DISK)
    for file, source in manifest.inputs.items():
        target = place.input_files / file.name
        if target.is_file() and target.stat().st_size == file.bytes:
            continue
        folders.ensure(*place.input_files.relative_to(place.path).parts)
        content = _content(source)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise _changed(source)
        replace_durably(REAL_DISK, target, content)


def _content(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise trouble("read the file", source, error) from error


def _changed(path: Path) -> errors.ManifestError:
    return errors.ManifestError([Problem(str(path), 0, 0, "changed while it was being read", "run it again")])
