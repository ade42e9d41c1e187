"""The file host: pictures rendered on demand, off the event loop, behind a key that must arrive unchanged."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from batchgen.sandbox.book import Run
from batchgen.sandbox.faults import Fault
from batchgen.sandbox.picture import render
from batchgen.sandbox.records import Leaked
from batchgen.sandbox.sandbox import Sandbox
from batchgen.sandbox.wire import FILE_PREFIX, ApiError

_PATH = re.compile(re.escape(FILE_PREFIX) + r"([A-Za-z0-9_-]{1,128})/([1-9]\d?)\.(png|jpeg|webp)", re.ASCII)
_CACHE_BYTES = 32 << 20
_OTHER_FORMAT = {"png": "jpeg", "jpeg": "png", "webp": "png"}


class Files:
    """Handlers bound to one sandbox. One thread draws: more would only contend for the interpreter."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sandbox-pictures")
        self._cache: OrderedDict[tuple[str, int, str], bytes] = OrderedDict()
        self._cached = 0

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each endpoint."""
        return [web.get("/files/{path:.*}", self.file)]

    async def close(self, _: web.Application) -> None:
        """Let the drawing thread go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """One picture. A call that carries a token is refused and counted: file hosts must never see it."""
        if "Authorization" in request.headers:
            self._sandbox.note(Leaked(self._sandbox.now()))
            raise ApiError(400, 400000, "a file was asked for with an Authorization header")
        run, number = self._find(request.raw_path)

        async def answer(fault: Fault | None) -> web.Response:
            claimed = run.look.output_format
            wrong = fault is not None and fault.do == "wrong_format"
            body = await self._picture(run, number, _OTHER_FORMAT[claimed] if wrong else claimed)
            return web.Response(body=body, content_type=f"image/{claimed}")

        return await self._sandbox.serve(request, "file", run.look.prompt, answer)

    def _find(self, raw_path: str) -> tuple[Run, int]:
        parts = _PATH.fullmatch(raw_path)
        if parts is None:
            raise ApiError(404, 404001, "no such file; the path must arrive exactly as it was given")
        request_id, number, extension = parts[1], int(parts[2]), parts[3]
        view = self._sandbox.view(request_id)
        run = view.run
        if view.result_status != "succeeded" or number > run.images or extension != run.look.output_format:
            raise ApiError(404, 404001, "no such file")
        return run, number

    async def _picture(self, run: Run, number: int, form: str) -> bytes:
        key = (run.request_id, number, form)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._pool, render, run.look, number, run.images, form)
        if key not in self._cache:
            self._cache[key] = body
            self._cached += len(body)
        while self._cached > _CACHE_BYTES:
            self._cached -= len(self._cache.popitem(last=False)[1])
        return body
