"""The plainest client with threads, for comparison: `requests`, one session a thread.

    python benchmarks/threaded.py ORIGIN FOLDER JOBS [IN_FLIGHT]

It does what `bare.py` does. It needs `requests`, which nothing else here does.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from standin import MODEL

_LOCAL = threading.local()


def _session() -> requests.Session:
    if not hasattr(_LOCAL, "session"):
        _LOCAL.session = requests.Session()
        _LOCAL.session.headers["Authorization"] = "Bearer benchmark"
    session: requests.Session = _LOCAL.session
    return session


def job(origin: str, folder: Path, number: int) -> None:
    """See one job through."""
    session, body = _session(), {"prompt": f"benchmark {number}", "seed": number}
    request = session.post(f"{origin}/v1/models/{MODEL}", json=body, timeout=60).json()["request_id"]
    assert session.get(f"{origin}/v1/requests/{request}/status", timeout=60).json()["status"] == "completed"
    result = session.get(f"{origin}/v1/requests/{request}/result", timeout=60).json()
    (folder / f"{number:05}.png").write_bytes(session.get(result["output"]["images"][0]["url"], timeout=60).content)
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps({"job": number, "request_id": request, **body}) + "\n")


def main(origin: str, folder: Path, jobs: int, in_flight: int) -> None:
    """Work `jobs` off, `in_flight` at a time."""
    with ThreadPoolExecutor(in_flight) as threads:
        for done in [threads.submit(job, origin, folder, number) for number in range(1, jobs + 1)]:
            done.result()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int((sys.argv[4:] or ["64"])[0]))
