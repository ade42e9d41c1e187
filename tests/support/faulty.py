"""An API that works, but for the faults a test puts in: per endpoint, a script of what it does instead of answering.

It keeps the truth: which submissions it took, by prompt, and how often each endpoint was asked. A token that is missing
where it belongs, or shown to the file host, is a failure of whoever asked.
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from types import TracebackType
from typing import Self

from PIL import Image

from support.sandboxed import MODEL, PRICE
from support.wire import Act, Seen, Wire, http, reset


class Endpoint(StrEnum):
    """What the client asks for."""

    SUBMIT = "submit"
    STATUS = "status"
    RESULT = "result"
    FILE = "file"
    CANCEL = "cancel"
    CATALOG = "catalog"
    BALANCE = "balance"


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing the server does; `words` go on after "The server".

    Submissions that are `taken` exist at the server from then on, cancels that are `taken` cancel. `{files}` and `{id}`
    in the body stand for the file host and the request's id. For `deaf` seconds from the command's start, or for `away`
    seconds instead of an answer, connections are refused. `on_connect` is done with a connection before anything is
    read from it.
    """

    words: str
    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    act: Act | None = None
    taken: bool = False
    on_connect: bool = False
    deaf: float = 0.0
    away: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What an endpoint does, in turn; then it works again, or, `for_good`, repeats the last."""

    answers: tuple[Answer, ...]
    for_good: bool = False

    @property
    def words(self) -> str:
        """What happens, as it goes on after "The server"."""
        return ", then ".join(answer.words for answer in self.answers) + (", always" if self.for_good else "")


class FaultyApi(Wire):
    """The server, always at the same address; it is there while it is entered, which it may be again and again.

    While `queued` is set nothing gets beyond the queue, and a cancel succeeds. `complaints` are about tokens.
    """

    def __init__(self) -> None:
        super().__init__(http(), greet=self._meet)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.taken: dict[str, str] = {}
        self.asked: Counter[Endpoint] = Counter()
        self.complaints: list[str] = []
        self.queued = False
        self._cancelled: set[str] = set()
        self._script: dict[Endpoint, list[Answer]] = {}
        self._for_good: frozenset[Endpoint] = frozenset()
        self._deaf = 0.0
        self._coming: asyncio.Task[None] | None = None

    @property
    def paid(self) -> list[str]:
        """The prompts of all submissions that were taken and not cancelled."""
        return [prompt for request, prompt in self.taken.items() if request not in self._cancelled]

    def have(self, faults: Mapping[Endpoint, Fault]) -> None:
        """Have these faults from now on, and no others; the counts begin anew."""
        self.asked.clear()
        self._script = {
            endpoint: [answer for answer in fault.answers if not answer.deaf] for endpoint, fault in faults.items()
        }
        self._for_good = frozenset(endpoint for endpoint, fault in faults.items() if fault.for_good)
        self._deaf = max((answer.deaf for fault in faults.values() for answer in fault.answers), default=0.0)

    async def __aenter__(self) -> Self:
        self._coming = asyncio.ensure_future(self._come(self._deaf))
        if not self._deaf:
            await self._coming
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._go()

    async def _come(self, after: float) -> None:
        await asyncio.sleep(after)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def _go(self) -> None:
        if self._coming is not None and not self._coming.done():
            self._coming.cancel()
        else:
            self._server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what is to be done with a connection before anything is read from it."""
        for endpoint, script in self._script.items():
            if script and script[0].on_connect and (answer := self._next(endpoint)) and answer.act:
                self.asked[endpoint] += 1
                await answer.act(reader, writer)

    def answer_to(self, seen: Seen) -> bytes | Act:
        """Return the next fault of the endpoint, or the ordinary answer."""
        endpoint = endpoint_of(seen)
        self.asked[endpoint] += 1
        self._check(endpoint, seen)
        fault = self._next(endpoint)
        request_id = seen.target.split("/")[3] if endpoint in _OF_REQUESTS else ""
        if endpoint is Endpoint.SUBMIT and (fault is None or fault.taken):
            request_id = self._take(seen)
        if endpoint is Endpoint.CANCEL and self.queued and (fault is None or fault.taken):
            self._cancelled.add(request_id)
        if fault is None:
            return self._ordinary(endpoint, request_id or seen.target)
        if fault.away:
            self._go()
            self._coming = asyncio.ensure_future(self._come(fault.away))
            return reset
        if fault.act is not None:
            return fault.act
        return http(fault.status, self._filled(fault.body, request_id), **fault.headers)

    def _next(self, endpoint: Endpoint) -> Answer | None:
        script = self._script.get(endpoint)
        if not script:
            return None
        return script[0] if len(script) == 1 and endpoint in self._for_good else script.pop(0)

    def _take(self, seen: Seen) -> str:
        request_id = f"request-{len(self.taken) + 1}"
        self.taken[request_id] = json.loads(seen.body)["prompt"]
        return request_id

    def _check(self, endpoint: Endpoint, seen: Seen) -> None:
        """A file host gets no token, everybody else gets one."""
        if (seen.headers.get("authorization") is None) != (endpoint is Endpoint.FILE):
            self.complaints.append(f"{seen.method} {seen.target}: token {seen.headers.get('authorization')}")

    def _filled(self, body: object, request_id: str) -> bytes:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return text.replace(b"{files}", f"{self.origin}/files".encode()).replace(b"{id}", request_id.encode())

    def _ordinary(self, endpoint: Endpoint, request_id: str) -> bytes:
        """Return what a sound server says of a request, or, where none is asked for, of the target."""
        match endpoint:
            case Endpoint.SUBMIT:
                return http(200, {"request_id": request_id})
            case Endpoint.STATUS:
                return http(200, {"request_id": request_id, "status": self._state(request_id) or "completed"})
            case Endpoint.RESULT:
                state = self._state(request_id)
                body = {"request_id": request_id, "status": state} if state else SUCCESS
                return http(200, self._filled(body, request_id))
            case Endpoint.FILE:
                return http(200, picture())
            case Endpoint.CANCEL:
                return http(202, {"outcome": "cancelled" if self.queued else "not_cancellable"})
            case Endpoint.CATALOG:
                return http(200, live_model(request_id.removeprefix("/v1/models/")))
            case Endpoint.BALANCE:
                return http(200, {"balance_usd": 12.5})

    def _state(self, request_id: str) -> str:
        """Where a request stands that is not over well."""
        return "cancelled" if request_id in self._cancelled else "in_queue" if self.queued else ""


SUCCESS = {
    "request_id": "{id}",
    "status": "succeeded",
    "output": {"images": ["{files}/{id}.png"]},
    "cost": PRICE,
}
"""How a request ends that nothing happens to."""


def live_model(model: str = MODEL) -> dict[str, object]:
    """Return what the catalog says of a model."""
    inputs = {"prompt": {"type": "string"}, "seed": {"type": "integer"}}
    price = {"base_price_usd": PRICE, "price_unit": "output"}
    return {"model_id": model, **price, "input_schema": {"properties": inputs, "required": ["prompt"]}}


_OF_REQUESTS = (Endpoint.STATUS, Endpoint.RESULT, Endpoint.CANCEL)


def endpoint_of(seen: Seen) -> Endpoint:
    """Return what a request asks for."""
    path = seen.target.partition("?")[0]
    if path.startswith("/files/"):
        return Endpoint.FILE
    if path.endswith("/balance"):
        return Endpoint.BALANCE
    if path.startswith("/v1/models"):
        return Endpoint.SUBMIT if seen.method == "POST" else Endpoint.CATALOG
    return Endpoint(path.rpartition("/")[2])


@cache
def picture(kind: str = "PNG") -> bytes:
    """Return a small whole picture."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "orange").save(file, kind)
    return file.getvalue()
