"""An API in this process that does what the sandbox cannot: hold a POST unanswered for as long as a test wants."""

from __future__ import annotations

import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, parse_qs, urlsplit

from PIL import Image

PATIENCE_S = 30.0


class Scripted:
    """Takes every POST, once `release` is set, and finishes it at once; `arrived` is set when the first is here.

    `catalog` is the HTTP status of the model catalog, but for the `models` that it has, by id; `asked` are the paths of
    all GETs of it, and `clock` is how many seconds its clock is wrong.
    """

    def __init__(self, *, hold: bool = False, catalog: int = 404) -> None:
        self.posts = 0
        self.catalog = catalog
        self.models: dict[str, dict[str, object]] = {}
        self.asked: list[str] = []
        self.clock = 0.0
        self.arrived = threading.Event()
        self.release = threading.Event()
        if not hold:
            self.release.set()
        self._picture = _picture()

    def __enter__(self) -> Self:
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                script.posts += 1
                request_id = f"request-{script.posts}"
                script.arrived.set()
                if script.release.wait(PATIENCE_S):
                    self.answer(200, {"request_id": request_id})

            def do_GET(self) -> None:
                if self.path.startswith("/v1/models"):
                    script.asked.append(self.path)
                    self.answer(*script._of_catalog(urlsplit(self.path)))
                elif self.path.startswith("/files/"):
                    self.answer(200, script._picture)
                else:
                    request_id = self.path.split("/")[3]
                    output = {"images": [f"{script.origin}/files/{request_id}.png"]}
                    status = "completed" if self.path.endswith("/status") else "succeeded"
                    self.answer(200, {"request_id": request_id, "status": status, "output": output, "cost": 0.06})

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string((timestamp or time.time()) + script.clock)

            def answer(self, status: int, content: object) -> None:
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def _of_catalog(self, url: SplitResult) -> tuple[int, object]:
        model = url.path.removeprefix("/v1/models").removeprefix("/")
        if model in self.models:
            return 200, self.models[model]
        if not model and self.models:
            query = parse_qs(url.query)
            start, size = (int(query[name][0]) for name in ("offset", "limit"))
            return 200, {"models": list(self.models.values())[start : start + size], "total": len(self.models)}
        return self.catalog, {"error_message": "no catalog today"}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "orange").save(file, "PNG")
    return file.getvalue()
