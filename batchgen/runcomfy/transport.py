"""Sessions, time limits, and the reading of bounded bodies: what the API client and the file client share."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from batchgen.runcomfy.envelope import Reply

MAX_JSON_BYTES = 8 * 1024 * 1024
"""The largest JSON body that is read."""

_KEEPALIVE = 5.0
"""Seconds: a connection that was idle for longer may be closed at its other end by now."""

FAILURES = (aiohttp.ClientError, TimeoutError, OSError)
"""How aiohttp says that no answer, or no whole answer, came."""

_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ClientSSLError, aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds: `submit` and `read` for a whole exchange, `file_idle` between two pieces of a file."""

    connect: float = 10.0
    submit: float = 90.0
    read: float = 30.0
    file_idle: float = 60.0


def session(headers: dict[str, str], *, reuse: bool, watch: aiohttp.TraceConfig | None = None) -> aiohttp.ClientSession:
    """Return a session without cookies, and without anything from the environment.

    aiohttp's `trust_env` would also read ~/.netrc and put credentials of the user's into requests to file hosts, and
    a proxy that answers 502 or 504 would turn POSTs that never left into ones that may have been taken: it stays off.
    The engine bounds how much is under way, so the connector does not: a POST must not queue inside its time limit.
    """
    connector = (
        aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE)
        if reuse
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        trace_configs=[watch] if watch else None,
    )


async def reply_of(response: aiohttp.ClientResponse) -> Reply:
    """Read an answer whose body may be broken or too large; its status still counts."""
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > MAX_JSON_BYTES:
                return Reply(response.status, response.headers, None)
            pieces.append(piece)
    except FAILURES:
        return Reply(response.status, response.headers, None)
    return Reply(response.status, response.headers, b"".join(pieces))


def never_connected(problem: BaseException) -> bool:
    """Tell whether the server cannot have seen anything of a request: no name, no connection, no TLS."""
    return isinstance(problem, _NEVER_CONNECTED)


def describe(problem: BaseException) -> str:
    """Return what went wrong on the wire in words; aiohttp's own are kept where it has some."""
    if never_connected(problem):
        return f"cannot connect ({problem})"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    return f"the connection broke ({problem or type(problem).__name__})"
