"""The bundled models: their catalog entries, the check of an input against a schema, and the price of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources

import jsonschema_rs

RESOLUTION_FACTORS = {"0.5K": Decimal("0.75"), "1K": Decimal(1), "2K": Decimal("1.5"), "4K": Decimal(2)}
WEB_SEARCH_PRICE = Decimal("0.015")
PRICING_NOTE = (
    "Sandbox price per image at 1K; 0.5K costs 0.75 times, 2K 1.5 times and 4K 2 times as much; "
    "web search adds 0.015 USD to a request."
)


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the catalog; `count_field` is the input that says how many images to make."""

    model_id: str
    input_schema: Mapping[str, object]
    count_field: str
    validator: jsonschema_rs.Draft202012Validator

    @property
    def category(self) -> str:
        """The last part of the id, which is how this catalog sorts its models."""
        return self.model_id.rsplit("/", 1)[-1]

    def problems(self, inputs: object) -> list[dict[str, object]]:
        """What is wrong with an input object, in the envelope's `detail` form; empty when it is valid."""
        return [
            {
                "loc": ["body", *error.instance_path],
                "msg": error.message,
                "type": type(error.kind).__name__.lower(),
            }
            for error in self.validator.iter_errors(inputs)
        ]

    def images(self, inputs: Mapping[str, object]) -> int:
        """How many images a valid input object asks for."""
        count = inputs.get(self.count_field, 1)
        return int(count) if isinstance(count, int | float) else 1


def load_models() -> dict[str, Model]:
    """The bundled models by id."""
    # By way of the top package: naming batchgen.catalog would import its code too.
    text = resources.files("batchgen").joinpath("catalog/schemas.json").read_text(encoding="utf-8")
    return {
        model_id: Model(
            model_id,
            entry["input_schema"],
            entry["count_field"],
            jsonschema_rs.Draft202012Validator(entry["input_schema"]),
        )
        for model_id, entry in json.loads(text)["models"].items()
    }


def cost(inputs: Mapping[str, object], images: int, base: Decimal) -> Decimal:
    """US dollars for a run that delivers `images` images."""
    factor = RESOLUTION_FACTORS.get(str(inputs.get("resolution", "1K")), Decimal(1))
    search = WEB_SEARCH_PRICE if inputs.get("enable_web_search") is True and images else Decimal(0)
    return base * factor * images + search


def catalog_entry(model: Model, base: Decimal, *, include_schema: bool) -> dict[str, object]:
    """One model as `GET /v1/models` shows it."""
    required = model.input_schema.get("required")
    properties = model.input_schema.get("properties")
    entry: dict[str, object] = {
        "model_id": model.model_id,
        "display_name": " ".join(word.capitalize() for word in model.model_id.split("/")[1].split("-")),
        "kind": "model",
        "categories": [model.category],
        "base_price_usd": float(base),
        "price_unit": "output",
        "pricing_note": PRICING_NOTE,
        "inputs": list(properties) if isinstance(properties, dict) else [],
        "required_inputs": list(required) if isinstance(required, list) else [],
        "model_url": f"https://www.runcomfy.com/models/{model.model_id}",
    }
    return entry | ({"input_schema": model.input_schema} if include_schema else {})
