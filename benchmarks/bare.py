"""The plainest client there is, for comparison: an aiohttp loop without any promise.

    python benchmarks/bare.py ORIGIN FOLDER JOBS [IN_FLIGHT [WAIT]]

Each job is a POST, WAIT seconds of sleep (0), a status, a result and a file, all on aiohttp's defaults; the picture is
written to its name in one write and a line goes into a log. Nothing is checked, hashed, synced or resumed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from standin import MODEL


async def job(session: aiohttp.ClientSession, origin: str, folder: Path, number: int, wait: float) -> None:
    """See one job through."""
    body = {"prompt": f"benchmark {number}", "seed": number}
    async with session.post(f"{origin}/v1/models/{MODEL}", json=body) as response:
        request = (await response.json())["request_id"]
    if wait:
        await asyncio.sleep(wait)
    async with session.get(f"{origin}/v1/requests/{request}/status") as response:
        assert (await response.json())["status"] == "completed"
    async with session.get(f"{origin}/v1/requests/{request}/result") as response:
        url = (await response.json())["output"]["images"][0]["url"]
    async with session.get(url) as response:
        (folder / f"{number:05}.png").write_bytes(await response.read())
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps({"job": number, "request_id": request, **body}) + "\n")


async def main(origin: str, folder: Path, jobs: int, in_flight: int = 64, wait: float = 0.0) -> None:
    """Work `jobs` off, `in_flight` at a time."""

    async def work(numbers: Iterator[int]) -> None:
        for number in numbers:
            await job(session, origin, folder, number, wait)

    async with aiohttp.ClientSession(headers={"Authorization": "Bearer benchmark"}) as session:
        numbers = iter(range(1, jobs + 1))
        await asyncio.gather(*(work(numbers) for _ in range(in_flight)))


if __name__ == "__main__":
    asyncio.run(
        main(
            sys.argv[1],
            Path(sys.argv[2]),
            int(sys.argv[3]),
            int((sys.argv[4:] or ["64"])[0]),
            float((sys.argv[5:] or ["0"])[0]),
        )
    )
