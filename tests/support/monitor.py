"""A monitor in this process: what it is told stands in `heard`, and it answers as `answers` says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Ping:
    """One ping: its path below the check's, the run's id, its body, and everything that was sent, as text."""

    path: str
    rid: str
    body: Any
    whole: str


@dataclass(slots=True)
class Monitor:
    """What was heard; `answers` are the HTTP statuses of the first pings, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    heard: list[Ping] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Return the paths of all pings, in order."""
        return [ping.path for ping in self.heard]


@contextmanager
def monitor(answers: Sequence[int] = ()) -> Iterator[Monitor]:
    """Yield a monitor with one check, `url`."""
    here = Monitor(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            url = urlsplit(self.path)
            rid = parse_qs(url.query)["rid"][0]
            content = json.loads(body) if body else None
            whole = f"{self.path}\n{self.headers}\n{body.decode()}"
            here.heard.append(Ping(url.path.removeprefix("/check"), rid, content, whole))
            self.send_response(here.answers.pop(0) if here.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    here.url = f"http://127.0.0.1:{server.server_port}/check"
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
