"""The endpoints that only look: the catalog, the balance, and the sandbox's own account."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from batchgen.sandbox import wire
from batchgen.sandbox.faults import Fault
from batchgen.sandbox.journal import LOG_NAME
from batchgen.sandbox.models import Model, catalog_entry
from batchgen.sandbox.records import ACCEPTED_PREFIX
from batchgen.sandbox.sandbox import Sandbox
from batchgen.sandbox.wire import ApiError

_CATALOG_PATHS = ("/v1/models", "/v1/models/categories", "/v1/models/{model_id:.+}")


class Browse:
    """Handlers bound to one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each endpoint."""
        return [
            *(web.get(path, self.catalog) for path in _CATALOG_PATHS),
            web.get("/prod/v2/balance", self.balance),
            web.get("/sandbox/account", self.account),
            web.get("/sandbox/requests", self.requests),
        ]

    async def catalog(self, request: web.Request) -> web.StreamResponse:
        """The list of models, their categories, or one model."""
        self._sandbox.authorise(request)

        async def answer(_: Fault | None) -> web.Response:
            model_id = request.match_info.get("model_id")
            if model_id is not None:
                return web.json_response(self._detail(model_id))
            if request.path.endswith("/categories"):
                categories = sorted({model.category for model in self._sandbox.models.values()})
                return web.json_response({"categories": categories})
            return web.json_response(self._listing(request))

        return await self._sandbox.serve(request, "models", "", answer)

    async def balance(self, request: web.Request) -> web.StreamResponse:
        """What is left of the wallet."""
        self._sandbox.authorise(request)

        async def answer(_: Fault | None) -> web.Response:
            return web.json_response(wire.balance(self._sandbox.balance()))

        return await self._sandbox.serve(request, "balance", "", answer)

    async def account(self, request: web.Request) -> web.Response:
        """The ground truth for tests, durable as shown; `?ids=1` adds the accepted ids."""
        account = self._sandbox.book.account(self._sandbox.now(), ids="ids" in request.query)
        await self._sandbox.journal.settled()
        return web.json_response(account)

    async def requests(self, _: web.Request) -> web.Response:
        """The accepted requests as they stand in the log, one JSON object a line."""
        await self._sandbox.journal.settled()
        body = await asyncio.to_thread(_accepted_lines, self._sandbox.config.directory / LOG_NAME)
        return web.Response(body=body, content_type="application/x-ndjson")

    def _detail(self, model_id: str) -> dict[str, object]:
        model = self._sandbox.models.get(model_id)
        if model is None:
            raise ApiError(404, 400001, f"no model {model_id[:200]!r}")
        return catalog_entry(model, self._sandbox.config.price, include_schema=True)

    def _listing(self, request: web.Request) -> dict[str, object]:
        query = request.query
        limit, offset = _count(query.get("limit", "100"), 1, 500), _count(query.get("offset", "0"), 0, 10**6)
        found = [
            model
            for model in self._sandbox.models.values()
            if _matches(model, query.get("search", ""), query.get("category"), query.get("kind"))
        ]
        include_schema = query.get("include_schema", "").lower() == "true"
        page = [
            catalog_entry(model, self._sandbox.config.price, include_schema=include_schema)
            for model in found[offset : offset + limit]
        ]
        return {"models": page, "total": len(found)}


def _matches(model: Model, search: str, category: str | None, kind: str | None) -> bool:
    words = search.lower().split()
    return (
        all(word in model.model_id.replace("-", " ") or word in model.model_id for word in words)
        and category in (None, model.category)
        and kind in (None, "model")
    )


def _count(text: str, low: int, high: int) -> int:
    number = int(text) if text.isdecimal() and len(text) < 10 else -1
    if not low <= number <= high:
        raise ApiError(422, 422001, f"{text[:40]!r} is not a number from {low} to {high}")
    return number


def _accepted_lines(path: Path) -> bytes:
    with path.open("rb") as file:
        return b"".join(line for line in file if line.startswith(ACCEPTED_PREFIX))
