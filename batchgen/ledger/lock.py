"""Who may write: a kernel lock on the ledger file itself, and the rule for hosts the kernel does not know of.

The ledger is the lock file because it is never renamed or replaced: one inode, one run directory. The lock dies with
its holder, however it dies. Descriptors are close-on-exec, so that no child program keeps it alive.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import sys
from pathlib import Path

from batchgen import events
from batchgen.errors import DiskError, LockedError, printable
from batchgen.ledger import replay
from batchgen.ledger.files import Disk, require_regular, trouble
from batchgen.state import RunState

QUIET_SECONDS = 600.0
"""For how long after its ledger last grew another host's unfinished run counts as alive."""

_CANNOT_LOCK = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TRIES = 8


def acquire(disk: Disk, path: Path) -> int:
    """Open the ledger for reading and appending, made where it is missing, and lock it; return the descriptor.

    Closing the descriptor lets go of the lock. Raises LockedError where another process holds it, DiskError where it
    cannot be opened or the file system cannot lock, and LedgerError where it is not a regular file.
    """
    for _ in range(_TRIES):
        descriptor = _open(disk, path)
        try:
            _lock(descriptor, path)
            if _still_there(descriptor, path):
                return descriptor
        except BaseException:
            disk.close(descriptor)
            raise
        # Somebody removed the file between opening and locking: this lock would guard nothing.
        disk.close(descriptor)
    raise DiskError(printable(f"{path}: is removed again and again by another program; end that, then run again"))


def living_elsewhere(state: RunState, host: str, quiet_for: float) -> events.RunStarted | None:
    """Return the start of another host's run that may still be going on, or None where there is none.

    `quiet_for` is the time in seconds since the ledger last grew; clocks of hosts differ, so it may be negative.
    """
    started = state.last_started
    if started is None or state.last_finished is not None or started.host == host:
        return None
    return started if quiet_for < QUIET_SECONDS else None


def host_name() -> str:
    """Return this machine's name."""
    return platform.node()


def boot_id() -> str:
    """Return what tells this boot of the machine from its others; empty where the system does not say."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return _boot_time() if sys.platform == "darwin" else ""


def _boot_time() -> str:
    import subprocess  # On macOS alone.

    command = ["/usr/sbin/sysctl", "-n", "kern.boottime"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""


def _open(disk: Disk, path: Path) -> int:
    try:
        # Without O_NONBLOCK, opening a pipe could wait for its other end.
        descriptor = disk.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK)
    except OSError as error:
        raise trouble("open the ledger", path, error) from error
    try:
        require_regular(descriptor, path)
    except BaseException:
        disk.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError(_held(descriptor, path)) from None
    except OSError as error:
        if error.errno not in _CANNOT_LOCK:
            raise trouble("lock the ledger", path, error) from error
        fix = "put the run directory on a local disk (-o)"
        raise DiskError(printable(f"{path}: its file system cannot lock files ({error.strerror}); {fix}")) from error


def _held(descriptor: int, path: Path) -> str:
    started = replay.last_started(descriptor, path)
    who = (
        f"the last to start was process {started.pid} on {started.host}, {started.time}" if started else "not yet named"
    )
    return printable(f"{path.parent}: another run holds this run directory ({who}); wait for its end, or stop it")


def _still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))  # noqa: PTH116
    except FileNotFoundError:
        return False
