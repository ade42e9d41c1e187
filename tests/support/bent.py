"""The real command on a bent system: `python -m support.bent '{...}' python -m batchgen ARGUMENTS...`

Bends files and clock below batchgen, at the system calls, so that no code path escapes. The keys of the JSON object:

- `full_from`: from this write on (counted from 1, to regular files), the disk has no room but what is freed on it.
- `fsync_fails`: this fsync (counted from 1, of regular files) fails with EIO.
- `clock`: seconds that the wall clock is wrong by; `step`: how far it jumps, once `step_after` looks at it are taken.
- `silence`: seconds after which nobody's answering ends the run, instead of two minutes.
- `size_limit`: RLIMIT_FSIZE in bytes, as `ulimit -f` sets it.
- `hold_summary`: a file to make when the summary is about to be written; it goes on when the file is removed.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import sys
import time
from pathlib import Path
from typing import Any

from batchgen.engine import limits
from batchgen.ledger import files


class FullDisk:
    """Bytes that may still be written to regular files, given back by whatever is removed or cut."""

    def __init__(self, full_from: int) -> None:
        self._left = full_from
        self._room = 0
        self._write, self._unlink, self._truncate = os.write, os.unlink, os.ftruncate

    def bend(self) -> None:
        """Take the place of the system's calls."""
        os.write, os.unlink, os.ftruncate = self.write, self.unlink, self.truncate

    def write(self, descriptor: int, data: Any) -> int:
        """Write what there is room for."""
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return self._write(descriptor, data)
        self._left -= 1
        if self._left > 0:
            return self._write(descriptor, data)
        room = min(self._room, len(data))
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._room -= room
        return self._write(descriptor, memoryview(data)[:room])

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        """Remove a file and give its room back."""
        size = os.lstat(path).st_size
        self._unlink(path, dir_fd=dir_fd)
        self._room += size

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file and give the room back."""
        before = os.fstat(descriptor).st_size
        self._truncate(descriptor, size)
        self._room += max(0, before - size)


def fail_fsync(number: int) -> None:
    """Have one fsync of a regular file fail."""
    fsync, left = os.fsync, [number]

    def bent(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    os.fsync = bent  # type: ignore[assignment]


def bend_clock(offset: float, step: float, after: int) -> None:
    """Have the wall clock be wrong, and jump after so many looks at it."""
    clock, looks = time.time, [0]

    def bent() -> float:
        looks[0] += 1
        return clock() + offset + (step if looks[0] > after else 0.0)

    time.time = bent


def hold_summary(flag: Path) -> None:
    """Stop before the summary is written, for as long as `flag` is there."""
    rename = files.RealDisk.rename

    def bent(disk: files.RealDisk, source: Path, target: Path) -> None:
        if target.name == "summary.json":
            flag.touch()
            while flag.exists():
                time.sleep(0.02)
        rename(disk, source, target)

    files.RealDisk.rename = bent  # type: ignore[method-assign,assignment]


def bend(how: dict[str, Any]) -> None:
    """Bend the system as told."""
    if "size_limit" in how:
        resource.setrlimit(resource.RLIMIT_FSIZE, (how["size_limit"], how["size_limit"]))
    if "full_from" in how:
        FullDisk(how["full_from"]).bend()
    if "fsync_fails" in how:
        fail_fsync(how["fsync_fails"])
    if "clock" in how or "step" in how:
        bend_clock(how.get("clock", 0.0), how.get("step", 0.0), how.get("step_after", 0))
    if "silence" in how:
        limits.SILENCE_S = how["silence"]
    if "hold_summary" in how:
        hold_summary(Path(how["hold_summary"]))


if __name__ == "__main__":
    bend(json.loads(sys.argv[1]))
    # Only now: defaults of functions hold what they were bound to.
    from batchgen.cli.main import main

    sys.argv = ["batchgen", *sys.argv[5:]]
    main()
