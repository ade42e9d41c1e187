"""What a look at the catalog meets: GET /v1/models/{model_id}, for prices and for models that are not bundled."""

from __future__ import annotations

import json
from collections.abc import Mapping

from faults.rows import (
    DONE,
    HANGS,
    HOUR,
    RESETS,
    TOLD_TOKEN,
    Row,
    always,
    code,
    goes,
    html,
    once,
    refuses,
    says,
)
from support.faulty import Answer, Endpoint, Fault, live_model
from support.sandboxed import MODEL

ON = Endpoint.CATALOG
ASK_PRICE: Mapping[str, object] = {"pricing": {}}
NEW = "acme/new-model"
SHOW = ("models", MODEL)


def unpriced(name: str, answer: Answer, asked: int | None = 3) -> Row:
    """No price: the run goes on without an estimate."""
    return Row(
        name=f"catalog {name}",
        endpoint=ON,
        fault=always(answer),
        does="goes on without an estimate",
        ledger=(DONE,),
        exit=0,
        told="cost: unknown",
        asked=asked,
        manifest=ASK_PRICE,
    )


def priced(name: str, *answers: Answer) -> Row:
    """A fault that passes."""
    return Row(
        name=f"catalog {name} once",
        endpoint=ON,
        fault=once(*answers),
        does="asks again, twice at most",
        ledger=(DONE,),
        exit=0,
        told="cost: at most $0.06",
        asked=len(answers) + 1,
        manifest=ASK_PRICE,
    )


def sends_nothing(
    name: str,
    fault: Fault,
    exit_code: int,
    told: str,
    asked: int | None,
    *,
    does: str = "ends before anything is sent",
    manifest: Mapping[str, object] = ASK_PRICE,
    limits: Mapping[str, object] | None = None,
    when: str = "",
    command: tuple[str, ...] = ("run", "m.yaml"),
    real: bool = False,
) -> Row:
    """Something without which nothing may begin."""
    return Row(
        name=f"catalog {name}",
        endpoint=ON,
        fault=fault,
        does=does,
        ledger=("",),
        exit=exit_code,
        told=told,
        posts=0,
        asked=asked,
        manifest=manifest,
        limits=limits or {},
        command=command,
        when=when or (f"`batchgen {' '.join(command)}`" if command != ("run", "m.yaml") else ""),
        real=real,
    )


def over_budget(name: str, answer: Answer, asked: int | None = 1) -> Row:
    """No price, and a limit that cannot be kept without one."""
    told = "there is a limit of 5 USD and no known price"
    return sends_nothing(
        f"{name}, with a limit", always(answer), 65, told, asked, limits={"max_cost_usd": 5}, when="`max_cost_usd: 5`"
    )


def refused(name: str, answer: Answer, *command: str) -> Row:
    """A token that is not taken: seen before anything is paid for."""
    return sends_nothing(name, always(answer), 77, TOLD_TOKEN, 1, command=command or ("run", "m.yaml"))


def new_model(name: str, answer: Answer, exit_code: int, told: str, asked: int = 1) -> Row:
    """A model whose inputs only the catalog knows."""
    manifest = {"model": NEW, "settings": {}}
    return sends_nothing(
        f"new model {name}", always(answer), exit_code, told, asked, manifest=manifest, when="a model not bundled"
    )


def shown(name: str, answer: Answer, exit_code: int, told: str, asked: int) -> Row:
    """`batchgen models ID`, which shows nothing."""
    does = "says so and shows nothing"
    return sends_nothing(f"models {name}", always(answer), exit_code, told, asked, does=does, command=SHOW)


def price(value: object) -> Answer:
    """Return a model with this base price."""
    return model(base_price_usd=value)


def model(**other: object) -> Answer:
    """Return a model's object in which this is other than it should be."""
    return Answer(f"answers 200 with the model's object, but `{json.dumps(other)}`", body={**live_model(), **other})


ROWS = (
    priced("502", html(502)),
    priced("reset", RESETS, HANGS),
    priced("429", says(429, Retry_After="3600")),
    priced("goes for a second", goes(1)),
    unpriced("reset", RESETS, None),
    unpriced("hangs", HANGS),
    unpriced("502", html(502)),
    unpriced("200 html", html(200)),
    unpriced("200 list", says(200, [{"model_id": MODEL}])),
    unpriced("404", html(404), 1),
    unpriced("400 400001", code(400, 400001), 1),
    unpriced("404 404001", code(404, 404001, "message"), 1),
    unpriced("null price", price(None), 1),
    unpriced("text price", price("0.06"), 1),
    unpriced("true price", price(True), 1),
    unpriced("negative price", price(-1), 1),
    unpriced("NaN price", says(200, b'{"base_price_usd": NaN}')),
    unpriced("by the second", model(price_unit="second"), 1),
    unpriced("another model", model(model_id="google/another"), 1),
    over_budget("reset", RESETS, None),
    over_budget("null price", price(None)),
    over_budget("404", says(404)),
    over_budget("another model", model(model_id="google/another")),
    refused("401", says(401)),
    refused("400 400004", code(400, 400004)),
    refused("200 401001", code(200, 401001, "detail")),
    refused("403 403001", code(403, 403001, "error")),
    refused("401 to plan", says(401), "plan", "m.yaml"),
    refused("403 to models", html(403), *SHOW),
    refused("401 to doctor", says(401), "doctor"),
    new_model("404", says(404), 65, NEW),
    new_model("400 400001", code(400, 400001), 65, NEW),
    new_model("502", html(502), 69, "HTTP 502", 3),
    new_model("no schema", says(200, {"model_id": NEW}), 69, "gives no input_schema"),
    new_model("empty schema", says(200, {"model_id": NEW, "input_schema": {}}), 69, "names no inputs"),
    new_model("another", model(model_id="google/another"), 69, "another model"),
    shown("refused", refuses(HOUR), 69, "RUNCOMFY_MODEL_API_BASE", 0),
    shown("404", says(404), 65, "the catalog knows no such model", 1),
    shown("html", html(200), 69, "an answer that cannot be read", 3),
    sends_nothing("doctor refused", always(refuses(HOUR)), 69, "nobody answered", 0, command=("doctor", "m.yaml")),
    sends_nothing("doctor html", always(html(200)), 69, "cannot be read", 3, command=("doctor", "m.yaml"), real=True),
)
