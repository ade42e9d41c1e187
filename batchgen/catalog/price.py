"""What a job will probably cost, in USD, by a rule that is written down and simple.

    (base x product of the factors in `times`) x outputs asked + the sums in `plus`

Factors are looked up by the value sent, or by the model's documented default for an input that is not sent. RunComfy
does not say whether an extra is charged per request or per output: `low` counts it once, `high` once for every output.
All arithmetic is Decimal. A price that is not a plain number is no price, never a price of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from batchgen.catalog.schema import Json, ModelSpec
from batchgen.catalog.words import value_text

_CEILING = "limit_generations"


@dataclass(frozen=True, slots=True)
class Pricing:
    """The manifest's price rule: USD per output at factor 1, factors by input and value (as text), extras by input."""

    base_usd: Decimal | None = None
    per: str = "output"
    times: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    plus: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate in USD; without a `firm` ceiling the server may make, and charge for, more outputs than asked."""

    low: Decimal
    high: Decimal
    firm: bool = True


def estimate(pricing: Pricing, base_usd: Decimal | None, spec: ModelSpec, job_input: Mapping[str, Json]) -> Cost | None:
    """Return what one request should cost; None where no base price is known.

    `base_usd` is the live base price of the model; the manifest's own base price goes before it.
    """
    base = pricing.base_usd if pricing.base_usd is not None else base_usd
    if base is None:
        return None
    outputs = outputs_asked(spec, job_input)
    each = base
    for key, factors in pricing.times.items():
        each *= factors.get(value_text(_value(spec, job_input, key)), Decimal(1))
    extra = sum((usd for key, usd in pricing.plus.items() if _value(spec, job_input, key)), Decimal(0))
    return Cost(each * outputs + extra, (each + extra) * outputs, has_firm_ceiling(spec, job_input))


def inputs_told(pricing: Pricing, spec: ModelSpec) -> frozenset[str]:
    """Return the inputs that `estimate` looks at: jobs that agree on these cost the same."""
    counted = (spec.count_field,) if spec.count_field else ()
    return frozenset((*pricing.times, *pricing.plus, *counted, _CEILING))


def outputs_asked(spec: ModelSpec, job_input: Mapping[str, Json]) -> int:
    """Return how many outputs one request asks for."""
    count = _value(spec, job_input, spec.count_field) if spec.count_field else 1
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 1


def has_firm_ceiling(spec: ModelSpec, job_input: Mapping[str, Json]) -> bool:
    """Tell whether the server makes no more outputs than asked: not so with `limit_generations: false`."""
    return _value(spec, job_input, _CEILING) is not False


def base_price_of(live: object, model: str) -> Decimal | None:
    """Return the price per output of a live catalog object; None for no price, another unit or another model."""
    if not isinstance(live, dict) or live.get("price_unit", "output") != "output":
        return None
    if live.get("model_id", model) != model:
        return None
    return list_price_of(live)


def list_price_of(live: Mapping[str, object]) -> Decimal | None:
    """Return the price a live catalog object names, in whatever unit; None where it is no plain number."""
    price = live.get("base_price_usd")
    if isinstance(price, bool) or not isinstance(price, int | float):
        return None
    return Decimal(str(price)) if math.isfinite(price) and price >= 0 else None


def _value(spec: ModelSpec, job_input: Mapping[str, Json], key: str) -> Json:
    return job_input[key] if key in job_input else spec.default(key)
