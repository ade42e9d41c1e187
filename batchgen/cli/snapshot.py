"""Keeping what was run: the manifest and every list it names, in the run directory, under the hash over all of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from batchgen import errors
from batchgen.errors import Problem
from batchgen.ledger.files import REAL_DISK, make_folder_durably, replace_durably, trouble
from batchgen.ledger.rundir import RunDirectory
from batchgen.manifest.manifest import Manifest

DIGITS = 32
"""How much of the hash names the folder."""


def snapshot(manifest: Manifest, place: RunDirectory) -> Manifest:
    """Return the manifest reading its lists from `inputs/<hash>/`, copied there durably if they are not yet.

    The run then plans and sends by what was validated, whoever edits the originals meanwhile. Raises ManifestError
    where they changed since they were validated, and DiskError.
    """
    folder = place.inputs / manifest.digest[:DIGITS]
    if not _is_kept(manifest, folder):
        _copy(manifest, folder)
        if not _is_kept(manifest, folder):
            shutil.rmtree(folder, ignore_errors=True)
            message, hint = "changed while it was being read", "run the same command again"
            raise errors.ManifestError([Problem(str(manifest.path), 0, 0, message, hint)])
    return manifest.at(folder)


def _is_kept(manifest: Manifest, folder: Path) -> bool:
    try:
        return manifest.digest_at(folder) == manifest.digest
    except OSError:
        return False


def _copy(manifest: Manifest, folder: Path) -> None:
    """Copy every file, each whole or not at all; a crash in between leaves a folder that is simply completed."""
    for source, name in manifest.snapshot_names().items():
        target = folder / name
        make_folder_durably(REAL_DISK, target.parent)
        try:
            content = source.read_bytes()
        except OSError as error:
            raise trouble("read the file", source, error) from error
        replace_durably(REAL_DISK, target, content)
