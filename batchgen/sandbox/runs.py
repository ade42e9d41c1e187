"""The endpoints of a request's life: submit, status, result, cancel.

A prompt can rehearse what may go wrong: one that contains `[sandbox:fail]` is accepted, runs and fails; one that
contains `[sandbox:moderated]` succeeds with one image fewer than asked, none at all when one was asked.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable

from aiohttp import web

from batchgen.sandbox import models, wire
from batchgen.sandbox.book import View
from batchgen.sandbox.faults import Fault
from batchgen.sandbox.models import Model
from batchgen.sandbox.records import Accepted, CancelAsked, RunFailed
from batchgen.sandbox.sandbox import Sandbox
from batchgen.sandbox.schedule import Phase, service_time
from batchgen.sandbox.wire import ApiError

Answer = Callable[[Fault | None], Awaitable[web.Response]]

FAIL_MARK = "[sandbox:fail]"
MODERATED_MARK = "[sandbox:moderated]"
_MARKED_ERROR = {"type": "sandbox", "message": f"the prompt contains {FAIL_MARK}"}


class Runs:
    """Handlers bound to one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each endpoint."""
        return [
            web.post("/v1/models/{model_id:.+}", self.submit),
            web.get("/v1/requests/{request_id}/status", self.status),
            web.get("/v1/requests/{request_id}/result", self.result),
            web.post("/v1/requests/{request_id}/cancel", self.cancel),
        ]

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """Accept a request durably and name it."""
        self._sandbox.authorise(request)
        body = parse_json(await request.read())
        prompt = body.get("prompt") if isinstance(body, dict) else None

        async def accept(fault: Fault | None) -> web.Response:
            record = self._acceptance(request.match_info["model_id"], body, fault)
            await self._sandbox.commit(record)
            return web.json_response(wire.submitted(self._sandbox.origin, record.request_id))

        return await self._sandbox.serve(request, "submit", prompt if isinstance(prompt, str) else "", accept)

    async def status(self, request: web.Request) -> web.StreamResponse:
        """Where a request stands."""

        async def answer(_: Fault | None) -> web.Response:
            return web.json_response(wire.status(self._sandbox.origin, self._view(request)))

        return await self._serve(request, "status", answer)

    async def result(self, request: web.Request) -> web.StreamResponse:
        """What a request came to, or where it stands."""

        async def answer(fault: Fault | None) -> web.Response:
            view = self._view(request)
            if fault is not None and fault.do == "fail" and view.result_status == "succeeded":
                await self._sandbox.commit(RunFailed(self._sandbox.now(), view.run.request_id, fault.error))
                view = self._view(request)
            include_cost = request.query.get("include_cost", "").lower() in ("true", "1")
            output = self._other_output(view, fault)
            shape = wire.result(self._sandbox.origin, view, include_cost=include_cost, output=output)
            return web.json_response(shape)

        return await self._serve(request, "result", answer)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Cancel a request that is still queued; a running or finished one stays as it is."""

        async def answer(_: Fault | None) -> web.Response:
            view = self._view(request)
            if view.phase is Phase.IN_QUEUE:
                await self._sandbox.commit(CancelAsked(self._sandbox.now(), view.run.request_id))
            return web.json_response(wire.cancelled(self._view(request)), status=202)

        return await self._serve(request, "cancel", answer)

    async def _serve(self, request: web.Request, endpoint: str, answer: Answer) -> web.StreamResponse:
        self._sandbox.authorise(request)
        run = self._sandbox.book.runs.get(request.match_info["request_id"])
        return await self._sandbox.serve(request, endpoint, run.look.prompt if run else "", answer)

    def _view(self, request: web.Request) -> View:
        return self._sandbox.view(request.match_info["request_id"])

    def _other_output(self, view: View, fault: Fault | None) -> object:
        if fault is None or fault.do != "output":
            return None
        return wire.substitute(fault.output, wire.file_urls(self._sandbox.origin, view.run))

    def _acceptance(self, model_id: str, body: object, fault: Fault | None) -> Accepted:
        model = self._sandbox.models.get(model_id)
        if model is None:
            raise ApiError(404, 400001, f"no model {model_id[:200]!r}")
        inputs = checked_input(model, body)
        request_id = str(uuid.uuid4())
        wanted, prompt = model.images(inputs), str(inputs["prompt"])
        images = wanted - 1 if MODERATED_MARK in prompt else wanted
        broken = fault is not None and fault.do == "fail"
        fails = broken or FAIL_MARK in prompt
        cost = models.cost(inputs, 0 if fails else images, self._sandbox.config.price)
        if cost > self._sandbox.balance():
            raise ApiError(400, 400002, "the balance does not cover this request")
        config = self._sandbox.config
        return Accepted(
            at=self._sandbox.now(),
            request_id=request_id,
            model_id=model_id,
            input=inputs,
            service=service_time(request_id, config.service_time, config.service_spread),
            images=images,
            cost=cost,
            fails=fails,
            error=fault.error if fault is not None and broken else _MARKED_ERROR if fails else None,
        )


def parse_json(body: bytes) -> object:
    """The value of a request body. Raises ApiError (400) if it is not JSON in UTF-8."""
    try:
        value: object = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        # What JSON readers let through and JSON is not: numbers past a float's range, and half of a character.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise ApiError(400, 400000, "the body is not JSON") from None
    return value


def checked_input(model: Model, body: object) -> dict[str, object]:
    """The body as an input object of the model. Raises ApiError (422001) with all that is wrong."""
    problems = model.problems(body)
    if problems or not isinstance(body, dict):
        raise ApiError(422, 422001, "the input does not fit the model", problems)
    return body


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
