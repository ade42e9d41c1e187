"""Trying out a folder the way a run uses it: make, write, fsync, lock, rename; and leave nothing behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from batchgen import errors
from batchgen.ledger import lock
from batchgen.ledger.files import REAL_DISK, replace_durably, trouble
from batchgen.ledger.rundir import LOG_NAME


def probe_folder(run_dir: Path) -> tuple[Path, int]:
    """Try the run directory, or the nearest folder above it that is there; return that folder and its free bytes.

    Raises DiskError, with the fix, for the first thing that a run could not do there.
    """
    folder = next(path for path in (run_dir.absolute(), *run_dir.absolute().parents) if os.path.lexists(path))
    try:
        with TemporaryDirectory(prefix=".batchgen-doctor-", dir=folder) as inner:
            _try_out(Path(inner))
        return folder, shutil.disk_usage(folder).free
    except OSError as error:
        raise trouble("write into the folder", folder, error) from error


def _try_out(folder: Path) -> None:
    replace_durably(REAL_DISK, folder / "file", b"doctor\n")
    descriptor = lock.acquire(REAL_DISK, folder / LOG_NAME)
    try:
        REAL_DISK.close(lock.acquire(REAL_DISK, folder / LOG_NAME))
    except errors.LockedError:
        return
    finally:
        REAL_DISK.close(descriptor)
    raise errors.DiskError(f"{folder.parent}: its file system grants one lock twice; put the run on a local disk (-o)")
