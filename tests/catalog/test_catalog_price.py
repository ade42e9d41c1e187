"""The price rule, in Decimal, and never free by accident."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen.catalog.price import Cost, Pricing, base_price_of, estimate, has_firm_ceiling, inputs_told
from batchgen.catalog.schema import Json, ModelSpec, bundled


def known(model: str) -> ModelSpec:
    spec = bundled(model)
    assert spec is not None
    return spec


spec = known("google/nano-banana-2/text-to-image")

RULE = Pricing(
    base_usd=Decimal("0.08"),
    times={"resolution": {"0.5K": Decimal("0.75"), "2K": Decimal("1.5"), "4K": Decimal(2)}},
    plus={"enable_web_search": Decimal("0.015")},
)


@pytest.mark.parametrize(
    ("job_input", "low", "high"),
    [
        ({}, "0.08", "0.08"),
        ({"resolution": "1K"}, "0.08", "0.08"),
        ({"resolution": "0.5K"}, "0.06", "0.06"),
        ({"resolution": "4K", "num_images": 3}, "0.48", "0.48"),
        ({"enable_web_search": True}, "0.095", "0.095"),
        ({"enable_web_search": False}, "0.08", "0.08"),
        ({"enable_web_search": True, "num_images": 4, "resolution": "2K"}, "0.495", "0.54"),
    ],
)
def test_the_documented_rule(job_input: dict[str, Json], low: str, high: str) -> None:
    assert estimate(RULE, None, spec, job_input) == Cost(Decimal(low), Decimal(high))


@pytest.mark.parametrize("more", [{}, {"enable_web_search": True}, {"limit_generations": False, "num_images": 2}])
def test_an_estimate_looks_at_the_inputs_it_tells_and_at_no_other(more: dict[str, Json]) -> None:
    told = inputs_told(RULE, spec)
    asked: set[str] = set()

    class Watched(dict[str, Json]):
        def __contains__(self, key: object) -> bool:
            asked.add(str(key))
            return super().__contains__(key)

    estimate(RULE, None, spec, Watched({"prompt": "a fox", "seed": 7, "resolution": "2K", **more}))
    assert asked == told


def test_a_key_not_sent_counts_with_the_models_default() -> None:
    dearer_default = Pricing(Decimal(1), times={"resolution": {"1K": Decimal(3)}})

    assert estimate(dearer_default, None, spec, {}) == Cost(Decimal(3), Decimal(3))


def test_factors_of_numbers_and_flags_are_found_by_their_text() -> None:
    rule = Pricing(
        Decimal(1), times={"safety_tolerance": {"6": Decimal(2)}, "limit_generations": {"false": Decimal(5)}}
    )

    cost = estimate(rule, None, spec, {"safety_tolerance": 6, "limit_generations": False})

    assert cost == Cost(Decimal(10), Decimal(10), firm=False)


def test_the_live_price_serves_where_the_manifest_has_none() -> None:
    assert estimate(Pricing(), Decimal("0.1"), spec, {}) == Cost(Decimal("0.1"), Decimal("0.1"))
    assert estimate(RULE, Decimal(9), spec, {}) == Cost(Decimal("0.08"), Decimal("0.08"))
    assert estimate(Pricing(), None, spec, {}) is None


@pytest.mark.parametrize(
    ("live", "price"),
    [
        ({"base_price_usd": 0.08, "price_unit": "output"}, Decimal("0.08")),
        ({"base_price_usd": 1}, Decimal(1)),
        ({"base_price_usd": 0.08, "price_unit": "second"}, None),
        ({"base_price_usd": 0.08, "model_id": "a/b"}, Decimal("0.08")),
        ({"base_price_usd": 0.08, "model_id": "a/c"}, None),
        ({"base_price_usd": None}, None),
        ({"base_price_usd": True}, None),
        ({"base_price_usd": "0.08"}, None),
        ({"base_price_usd": -1}, None),
        ({"base_price_usd": float("nan")}, None),
        ({"base_price_usd": float("inf")}, None),
        ({}, None),
        ([], None),
    ],
)
def test_what_is_no_price_is_never_free(live: object, price: Decimal | None) -> None:
    assert base_price_of(live, "a/b") == price


def test_unlimited_generations_have_no_firm_ceiling() -> None:
    assert has_firm_ceiling(spec, {})
    assert not has_firm_ceiling(spec, {"limit_generations": False})
