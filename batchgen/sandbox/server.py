"""The server's life: lock, replay, listen, say so, serve until told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from batchgen.sandbox.browse import Browse
from batchgen.sandbox.config import SandboxConfig, SandboxError
from batchgen.sandbox.files import Files
from batchgen.sandbox.journal import LOG_NAME, hold
from batchgen.sandbox.runs import Runs
from batchgen.sandbox.sandbox import Sandbox, load_book, open_sandbox
from batchgen.sandbox.wire import ApiError

MAX_BODY = 64 << 20
_STOP_GRACE = 0.2


def serve(config: SandboxConfig) -> int:
    """Serve until SIGTERM, SIGINT or, with `parent_pipe`, the end of standard input; returns the exit code.

    Writes one line of JSON to standard output when it listens. Raises SandboxError if it cannot start: 64 settings,
    65 a damaged log, 69 no such port, 73 no folder, 75 another sandbox on the same folder.
    """
    try:
        lock = hold(config.directory)
    except OSError as error:
        raise SandboxError(f"{config.directory}: cannot be used ({error})", 73) from None
    try:
        asyncio.run(_serve(config))
    finally:
        os.close(lock)
    return 0


def offline_account(directory: Path, now: float) -> dict[str, object]:
    """The account at `now`, read from the log alone; SandboxError (65) if there is no whole log."""
    if not (directory / LOG_NAME).exists():
        raise SandboxError(f"{directory}: no {LOG_NAME}; give the folder a sandbox was started with", 65)
    book, _ = load_book(directory)
    return book.account(now, ids=True)


async def _serve(config: SandboxConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if config.parent_pipe:
        threading.Thread(target=_await_end_of_input, args=(loop, stop), daemon=True).start()
    with _listen(config) as listener:
        host, port = listener.getsockname()[:2]
        origin = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        sandbox = await open_sandbox(config, origin)
        runner = web.AppRunner(build_app(sandbox), access_log=None, shutdown_timeout=_STOP_GRACE)
        try:
            await runner.setup()
            await web.SockSite(runner, listener, backlog=1024).start()
            _announce(config, origin)
            await stop.wait()
        finally:
            await runner.cleanup()
            await sandbox.journal.close()


def build_app(sandbox: Sandbox) -> web.Application:
    """The routes of one sandbox, with every error in the documented envelope."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_envelopes])
    files = Files(sandbox)
    for part in (Browse(sandbox), Runs(sandbox), files):
        app.add_routes(part.routes())
    app.on_cleanup.append(files.close)
    return app


@web.middleware
async def _envelopes(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return web.json_response(error.envelope, status=error.status)
    except web.HTTPException as error:
        envelope = {"error_code": error.status * 1000, "error_message": error.reason}
        return web.json_response(envelope, status=error.status)


def _listen(config: SandboxConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=1024)
    except OSError as error:
        message = f"{config.host}:{config.port}: cannot listen ({error.strerror}); leave out --port for a free one"
        raise SandboxError(message, 69) from None


def _announce(config: SandboxConfig, origin: str) -> None:
    line = {"event": "listening", "api": origin, "dir": str(config.directory), "pid": os.getpid()}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _await_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # Not sys.stdin: its lock, held by a blocked thread, would break the interpreter's exit.
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop.set)
