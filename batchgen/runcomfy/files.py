"""Opening outputs: a client of its own that carries no token and goes only where the allow rule lets it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import aiohttp
from yarl import URL

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.runcomfy import envelope, transport
from batchgen.runcomfy.hosts import AllowedHosts

MAX_FILE_BYTES = 2 * 1024**3
"""The largest file that is fetched, whatever it is."""

_MAX_REDIRECTS = 3
_READ_BUFFER = 256 * 1024


class Files:
    """Fetches outputs over `session`, which must carry no credentials."""

    def __init__(
        self, session: aiohttp.ClientSession, hosts: AllowedHosts, timeouts: transport.Timeouts, max_bytes: int
    ) -> None:
        self._session = session
        self._hosts = hosts
        self._max_bytes = max_bytes
        self._timeout = aiohttp.ClientTimeout(total=None, connect=timeouts.connect, sock_read=timeouts.file_idle)

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open one output's bytes. Raises Transient, LinkExpired or FileError, on entry or while reading."""
        response = await self._follow(self._hosts.check(url))
        try:
            self._check(response)
            async with aclosing(self._pieces(response)) as pieces:
                yield pieces
        finally:
            response.release()

    async def _follow(self, url: URL) -> aiohttp.ClientResponse:
        """Return the first answer that is no redirect; every hop passes the same rule as the first."""
        for _ in range(1 + _MAX_REDIRECTS):
            response = await self._get(url)
            target = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or target is None:
                return response
            response.release()
            url = self._hosts.check(_absolute(url, target))
        raise errors.FileError(_info("http", f"more than {_MAX_REDIRECTS} redirects, the last to {url.host}"))

    async def _get(self, url: URL) -> aiohttp.ClientResponse:
        try:
            return await self._session.get(url, allow_redirects=False, timeout=self._timeout, read_bufsize=_READ_BUFFER)
        except transport.FAILURES as problem:
            raise _broken(url, problem, reached=False) from None

    def _check(self, response: aiohttp.ClientResponse) -> None:
        status = response.status
        where = f"HTTP {status} from {response.url.host}"
        if status in (403, 404, 410):
            raise errors.LinkExpired(_info("link_expired", f"the output is not there any more: {where}", status))
        if status in (408, 425, 429) or status >= 500:
            wait = envelope.retry_after(response.headers, datetime.now(UTC))
            kind = "rate_limited" if status == 429 else "server_error"
            raise errors.Transient(_info(kind, where, status), wait)
        if status != 200:
            raise errors.FileError(_info("http", f"{where}, where only 200 brings a whole file", status))
        if (response.content_length or 0) > self._max_bytes:
            raise self._too_big(response.url)

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        size = 0
        try:
            # iter_any hands on what has arrived; fixed small chunks cost twice the time.
            async for piece in response.content.iter_any():
                size += len(piece)
                if size > self._max_bytes:
                    raise self._too_big(response.url)
                yield piece
        except transport.FAILURES as problem:
            raise _broken(response.url, problem, reached=True) from None

    def _too_big(self, url: URL) -> errors.FileError:
        return errors.FileError(_info("too_big", f"an output from {url.host} is larger than {self._max_bytes:,} bytes"))


def _absolute(base: URL, target: str) -> str:
    if target.lower().startswith(("https://", "http://")):
        return target
    try:
        return str(base.join(URL(target, encoded=True)))
    except ValueError:
        return target


def _broken(url: URL, problem: BaseException, *, reached: bool) -> errors.Transient:
    kind = "unreachable" if transport.never_connected(problem) else "no_answer"
    return errors.Transient(_info(kind, f"{url.host}: {transport.describe(problem)}"), reached=reached)


def _info(kind: str, message: str, status: int | None = None) -> ErrorInfo:
    return ErrorInfo(kind, Stage.FILE, errors.printable(message), http_status=status)
