"""The download leg alone: the client and the store of batchgen, fetching one URL again and again.

python benchmarks/downloads.py ORIGIN FOLDER FILES [IN_FLIGHT]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from batchgen.cli import loop
from batchgen.job import make_job
from batchgen.ledger.files import REAL_DISK
from batchgen.runcomfy.client import Client
from batchgen.store.writer import Store


async def main(origin: str, folder: Path, files: int, in_flight: int) -> None:
    """Save `files` pictures, `in_flight` at a time."""

    async def work(numbers: Iterator[int]) -> None:
        for number in numbers:
            opener = partial(client.open, f"{origin}/files/{number}.png")
            await store.save([opener], job=make_job(number, "m", {"number": number}), attempt=1, name=f"{number:05}")

    folder.mkdir()
    with Store(folder, disk=REAL_DISK) as store:
        async with Client(base=origin, token="benchmark") as client:  # noqa: S106
            numbers = iter(range(1, files + 1))
            await asyncio.gather(*(work(numbers) for _ in range(in_flight)))


if __name__ == "__main__":
    loop.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int((sys.argv[4:] or ["64"])[0])))
