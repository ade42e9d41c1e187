"""What a manifest comes to by arithmetic is what its Jobs, one by one, come to; and an id is that of the plain JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen import job, plan
from batchgen.catalog import price
from batchgen.catalog.price import Pricing
from batchgen.catalog.schema import ModelSpec, build, bundled
from batchgen.job import Job, Json
from batchgen.manifest.loader import load
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.overrides import Overrides
from batchgen.state import RunState

MODEL = "google/nano-banana-2/text-to-image"
FREE = build("free/model", {"properties": {"prompt": {"type": "string"}, "seed": {"type": "integer"}, "value": {}}})
KEYS = ("resolution", "num_images", "safety_tolerance", "limit_generations", "seed")

FAST = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

RESOLUTIONS = st.lists(st.sampled_from(["1K", "2K", "4K"]), unique=True, min_size=1)
NUMBERS = st.lists(st.integers(1, 4), unique=True, min_size=1, max_size=3)
PROMPTS = st.lists(
    st.fixed_dictionaries(
        {"text": st.sampled_from(["a", "b", "c"])},
        optional={
            "settings": st.fixed_dictionaries({"resolution": st.sampled_from(["1K", "0.5K"])}),
            "tags": st.fixed_dictionaries({"set": st.sampled_from(["x", "y"])}),
        },
    ),
    min_size=1,
    max_size=4,
)
EXCLUDE = st.lists(
    st.sampled_from(
        [{"resolution": "2K", "num_images": 2}, {"seed": 8}, {"num_images": [1, 3]}, {"set": "x", "seed": 7}]
    )
    | st.just({"set": "y"}),
    max_size=2,
)
MANIFESTS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(
            [MODEL, [MODEL, {"id": MODEL, "settings": {"limit_generations": False}}], [MODEL] * 2]
        ),
        "prompts": PROMPTS.map(lambda some: [*some, {"text": "d", "tags": {"set": "z"}}]),
        "grid": st.fixed_dictionaries({}, optional={"resolution": RESOLUTIONS, "num_images": NUMBERS}),
        "zip": st.sampled_from([{}, {"safety_tolerance": [1, 2], "limit_generations": [True, False]}]),
        "seeds": st.sampled_from([2, [7, 8], {"count": 2, "per": "job"}, {"count": 1, "per": "run"}]),
        "repeats": st.integers(1, 2),
    },
    optional={"exclude": EXCLUDE},
)


def spec_of(model: str) -> ModelSpec | None:
    return FREE if model == FREE.id else bundled(model)


def loaded(folder: Path, written: Mapping[str, object]) -> Manifest:
    path = folder / "m.json"
    path.write_text(json.dumps({key: value for key, value in written.items() if value or key == "seeds"}))
    return load(path, Overrides(), spec_of)


def told(one: Job, keys: Iterable[str]) -> tuple[object, ...]:
    return (one.model, *(repr(one.input.get(key)) for key in keys))


@FAST
@given(written=MANIFESTS, keys=st.sets(st.sampled_from(KEYS)))
def test_shares_count_every_job_once(written: dict[str, object], keys: set[str], tmp_path: Path) -> None:
    manifest = loaded(tmp_path, written)
    one_by_one, at_once = manifest.jobs(), manifest.jobs()

    jobs = {one.id: replace(one, index=0) for one in one_by_one}
    shares = list(at_once.shares(keys))

    counted: Counter[tuple[object, ...]] = Counter()
    for one, count in shares:
        assert jobs[one.id] == one
        counted[told(one, keys)] += count
    assert counted == Counter(told(one, keys) for one in jobs.values())
    assert at_once.duplicates == one_by_one.duplicates


@FAST
@given(written=MANIFESTS)
def test_a_plan_by_arithmetic_is_the_plan_of_every_job(written: dict[str, object], tmp_path: Path) -> None:
    """Counts, both ends of the cost, and how many jobs may cost more."""
    manifest = loaded(tmp_path, written)
    rule = Pricing(Decimal("0.07"), times={"resolution": {"2K": Decimal("1.5")}}, plus={"seed": Decimal("0.01")})
    (spec,) = manifest.models

    def cost(one: Job) -> price.Cost | None:
        return price.estimate(rule, None, spec, one.input)

    whole = plan.survey(
        manifest.jobs(), RunState(), price=cost, policy=plan.Policy(), whole=lambda attempt: True, show=3
    )
    shares = manifest.jobs().shares(price.inputs_told(rule, spec))
    assert plan.survey_new(shares, [post.job for post in whole.first], price=cost) == whole


def test_a_grid_of_any_size_is_counted_in_a_few_steps(tmp_path: Path) -> None:
    manifest = loaded(
        tmp_path,
        {
            "model": MODEL,
            "prompts": ["a", "b"],
            "grid": {"resolution": ["1K", "2K"], "safety_tolerance": [1, 2, 3], "num_images": [1, 2, 3, 4]},
            "seeds": {"start": 0, "count": 10**6},
            "exclude": [{"resolution": "2K", "num_images": 4}],
        },
    )
    shares = list(manifest.jobs().shares({"resolution"}))

    assert len(shares) == 2 * (2 * 4 - 1)
    assert sum(count for _, count in shares) == 2 * (2 * 4 - 1) * 3 * 10**6


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text('ab"é', max_size=3), part, max_size=3),
    max_leaves=6,
)


@FAST
@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
    values=st.lists(VALUES, min_size=1, max_size=3),
    seed=st.integers(0, 2**31 - 1),
)
def test_an_id_from_fragments_is_that_of_the_plain_canonical_json(
    prompt: str, values: list[Json], seed: int, tmp_path: Path
) -> None:
    rows = (json.dumps({"prompt": prompt, "value": value}) for value in values)
    (tmp_path / "p.jsonl").write_text("\n".join(rows))
    written = {"model": FREE.id, "prompts": [{"file": "p.jsonl"}], "seeds": [seed], "repeats": 2}
    for made in loaded(tmp_path, written).jobs():
        assert made.id == job.job_id(made.model, made.input, made.repeat)
        assert (made.prompt, made.seed) == (prompt, seed)
