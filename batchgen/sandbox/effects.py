"""Playing a fault on the wire: what is sent, and what is broken, instead of the true answer."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from batchgen.sandbox.faults import Fault

_HOUR = 3600.0
_CHUNK = 1 << 16
_OVERSIZE = 160 << 20
_HTML = "<html><body><h1>Not the picture you wanted</h1></body></html>"


async def play(fault: Fault, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
    """Answer `request` as the fault says; `answer` is the true one if the work was done, else None.

    Actions that change the true answer itself (`fail`, `output`, `wrong_format`) have done so by now.
    """
    match fault.do:
        case "status":
            return _with_body(fault.status or 500, fault.body)
        case "error_code":
            return web.json_response(_envelope(fault), status=fault.status or 200)
        case "rate_limit":
            wait = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            return web.json_response(_envelope(fault), status=fault.status or 429, headers=wait)
        case "redirect":
            return web.Response(status=fault.status or 302, headers={"Location": fault.location})
        case "drop_before" | "drop_after":
            return _hang_up(request)
        case "hang":
            await asyncio.sleep(_HOUR if fault.seconds is None else fault.seconds)
            return _hang_up(request)
        case "empty":
            return web.Response(status=fault.status or 200)
        case "html_file":
            return web.Response(text=_HTML, content_type="text/html")
        case _:
            return await _spoil(fault, request, answer or web.Response())


async def _spoil(fault: Fault, request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = answer.body if isinstance(answer.body, bytes) else b""
    match fault.do:
        case "no_id":
            kept = {key: value for key, value in json.loads(body).items() if key == "status"}
            return web.json_response(kept)
        case "truncate":
            return await _truncate(request, answer, body)
        case "oversize":
            return await _oversize(request, answer, body, fault.size or _OVERSIZE)
        case "slow_file":
            return await _slowly(request, answer, body, 3.0 if fault.seconds is None else fault.seconds)
        case _:
            return answer


async def _truncate(request: web.Request, answer: web.Response, body: bytes) -> web.StreamResponse:
    stream = await _start(request, answer, len(body))
    await stream.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return stream


async def _oversize(request: web.Request, answer: web.Response, body: bytes, size: int) -> web.StreamResponse:
    """A picture goes on in zeros, JSON in spaces: both are well formed for as long as one reads."""
    stream = await _start(request, answer, size)
    await stream.write(body[:size])
    left = size - len(body)
    filler = (b" " if answer.content_type == "application/json" else b"\0") * _CHUNK
    while left > 0:
        await stream.write(filler[:left])
        left -= _CHUNK
    return stream


async def _slowly(request: web.Request, answer: web.Response, body: bytes, seconds: float) -> web.StreamResponse:
    stream = await _start(request, answer, len(body))
    step = max(1, len(body) // 20)
    for place in range(0, len(body), step):
        await stream.write(body[place : place + step])
        await asyncio.sleep(seconds / 20)
    return stream


async def _start(request: web.Request, answer: web.Response, length: int) -> web.StreamResponse:
    stream = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    stream.content_length = length
    await stream.prepare(request)
    return stream


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection; the response returned finds nobody to go to."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _with_body(status: int, body: object) -> web.Response:
    if body is None:
        return web.json_response({"error_message": "the sandbox was told to fail here"}, status=status)
    if not isinstance(body, str):
        return web.json_response(body, status=status)
    form = "text/html" if body.lstrip().startswith("<") else "text/plain"
    return web.Response(text=body, status=status, content_type=form)


def _envelope(fault: Fault) -> dict[str, object]:
    return {"error_code": 429001 if fault.do == "rate_limit" else fault.code, fault.spelling: fault.message}
