"""An API in this process that stops at one stage until it is let go: a signal meets a command where a test wants it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from types import TracebackType
from typing import Self

from PIL import Image

STAGES = ("models", "submit", "status", "result", "file")
PATIENCE_S = 30.0


class Staged:
    """Takes every POST and finishes it; the first call of `stage` sets `arrived` and waits for `release`."""

    def __init__(self, stage: str = "") -> None:
        self.taken: list[str] = []
        self.stage = stage
        self.arrived = threading.Event()
        self.release = threading.Event()
        file = BytesIO()
        Image.new("RGB", (8, 8), "orange").save(file, "PNG")
        self._picture = file.getvalue()

    def __enter__(self) -> Self:
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if self.path.endswith("/cancel"):
                    return self.answer({"request_id": self.path.split("/")[3], "outcome": "not_cancellable"})
                script.taken.append(f"request-{len(script.taken) + 1}")
                request_id = script.taken[-1]
                script.pass_by("submit")
                return self.answer({"request_id": request_id})

            def do_GET(self) -> None:
                parts = self.path.partition("?")[0].split("/")
                stage = "models" if parts[2] == "models" else "file" if parts[1] == "files" else parts[-1]
                script.pass_by(stage)
                if stage == "models":
                    self.answer({"base_price_usd": 0.06})
                elif stage == "file":
                    self.answer(script._picture)
                else:
                    output = {"images": [f"{script.origin}/files/{parts[3]}.png"]}
                    status = "completed" if stage == "status" else "succeeded"
                    self.answer({"request_id": parts[3], "status": status, "output": output, "cost": 0.06})

            def answer(self, content: object) -> None:
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def pass_by(self, stage: str) -> None:
        """Let a call of this stage go on, at once or when it is released."""
        if stage == self.stage:
            self.arrived.set()
            self.release.wait(PATIENCE_S)
