"""The documented answers of the API as plain JSON objects, and the error that carries one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from batchgen.sandbox.book import Run, View
from batchgen.sandbox.schedule import Phase

FILE_PREFIX = "/files/k%3D/"


class ApiError(Exception):
    """An answer that is an error: HTTP status and the documented envelope."""

    def __init__(self, status: int, code: int, message: str, detail: object = None) -> None:
        super().__init__(message)
        self.status = status
        self.envelope: dict[str, object] = {"error_code": code, "error_message": message}
        if detail is not None:
            self.envelope["detail"] = detail


def submitted(origin: str, request_id: str) -> dict[str, object]:
    """The answer to a submission."""
    base = f"{origin}/v1/requests/{request_id}"
    return {
        "request_id": request_id,
        "status_url": f"{base}/status",
        "result_url": f"{base}/result",
        "cancel_url": f"{base}/cancel",
    }


def status(origin: str, view: View) -> dict[str, object]:
    """The answer of `/status`; `completed` means the run is over, not that it worked."""
    links = submitted(origin, view.run.request_id)
    del links["cancel_url"]
    links["status"] = str(view.phase)
    if view.position is not None:
        links["queue_position"] = view.position
    return links


def result(origin: str, view: View, *, include_cost: bool, output: object = None) -> dict[str, object]:
    """The answer of `/result`; `output` replaces the documented output object when it is not None."""
    run = view.run
    answer: dict[str, object] = {
        "request_id": run.request_id,
        "status": view.result_status,
        "model_id": run.model_id,
        "created_at": timestamp(view.created),
    }
    if view.finished is not None:
        answer["finished_at"] = timestamp(view.finished)
    if view.result_status == "succeeded":
        answer["output"] = {"images": file_urls(origin, run)} if output is None else output
    elif view.result_status == "failed":
        answer["error"] = run.error
    if include_cost and view.finished is not None:
        answer["cost"] = 0.0 if view.phase is Phase.CANCELLED else float(run.cost)
    return answer


def cancelled(view: View) -> dict[str, object]:
    """The answer of `/cancel`, after the cancellation was tried."""
    outcome = "cancelled" if view.phase is Phase.CANCELLED else "not_cancellable"
    return {"request_id": view.run.request_id, "status": str(view.phase), "outcome": outcome}


def balance(left: Decimal) -> dict[str, object]:
    """The answer of the balance endpoint."""
    return {"balance_microdollars": int(left * 1_000_000), "balance_usd": float(left), "currency": "USD"}


def file_urls(origin: str, run: Run) -> list[str]:
    """Where a run's files are, in order. The `%3D` is part of the key and must come back as it is."""
    form = run.look.output_format
    return [f"{origin}{FILE_PREFIX}{run.request_id}/{n}.{form}" for n in range(1, run.images + 1)]


def substitute(value: object, urls: Sequence[str]) -> object:
    """`value` with every "{url}" in its strings replaced by the run's first file's address."""
    if isinstance(value, str):
        return value.replace("{url}", urls[0] if urls else "")
    if isinstance(value, list):
        return [substitute(part, urls) for part in value]
    if isinstance(value, dict):
        return {key: substitute(part, urls) for key, part in value.items()}
    return value


def timestamp(at: float) -> str:
    """An API timestamp: ISO 8601 in UTC with microseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
