"""The Model API's client: submit, status, result, cancel, the catalog, the balance, and outputs.

A POST is money: every submission travels on a connection opened for it alone and is never repeated here. GETs share
kept-alive connections. No redirect is followed, and addresses are built from ids, never taken from the server.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType, SimpleNamespace, TracebackType
from typing import Self

import aiohttp
from yarl import URL

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import CancelOutcome, InputFile, Job, Reading
from batchgen.runcomfy import base as bases
from batchgen.runcomfy import envelope, reading, transport, verdicts
from batchgen.runcomfy.envelope import Envelope
from batchgen.runcomfy.files import MAX_FILE_BYTES, Files
from batchgen.runcomfy.hosts import AllowedHosts
from batchgen.runcomfy.transport import Timeouts
from batchgen.runcomfy.uploads import Uploads

# Slashes of a model id go in raw; what could change the meaning of the path does not go in at all.
_MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._~+-]*)*")


@dataclass(slots=True)
class _Wire:
    """Whether aiohttp has begun to write a request."""

    begun: bool = False


class Client:
    """The asynchronous Model API over HTTP; open it with `async with`.

    `base` may end in `/v1` or not; `name` is what `origin` returns if it is not the base's origin; `allow_hosts` are
    entries as `hosts.parse_entry` explains; `inputs` says where the local files are that jobs send. Raises UsageError
    for a base or an entry that cannot be.
    """

    def __init__(
        self,
        *,
        base: str | URL,
        token: str,
        name: str | None = None,
        allow_hosts: Iterable[str] = (),
        inputs: Mapping[InputFile, Path] = MappingProxyType({}),
        version: str = "0",
        timeouts: Timeouts | None = None,
        max_file_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        self._base = bases.parse(str(base))
        self._name = name or str(self._base.origin())
        self._token = token
        self._hosts = AllowedHosts.of(self._base, allow_hosts)
        self._uploads = Uploads(inputs)
        self._agent = {"User-Agent": f"batchgen/{version}"}
        self._timeouts = timeouts or Timeouts()
        self._reading_limit = _limit(self._timeouts.read, self._timeouts)
        self._posting_limit = _limit(self._timeouts.submit, self._timeouts)
        self._max_file_bytes = max_file_bytes
        self._stack = AsyncExitStack()
        self._include_cost = True
        self._dated: tuple[Mapping[str, str], datetime] | None = None

    @property
    def balance_base(self) -> str | None:
        """Where the balance can be asked without sending the token to another origin; None where it cannot."""
        return bases.of_balance(self._base)

    @property
    def clock_skew(self) -> float | None:
        """How many seconds this machine's clock is ahead of the server's, by its last dated answer."""
        return envelope.clock_skew(*self._dated) if self._dated else None

    @property
    def origin(self) -> str:
        """What the ledger names as `api`."""
        return self._name

    async def __aenter__(self) -> Self:
        api_headers = {**self._agent, "Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        file_headers = {**self._agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        watch = aiohttp.TraceConfig()
        watch.on_request_headers_sent.append(_note_begun)
        # aiohttp sends a request a second time by itself when a kept-alive connection turns out to be closed, but only
        # for idempotent methods (client.py, IDEMPOTENT_METHODS; a POST is not among them). Without the repeat such a
        # POST would be an error that leaves open whether it was taken: so no POST ever meets a kept-alive connection.
        self._submits = await self._enter(transport.session(api_headers, reuse=False, watch=watch))
        self._reads = await self._enter(transport.session({**api_headers, "Cache-Control": "no-cache"}, reuse=True))
        outputs = await self._enter(transport.session(file_headers, reuse=True))
        self._files = Files(outputs, self._hosts, self._timeouts, self._max_file_bytes)
        return self

    async def _enter(self, session: aiohttp.ClientSession) -> aiohttp.ClientSession:
        return await self._stack.enter_async_context(session)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def submit(self, job: Job) -> str:
        """POST the job once and return its request id.

        Raises Refused, Ambiguous, Rejected, ModelRejected, InputError, Forbidden, TokenError or BalanceError. A
        cancellation before anything was sent is Refused too, so that the caller can record what is certain.
        """
        wire = _Wire()
        try:
            reply = await self._post(job, wire)
        except asyncio.CancelledError:
            if wire.begun:
                raise
            _end_cancellation()
            info = ErrorInfo("left", Stage.SUBMIT, "left before anything was sent")
            raise errors.Refused(info, reached=False) from None
        return verdicts.accepted(self._read(reply))

    async def _post(self, job: Job, wire: _Wire) -> envelope.Reply:
        url = self._model_url(job.model, Stage.SUBMIT)
        body = await self._uploads.body(job)
        try:
            async with self._submits.post(
                url,
                data=body,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
                timeout=self._posting_limit,
                trace_request_ctx=wire,
            ) as response:
                return await transport.reply_of(response)
        except Exception as problem:
            # Not only aiohttp's errors: even a bug must not make a POST that may have left look like one that did not.
            if not wire.begun and not isinstance(problem, transport.FAILURES):
                raise
            raise self._unanswered(problem, wire) from None

    def _unanswered(self, problem: Exception, wire: _Wire) -> errors.AttemptError:
        words = self._words(problem)
        if wire.begun:
            return errors.Ambiguous(ErrorInfo("no_answer", Stage.SUBMIT, f"after the POST was sent: {words}"))
        return errors.Refused(ErrorInfo("unreachable", Stage.SUBMIT, f"nothing was sent: {words}"), reached=False)

    async def status(self, request_id: str) -> Reading:
        """Ask how a request stands. Raises Transient, Gone or TokenError."""
        answer = await self._get(self._request_url(request_id, "status"))
        return self._reading(reading.of_status(_with_status(answer)))

    async def result(self, request_id: str) -> Reading:
        """Ask for a request's outcome, its outputs and cost. Raises Transient, Gone or TokenError.

        The cost is asked for by a parameter that only clients' sources show. If the API refuses the question with it
        and answers it without, this client asks without from then on.
        """
        url = self._request_url(request_id, "result")
        if not self._include_cost:
            return self._reading(reading.of_result(_with_status(await self._get(url))))
        answer = await self._get(url.with_query(include_cost="true"))
        if verdicts.refuses_parameter(answer):
            answer = await self._get(url)
            if 200 <= answer.status < 300:
                self._include_cost = False
        return self._reading(reading.of_result(_with_status(answer)))

    async def cancel(self, request_id: str) -> CancelOutcome:
        """Ask to cancel a queued request. Raises Transient, Gone or TokenError."""
        answer = await self._ask("POST", self._request_url(request_id, "cancel"))
        if answer.status == 409 and answer.content:
            return reading.cancel_outcome(answer.content)
        return reading.cancel_outcome(verdicts.usable(answer))

    def open(self, url: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open an output's bytes. Raises Transient, LinkExpired or FileError, on entry or while reading."""
        return self._files.open(url)

    async def model(self, model_id: str) -> dict[str, object]:
        """Return the catalog's object of one model, `input_schema` included.

        Raises ModelRejected where the API does not know it, else Transient or TokenError.
        """
        answer = await self._get(self._model_url(model_id, Stage.INPUT))
        try:
            return verdicts.usable(answer, Stage.INPUT)
        except (errors.Gone, errors.Transient) as problem:
            if isinstance(problem, errors.Gone) or problem.info.code == 400001:
                raise errors.ModelRejected(replace(problem.info, kind="model")) from None
            raise

    async def models(
        self,
        *,
        search: str | None = None,
        category: str | None = None,
        limit: int = 100,
        offset: int = 0,
        include_schema: bool = False,
    ) -> dict[str, object]:
        """Return one page of the catalog: `models`, a list of objects, and `total`.

        Raises Transient, Gone (the base has no catalog) or TokenError.
        """
        query = {"limit": str(limit), "offset": str(offset)}
        if search:
            query["search"] = search
        if category:
            query["category"] = category
        if include_schema:
            query["include_schema"] = "true"
        answer = await self._get(self._url("models").with_query(query))
        return verdicts.usable(answer, Stage.INPUT)

    async def balance(self, base: str = bases.BALANCE) -> Decimal:
        """Return the account's balance in US dollars, below zero too. Raises Transient, Gone or TokenError.

        The token goes along, so the place must be RunComfy's own or the API's origin: UsageError otherwise.
        """
        try:
            url = AllowedHosts.of(self._base).check(f"{base.rstrip('/')}/balance")
        except errors.FileError:
            shown = errors.printable(base, 200)
            raise errors.UsageError(f"{shown}: the balance is asked at a host of RunComfy's over https") from None
        answer = await self._get(url)
        content = verdicts.usable(answer, Stage.INPUT)
        left = reading.dollars(content.get("balance_usd"))
        if left is None:
            raise errors.Transient(ErrorInfo("bad_answer", Stage.INPUT, "an answer without a balance_usd"))
        return left

    async def _get(self, url: URL) -> Envelope:
        return await self._ask("GET", url)

    async def _ask(self, method: str, url: URL) -> Envelope:
        try:
            async with self._reads.request(method, url, allow_redirects=False, timeout=self._reading_limit) as response:
                return self._read(await transport.reply_of(response))
        except transport.FAILURES as problem:
            kind = "unreachable" if transport.never_connected(problem) else "no_answer"
            raise errors.Transient(ErrorInfo(kind, Stage.RUN, self._words(problem)), reached=False) from None

    def _read(self, reply: envelope.Reply) -> Envelope:
        now = datetime.now(UTC)
        if "Date" in reply.headers:
            self._dated = reply.headers, now
        return envelope.open_envelope(reply, self._token, now)

    def _reading(self, read: Reading) -> Reading:
        if read.error is None:
            return read
        return replace(read, error=replace(read.error, message=envelope.safe(read.error.message, self._token)))

    def _words(self, problem: Exception) -> str:
        return envelope.safe(transport.describe(problem), self._token)

    def _url(self, path: str) -> URL:
        return URL(f"{self._base}/{path}", encoded=True)

    def _model_url(self, model: str, stage: Stage) -> URL:
        if not _MODEL.fullmatch(model):
            shown = errors.printable(model, 200)
            words = f'"{shown}" cannot be a model id; one looks like google/nano-banana-2/text-to-image'
            raise errors.ModelRejected(ErrorInfo("model", stage, words))
        return self._url(f"models/{model}")

    def _request_url(self, request_id: str, what: str) -> URL:
        if not verdicts.is_request_id(request_id):
            shown = errors.printable(request_id, 200)
            raise errors.UsageError(f'"{shown}" is not a request id: letters, digits, "-" and "_", 128 at most')
        return self._url(f"requests/{request_id}/{what}")


async def _note_begun(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """Called right before the first byte of a request is handed to the connection, never later."""
    context.trace_request_ctx.begun = True


def _end_cancellation() -> None:
    """Take back one request to cancel the current task, which goes on: it would count for `asyncio.timeout` and others.

    Where an inner future was cancelled and not the task, there is none to take back, and this does nothing.
    """
    if (task := asyncio.current_task()) is not None:
        task.uncancel()


def _limit(whole: float, timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=whole, connect=timeouts.connect)


def _with_status(answer: Envelope) -> dict[str, object]:
    content = verdicts.usable(answer)
    if not reading.has_status(content):
        raise errors.Transient(ErrorInfo("bad_answer", Stage.RUN, "an answer without a status", None, answer.status))
    return content
