"""Model specs: bundled, live with all its quirks, and pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen import errors
from batchgen.catalog import pin
from batchgen.catalog.check import check_value
from batchgen.catalog.schema import Json, build, bundled, bundled_ids, from_live

TEXT = "google/nano-banana-2/text-to-image"
LIVE: dict[str, Json] = {
    "model_id": "a/b",
    "base_price_usd": 0.08,
    "input_schema": {
        "required": ["prompt", "image_urls"],
        "$defs": {"size": {"type": "integer", "maximum": 8}},
        "properties": {
            "prompt": {"type": "string", "default": "a portrait"},
            "strength": {"type": "float", "default": 0.5, "validations": [{"validation_rule": "x<"}]},
            "image": {"type": "string", "format": "image_uri", "default": "https://example.com/sample.png"},
            "size": {"$ref": "#/$defs/size"},
            "remote": {"$ref": "http://127.0.0.1:1/schema"},
            "num_images": {"type": "integer", "default": 1},
            "tier": {"type": "string", "enum": ["a", "b"], "default": "a"},
        },
    },
}


def test_bundled_models_are_known() -> None:
    spec = bundled(TEXT)

    assert spec is not None
    assert spec.count_field == "num_images"
    assert spec.required == ("prompt",)
    assert spec.has_seed
    assert TEXT in bundled_ids()
    assert bundled("no/such") is None


def test_the_quirks_of_live_schemas_are_put_right() -> None:
    spec = from_live("a/b", LIVE)

    assert spec.required == ("prompt",)
    assert any("image_urls" in note for note in spec.notes)
    assert any("remote" in note for note in spec.notes)
    assert spec.count_field == "num_images"
    assert not spec.has_seed
    assert check_value(spec, "strength", 1) is None
    assert check_value(spec, "strength", "x") is not None
    assert check_value(spec, "size", 9) is not None
    assert check_value(spec, "remote", "anything") is None


@pytest.mark.parametrize(("key", "default"), [("prompt", None), ("image", None), ("strength", 0.5), ("tier", "a")])
def test_sample_defaults_are_ignored(key: str, default: Json) -> None:
    assert from_live("a/b", LIVE).default(key) == default


@pytest.mark.parametrize(
    "live",
    [
        None,
        [],
        {"model_id": "other/model", "input_schema": LIVE["input_schema"]},
        {"model_id": "a/b"},
        {"model_id": "a/b", "input_schema": {"type": "object"}},
        {"model_id": "a/b", "input_schema": {"properties": []}},
    ],
)
def test_an_unusable_live_object_is_refused(live: object) -> None:
    with pytest.raises(ValueError):
        from_live("a/b", live)


def test_a_schema_nested_too_deeply_is_refused() -> None:
    deep: Json = {"type": "string"}
    for _ in range(100):
        deep = {"items": deep}

    with pytest.raises(ValueError, match="deep"):
        build("a/b", {"properties": {"x": deep}})


def test_pinning_keeps_specs_and_digests(tmp_path: Path) -> None:
    specs = [spec for model_id in bundled_ids() if (spec := bundled(model_id))] + [from_live("a/b", LIVE)]
    path = tmp_path / "catalog.json"
    path.write_bytes(pin.document(specs))

    read = pin.read(path)

    assert {spec.id: spec.digest for spec in specs} == {model_id: spec.digest for model_id, spec in read.items()}
    assert list(read.values()) == sorted(specs, key=lambda spec: spec.id)
    assert pin.document(reversed(specs)) == path.read_bytes()


def test_no_catalog_yet_is_no_pins(tmp_path: Path) -> None:
    assert pin.read(tmp_path / "catalog.json") == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"format": 2}',
        b'{"format": 1}',
        b'{"format": 1, "models": {"a/b": {}}}',
        b"[" * 5000,
    ],
)
def test_a_malformed_catalog_names_the_file_and_the_fix(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    path.write_bytes(content)

    with pytest.raises(errors.LedgerError, match=r"catalog\.json.*--refresh-schema"):
        pin.read(path)


def test_a_digest_changes_with_what_is_allowed() -> None:
    small = build("a/b", {"properties": {"x": {"type": "integer", "maximum": 4}}})
    large = build("a/b", {"properties": {"x": {"type": "integer", "maximum": 5}}})

    assert small.digest != large.digest
