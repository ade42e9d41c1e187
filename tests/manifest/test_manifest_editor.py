"""The JSON Schema for editors: what ships is what the table of keys makes, and it knows the language."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest

from batchgen.catalog import schema
from batchgen.job import Json
from batchgen.manifest import editor, yamltext
from batchgen.manifest.loader import load
from batchgen.manifest.overrides import Overrides
from batchgen.manifest.problems import Problems

SAMPLES = sorted((Path(__file__).parents[2] / "sample_manifests").glob("*.yaml"))
MODEL = "google/nano-banana-2/text-to-image"
HEAD = f"model: {MODEL}\nprompts: [a]\n"
VALIDATOR = jsonschema_rs.Draft7Validator(editor.json_schema())

SOUND = [
    HEAD,
    f"model: [{MODEL}, {{id: {MODEL}, settings: {{num_images: 2}}}}]\nprompts: [a]",
    f"model: {MODEL}\nprompts: [a, {{text: '{{a}}', vars: {{a: [x, 7]}}, settings: {{seed: 3}}, tags: {{t: null}}}}]",
    *(HEAD + f"seeds: {said}" for said in ("3", "[7, 42]", "none", "{start: 100, count: 3}", "{count: 3, per: run}")),
    HEAD + "grid: {aspect_ratio: [1:1, 16:9]}\nzip: {num_images: [1, 2]}\nexclude: [{resolution: [1K, 2K], model: x}]",
    HEAD + "limits: {max_time: 2h, wait: 90, max_cost_usd: 0.5, submits_per_second: 0.1}\nrepeats: 2",
    HEAD + "output: {dir: ../x, name: '{index}', sidecar: true}\nname: x",
    HEAD + "pricing: {base_usd: 0.08, per: output, times: {resolution: {2K: 1.5}}, plus: {enable_web_search: 0.015}}",
]
WRONG = [
    "prompts: [a]",
    f"model: {MODEL}",
    f"model: {MODEL}\nprompts: a",
    f"model: {MODEL}\nprompts: []",
    f"model: {MODEL}\nprompts: [7]",
    f"model: {MODEL}\nprompts: [{{tags: {{}}}}]",
    f"model: {MODEL}\nprompts: [{{text: a, file: b.csv}}]",
    f"model: {MODEL}\nprompts: [{{text: a, limit: 3}}]",
    f"model: {MODEL}\nprompts: [{{file: b.csv, vars: {{}}}}]",
    f"model: {MODEL}\nprompts: [{{file: b.csv, limit: 0}}]",
    "model: [{settings: {}}]\nprompts: [a]",
    *(
        HEAD + said
        for said in (
            "setings: {}",
            "settings: [a]",
            "grid: {resolution: 2K}",
            "grid: {resolution: []}",
            "exclude: [{}]",
            "seeds: 0",
            "seeds: random",
            "seeds: [-1]",
            "seeds: {per: model}",
            "seeds: {conut: 3}",
            "repeats: 0",
            "limits: {concurency: 3}",
            "limits: {concurrency: 1001}",
            "limits: {max_cost_usd: 0}",
            "limits: {max_time: soon}",
            "output: {sidecar: 'yes'}",
            "output: {nmae: x}",
            "pricing: {per: second}",
            "pricing: {times: {resolution: 2}}",
        )
    ),
]


def read(text: str) -> Json:
    """Return YAML as plain data."""
    problems = Problems()
    root = yamltext.parse(text.encode(), "m.yaml", problems)
    assert root is not None
    assert problems.errors == []
    return yamltext.plain(root)


def test_what_ships_is_what_the_table_makes() -> None:
    """After a change of keys: editor.shipped().write_text(editor.text())."""
    assert editor.shipped().read_text("utf-8") == editor.text()
    assert json.loads(editor.text()) == editor.json_schema()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample_is_sound(path: Path) -> None:
    VALIDATOR.validate(read(path.read_text("utf-8")))


@pytest.mark.parametrize("text", SOUND)
def test_every_form_of_the_language_is_sound_here_and_there(text: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)

    VALIDATOR.validate(read(text))
    load(path, Overrides(), schema.bundled)


@pytest.mark.parametrize("text", WRONG)
def test_typos_are_underlined(text: str) -> None:
    assert not VALIDATOR.is_valid(read(text))


def test_every_key_is_described_for_the_editor() -> None:
    properties = editor.json_schema()["properties"]
    assert isinstance(properties, dict)

    assert all(isinstance(one, dict) and one["description"] for one in properties.values())
    assert properties["repeats"] == {
        "description": "How often to make each job, seed and all.",
        "type": "integer",
        "minimum": 1,
        "maximum": 100_000,
        "default": 1,
    }
