"""Whether a path that the user wrote leads to a file that can be read, and the file that was probably meant."""

from __future__ import annotations

import stat
from pathlib import Path

from batchgen.catalog.words import did_you_mean


def unusable(path: Path) -> tuple[str, str] | None:
    """Return why a path is no file to read, and the fix; None where it is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "does not exist", _similar_file(path)
    except (OSError, ValueError) as error:
        return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}", ""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return "is a folder", "name a file in it"
    return "is not a regular file", "copy it to one; it is read more than once"


def _similar_file(path: Path) -> str:
    if "~" in path.parts:
        return "~ is not expanded; write the folder out"
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return f"the folder {path.parent} does not exist or cannot be read"
    return did_you_mean(path.name, names)
