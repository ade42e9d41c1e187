"""From a manifest to its Jobs: order, precedence, seeds, identity, and flat memory."""

from __future__ import annotations

import tracemalloc
from itertools import islice, product
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen import job
from batchgen.catalog.schema import ModelSpec, build, bundled
from batchgen.job import Job, Json
from batchgen.manifest.loader import load
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.overrides import Overrides
from batchgen.manifest.seeds import Seeds

MODEL = "google/nano-banana-2/text-to-image"
EDIT = "google/nano-banana-2/edit"
HEAD = f"model: {MODEL}\n"
PLAIN = build("plain/model", {"properties": {"prompt": {"type": "string"}, "resolution": {"type": "string"}}})


def spec_of(model: str) -> ModelSpec | None:
    return PLAIN if model == PLAIN.id else bundled(model)


def loaded(folder: Path, text: str, overrides: Overrides | None = None) -> Manifest:
    path = folder / "m.yaml"
    path.write_text(text)
    return load(path, overrides or Overrides(), spec_of)


def expanded(folder: Path, text: str, overrides: Overrides | None = None) -> list[Job]:
    manifest = loaded(folder, text, overrides)
    jobs = list(manifest.jobs())
    assert [made.id for made in jobs] == [job.job_id(made.model, made.input, made.repeat) for made in jobs]
    assert [made.index for made in jobs] == list(range(1, len(jobs) + 1))
    return jobs


def column(jobs: list[Job], *keys: str) -> list[tuple[Json, ...]]:
    return [tuple(made.input.get(key) for key in keys) for made in jobs]


def test_the_golden_job_never_changes(tmp_path: Path) -> None:
    """The smallest manifest: one prompt, one derived seed."""
    (made,) = expanded(tmp_path, HEAD + "prompts: [a red fox in fresh snow]")

    assert made.input == {"prompt": "a red fox in fresh snow", "seed": 1907240348}
    assert made.id == "bbe92647fbe78e0ea12ea4432dc643c6"


def test_order_is_prompts_model_grid_zip_seeds_repeats(tmp_path: Path) -> None:
    """Every stage has two values here, and the last one changes fastest."""
    jobs = expanded(
        tmp_path,
        f"model: [{MODEL}, {{id: {EDIT}, settings: {{image_urls: ['https://a.b/c']}}}}]\nprompts: [a, b]\n"
        "grid: {resolution: [1K, 2K], aspect_ratio: [1:1, 3:2]}\nzip: {output_format: [png, webp]}\n"
        "seeds: [7, 8]\nrepeats: 2\n",
    )

    inputs = column(jobs, "prompt", "resolution", "aspect_ratio", "output_format", "seed")
    stages = [(row[0], made.model, *row[1:], made.repeat) for row, made in zip(inputs, jobs, strict=True)]
    values = (["a", "b"], [MODEL, EDIT], ["1K", "2K"], ["1:1", "3:2"], ["png", "webp"], [7, 8], [1, 2])
    assert stages == list(product(*values))


def test_zip_advances_together(tmp_path: Path) -> None:
    jobs = expanded(tmp_path, HEAD + "prompts: [a]\nzip: {num_images: [1, 2], resolution: [1K, 2K]}")

    assert column(jobs, "num_images", "resolution") == [(1, "1K"), (2, "2K")]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ({"settings"}, ["1K"]),
        ({"settings", "model"}, ["2K"]),
        ({"settings", "model", "grid"}, ["0.5K", "4K"]),
        ({"settings", "model", "zip"}, ["0.5K", "4K"]),
        ({"settings", "grid", "row"}, ["4K"]),
        ({"zip", "row"}, ["4K"]),
        ({"grid", "row", "prompt"}, ["2K"]),
        ({"settings", "model", "grid", "row", "prompt", "set"}, ["1K"]),
        ({"row", "set"}, ["1K"]),
        ({"grid", "option"}, ["1K", "4K"]),
        ({"zip", "option"}, ["1K", "4K"]),
        ({"option"}, ["1K", "4K"]),
        ({"option", "row"}, ["4K"]),
    ],
)
def test_the_stronger_place_wins_and_takes_the_axis_out(places: set[str], expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("prompt,resolution\na,4K\n" if "row" in places else "prompt\na\n")
    own = "settings: {resolution: 2K}" if "model" in places else ""
    prompt = ", settings: {resolution: 2K}" if "prompt" in places else ""
    text = f"model: [{{id: {MODEL}, {own}}}]\nprompts: [{{file: p.csv{prompt}}}]\n"
    text += "settings: {resolution: 1K}\n" if "settings" in places else ""
    text += "grid: {resolution: [0.5K, 4K]}\n" if "grid" in places else ""
    text += "zip: {resolution: [0.5K, 4K]}\n" if "zip" in places else ""
    overrides = Overrides(
        settings=("resolution=1K",) if "set" in places else (),
        grid=("resolution=1K,4K",) if "option" in places else (),
    )

    jobs = expanded(tmp_path, text, overrides)

    assert [made.input["resolution"] for made in jobs] == expected
    assert loaded(tmp_path, text, overrides).count() == len(expected)


def test_an_empty_cell_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("prompt,resolution,seed\na,,5\nb,4K,\n")

    jobs = expanded(tmp_path, HEAD + "prompts: [{file: p.csv}]\nsettings: {resolution: 2K}\n")

    (derived,) = Seeds().of(b"b")
    assert column(jobs, "resolution", "seed") == [("2K", 5), ("4K", derived)]


def test_a_zip_cut_by_a_stronger_place_leaves_no_doubles(tmp_path: Path) -> None:
    text = HEAD + (
        "prompts: [{text: a, settings: {num_images: 3}}]\nzip: {num_images: [1, 2, 3], resolution: [1K, 2K, 1K]}\n"
    )

    assert column(expanded(tmp_path, text), "num_images", "resolution") == [(3, "1K"), (3, "2K")]


def test_grid_option_replaces_in_place_and_adds_last(tmp_path: Path) -> None:
    jobs = expanded(
        tmp_path,
        HEAD + "prompts: [a]\ngrid: {resolution: [1K, 2K], num_images: [1, 2]}\n",
        Overrides(grid=("resolution=4K", "aspect_ratio=1:1,3:2")),
    )

    assert column(jobs, "resolution", "num_images", "aspect_ratio") == [
        ("4K", 1, "1:1"),
        ("4K", 1, "3:2"),
        ("4K", 2, "1:1"),
        ("4K", 2, "3:2"),
    ]


@pytest.mark.parametrize(
    ("said", "seeds"),
    [
        ("", [1907240348]),
        ("seeds: 3", [1907240348, 801605815, 1047806176]),
        ("seeds: [7, 42]", [7, 42]),
        ("seeds: {start: 100, count: 3}", [100, 101, 102]),
        ("seeds: {count: 2, per: run}", [513141846, 1965818230]),
        ("seeds: none", [None]),
        ("seeds: {count: 2, per: job}\nsettings: {aspect_ratio: 16:9}", [1303241375, 212918771]),
        ("settings: {seed: 5}", [5]),
        ("grid: {seed: [5, 6]}", [5, 6]),
    ],
)
def test_every_form_of_seeds(said: str, seeds: list[int | None], tmp_path: Path) -> None:
    jobs = expanded(tmp_path, f"{HEAD}prompts: [a red fox in fresh snow]\n{said}\n")

    assert [made.seed for made in jobs] == seeds


@pytest.mark.parametrize(
    ("text", "seeds"), [("2", 2), ("7,42", [7, 42]), ("none", [None]), ("{start: 5, count: 2}", [5, 6])]
)
def test_every_form_of_seeds_on_the_command_line(text: str, seeds: int | list[int | None], tmp_path: Path) -> None:
    jobs = expanded(tmp_path, HEAD + "prompts: [a]\nseeds: 9\n", Overrides(seeds=text))

    assert [made.seed for made in jobs] == (list(Seeds(seeds).of(b"a")) if isinstance(seeds, int) else seeds)


def test_cells_of_the_grid_share_seeds_and_per_job_does_not(tmp_path: Path) -> None:
    text = HEAD + "prompts: [a]\ngrid: {resolution: [1K, 2K]}\n"

    shared = {made.seed for made in expanded(tmp_path, text)}
    own = {made.seed for made in expanded(tmp_path, text + "seeds: {per: job}\n")}

    assert (len(shared), len(own)) == (1, 2)


def test_a_model_without_a_seed_gets_none(tmp_path: Path) -> None:
    (made,) = expanded(tmp_path, f"model: {PLAIN.id}\nprompts: [a]")

    assert made.input == {"prompt": "a"}


def test_exclude_sees_final_values_tags_model_and_seeds(tmp_path: Path) -> None:
    text = HEAD + (
        "prompts: [{text: a, tags: {set: x}}, {text: b, settings: {resolution: 4K}}]\n"
        "grid: {resolution: [1K, 2K], num_images: [1, 2]}\nseeds: [1, 2]\nexclude:\n"
        "  - {resolution: 2K, num_images: 2}\n  - {set: x, num_images: [2, 3]}\n"
        "  - {resolution: 4K, seed: 2}\n  - {model: other, num_images: 1}\n"
    )

    jobs = expanded(tmp_path, text)

    assert column(jobs, "prompt", "resolution", "num_images", "seed") == [
        ("a", "1K", 1, 1),
        ("a", "1K", 1, 2),
        ("a", "2K", 1, 1),
        ("a", "2K", 1, 2),
        ("b", "4K", 1, 1),
        ("b", "4K", 2, 1),
    ]


def test_vars_expand_their_prompt_alone(tmp_path: Path) -> None:
    jobs = expanded(
        tmp_path,
        HEAD + "prompts:\n  - text: '{animal} {{x}} {n}'\n    vars: {animal: [cat, heron], n: [1, 2]}\n"
        "    tags: {set: animals}\n  - a {verbatim} one\n",
    )

    assert [made.prompt for made in jobs] == [
        "cat {x} 1",
        "cat {x} 2",
        "heron {x} 1",
        "heron {x} 2",
        "a {verbatim} one",
    ]
    assert jobs[1].tags == {"set": "animals", "animal": "cat", "n": "2", "template": "{animal} {{x}} {n}"}
    assert jobs[4].tags == {}


def test_identical_jobs_are_made_once_with_the_first_tags(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("b\na\n")
    manifest = loaded(
        tmp_path, HEAD + "prompts: [{text: a, tags: {n: 1}}, {text: a, tags: {n: 2}}, {file: p.txt}]\nseeds: 2\n"
    )

    expansion = manifest.jobs()
    jobs = list(expansion)

    assert [(made.prompt, dict(made.tags)) for made in jobs] == [("a", {"n": 1}), ("a", {"n": 1}), ("b", {}), ("b", {})]
    assert (expansion.duplicates, manifest.count()) == (4, 8)


def test_the_same_model_twice_makes_identical_jobs_once(tmp_path: Path) -> None:
    manifest = loaded(
        tmp_path,
        f"model: [{{id: {MODEL}, settings: {{num_images: 1}}}}, {{id: {MODEL}, settings: {{num_images: 2}}}}]\n"
        "prompts: [a, {text: b, settings: {num_images: 3}}]\n",
    )
    expansion = manifest.jobs()

    assert column(list(expansion), "prompt", "num_images") == [("a", 1), ("a", 2), ("b", 3)]
    assert expansion.duplicates == 1


def test_one_and_one_point_zero_are_different_values(tmp_path: Path) -> None:
    spec = build("f/m", {"properties": {"prompt": {"type": "string"}, "scale": {"type": "float"}}})
    path = tmp_path / "m.yaml"
    path.write_text("model: f/m\nprompts: [a]\ngrid: {scale: [1, 1.0, 1]}\n")

    manifest = load(path, Overrides(), lambda _: spec)

    assert [made.input["scale"] for made in manifest.jobs()] == [1, 1.0]


WORDS = st.lists(st.text('ab 狐{}"\\', min_size=1).filter(str.strip), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS, order=st.randoms(use_true_random=False))
def test_reordering_prompts_changes_no_id_and_no_seed(words: list[str], order: Random, tmp_path: Path) -> None:
    def ids(prompts: list[str]) -> set[tuple[str, int | None]]:
        (tmp_path / "p.jsonl").write_bytes(b"\n".join(job.canonical({"prompt": text}) for text in prompts))
        text = HEAD + "prompts: [{file: p.jsonl}]\ngrid: {resolution: [1K, 2K]}\nseeds: 2\n"
        return {(made.id, made.seed) for made in expanded(tmp_path, text)}

    turned = list(words)
    order.shuffle(turned)

    assert ids(words) == ids(turned)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.sampled_from(["1K", "2K", "4K"]), unique=True, min_size=1),
    per=st.sampled_from(["prompt", "job", "run"]),
)
def test_adding_a_grid_value_leaves_existing_ids(values: list[str], per: str, tmp_path: Path) -> None:
    def ids(grid: list[str]) -> set[str]:
        text = HEAD + f"prompts: [a, b]\ngrid: {{resolution: [{', '.join(grid)}]}}\nseeds: {{count: 2, per: {per}}}\n"
        return {made.id for made in expanded(tmp_path, text)}

    assert ids(values) < ids(["0.5K", *values])


def test_memory_does_not_grow_with_the_number_of_jobs(tmp_path: Path) -> None:
    """Between job 30,000 and job 60,000 of a grid of 200,000, less is kept than two thousand ids would take."""
    manifest = loaded(
        tmp_path,
        HEAD + "prompts: [a, b]\ngrid: {resolution: [1K, 2K, 4K, 0.5K], safety_tolerance: [1, 2, 3, 4, 5]}\n"
        "seeds: {start: 0, count: 5000}\n",
    )
    jobs = manifest.jobs()
    tracemalloc.start()
    try:
        first = sum(1 for _ in islice(jobs, 30_000))
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        second = sum(1 for _ in islice(jobs, 30_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak - before < 200_000
    assert first + second + sum(1 for _ in jobs) == manifest.count() == 200_000
