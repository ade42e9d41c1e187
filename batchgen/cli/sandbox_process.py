"""The sandbox as a child process of a run: started with it, ended with it, even if the run is killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from batchgen import errors
from batchgen.ledger.files import require_own_folder
from batchgen.runcomfy import token

START_S = 20.0


@asynccontextmanager
async def sandbox_process(folder: Path) -> AsyncIterator[str]:
    """Serve the sandbox kept in `folder`, and yield its origin.

    Raises UnavailableError where it does not start, and DiskError where a symbolic link stands for the folder.

    The child reads a pipe that only this process holds, so that it ends when this process does, however that happens.
    It has a process group of its own: a Ctrl-C in the terminal is for the run to handle. It is told no token.
    """
    require_own_folder(folder)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "batchgen.sandbox", "--dir", str(folder), "--parent-pipe"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name not in token.VARIABLES},
    )
    try:
        yield await _origin(child)
    finally:
        if child.stdin is not None:
            child.stdin.close()
        await child.wait()


async def _origin(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = await child.stdout.readline()
        return str(json.loads(line)["api"])
    except (TimeoutError, ValueError, KeyError):
        raise errors.UnavailableError("the sandbox did not start; its own message is above") from None
