"""Lists as manifests, prompt files, snapshots, digests, and the manifest's plain values."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen import errors
from batchgen.catalog.schema import bundled
from batchgen.manifest import keys
from batchgen.manifest.loader import load
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.overrides import Overrides

MODEL = "google/nano-banana-2/text-to-image"
HEAD = f"model: {MODEL}\n"
ON_THE_LINE = Overrides(model=MODEL)


def loaded(folder: Path, text: str, overrides: Overrides | None = None) -> Manifest:
    path = folder / "m.yaml"
    path.write_text(text)
    return load(path, overrides or Overrides(), bundled)


def test_a_table_is_a_manifest_too(tmp_path: Path) -> None:
    path = tmp_path / "foxes.csv"
    path.write_bytes("\ufeffPrompt,num_images,Note\r\na fox,2,x\r\na hen,,\r\n".encode())

    manifest = load(
        path,
        Overrides(model=MODEL, settings=("resolution=2K",), grid=("aspect_ratio=1:1,16:9",), seeds="7"),
        bundled,
    )
    jobs = list(manifest.jobs())

    assert manifest.name == "foxes"
    assert manifest.count() == 2 * 2 * 7
    assert jobs[0].settings == {"resolution": "2K", "num_images": 2, "aspect_ratio": "1:1"}
    assert jobs[0].tags == {"Note": "x"}
    assert jobs[-1].settings == {"resolution": "2K", "aspect_ratio": "16:9"}


@pytest.mark.parametrize(
    ("name", "content", "column", "prompts"),
    [
        ("p.txt", " a \n\nb\n", None, [" a ", "b"]),
        ("p.tsv", 'Text\tx\nsay "hi"\t1\n', "Text", ['say "hi"']),
        ("p.jsonl", '{"PROMPT": "a"}\n{"prompt": "b"}\n', None, ["a", "b"]),
        ("p.csv", "prompt,text\na,b\n", "text", ["b"]),
    ],
)
def test_each_kind_of_list(name: str, content: str, column: str | None, prompts: list[str], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)

    jobs = load(path, Overrides(model=MODEL, prompt_column=column), bundled).jobs()

    assert [made.prompt for made in jobs] == prompts


def test_jsonl_values_keep_their_types_and_nested_ones_become_tags(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "a", "num_images": 2, "resolution": null, "meta": {"x": [1]}, "n": 3}\n')

    (made,) = load(path, ON_THE_LINE, bundled).jobs()

    assert made.settings == {"num_images": 2}
    assert made.tags == {"meta": {"x": [1]}, "n": 3}


def test_where_and_limit_choose_rows(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("prompt,kind,n\na,x,1\nb,y,1\nc,z,1\nd,x,2\ne,x,1\n")

    jobs = loaded(
        tmp_path, HEAD + "prompts: [{file: p.csv, where: {kind: [x, y], n: 1}, limit: 2, tags: {n: 9, set: s}}]"
    ).jobs()

    assert [(made.prompt, made.tags) for made in jobs] == [
        ("a", {"kind": "x", "n": 9, "set": "s"}),
        ("b", {"kind": "y", "n": 9, "set": "s"}),
    ]


def test_a_manifest_knows_its_values(tmp_path: Path) -> None:
    manifest = loaded(
        tmp_path,
        HEAD + "prompts: [a]\nname: autumn\nlimits: {max_cost_usd: 5.10, max_time: 2h}\n"
        "output: {dir: ../runs/x, name: 'pics/{date}_{resolution:>4}_{index:03}', sidecar: true}\n"
        "pricing: {base_usd: 0.08, times: {resolution: {2K: 1.5}}, plus: {enable_web_search: 0.015}}\n",
        Overrides(concurrency="3", max_cost_usd="2.5", max_jobs="7"),
    )

    limits = manifest.limits
    assert (limits.concurrency, limits.downloads, limits.submits_per_second, limits.wait) == (3, 8, 4.0, 1800.0)
    assert (limits.max_cost_usd, limits.max_jobs, limits.max_time) == (Decimal("2.5"), 7, 7200.0)
    assert (manifest.name, manifest.output.dir, manifest.output.sidecar) == ("autumn", tmp_path / "../runs/x", True)
    assert manifest.pricing.base_usd == Decimal("0.08")
    assert manifest.pricing.times == {"resolution": {"2K": Decimal("1.5")}}
    assert manifest.pricing.plus == {"enable_web_search": Decimal("0.015")}


def test_defaults_come_from_the_table(tmp_path: Path) -> None:
    manifest = loaded(tmp_path, HEAD + "prompts: [a]")

    assert manifest.output.dir is None
    assert manifest.output.name == keys.BY_PATH["output.name"].default
    assert manifest.limits.concurrency == keys.BY_PATH["limits.concurrency"].default
    assert manifest.limits.max_cost_usd is None


def test_every_key_is_in_the_readme_table() -> None:
    table = keys.markdown_table()

    for key in keys.TABLE:
        assert f"| `{key.path}` |" in table
    assert "| `limits.wait` | duration | `30m` |" in table


def test_names_may_use_tags_of_tables(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("prompt,Category\na,x\n")

    manifest = loaded(tmp_path, HEAD + "prompts: [{file: p.csv}]\noutput: {name: '{Category}/{slug}_{index}'}")

    assert manifest.tags == ("Category",)


def test_a_snapshot_is_what_was_validated(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    (source / "a list.tsv").write_text("prompt\nfirst\n")
    manifest = loaded(source, HEAD + "prompts: [{file: a list.tsv}]")
    names = manifest.snapshot_names()
    for path, name in names.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy / name)
    (source / "a list.tsv").write_text("prompt\nchanged\n")

    assert list(names.values()) == ["manifest.yaml", "files/1_a_list.tsv"]
    assert manifest.digest_at(copy) == manifest.digest
    assert [made.prompt for made in manifest.at(copy).jobs()] == ["first"]
    assert [made.prompt for made in manifest.jobs()] == ["changed"]


def test_the_digest_is_of_names_and_contents_wherever_they_are(tmp_path: Path) -> None:
    digests = []
    for folder, prompt in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.txt").write_text(prompt)
        digests.append(loaded(tmp_path / folder, HEAD + "prompts: [{file: p.txt}]").digest)

    assert digests[0] == digests[1] != digests[2]


def test_a_list_that_changes_after_loading_stops_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("prompt,num_images\na,1\nb,2\n")
    jobs = load(path, ON_THE_LINE, bundled).jobs()
    path.write_text("prompt,num_images\na,1\nb\n")

    with pytest.raises(errors.ManifestError, match="1 cells where the header has 2"):
        list(jobs)


def test_unknown_inputs_and_values_pass_when_allowed(tmp_path: Path) -> None:
    (made,) = loaded(
        tmp_path,
        HEAD + "prompts: [a]\nsettings: {new_input: 3, resolution: 8K}\nseeds: none",
        Overrides(allow_unknown=True, validate=False, settings=("other=true",)),
    ).jobs()

    assert made.settings == {"new_input": 3, "resolution": "8K", "other": True}


def test_a_model_of_the_list_chosen_on_the_command_line_keeps_its_settings(tmp_path: Path) -> None:
    text = f"model: [{{id: {MODEL}, settings: {{num_images: 2}}}}, google/nano-banana-2/edit]\nprompts: [a]\n"

    (made,) = loaded(tmp_path, text, ON_THE_LINE).jobs()

    assert (made.model, made.settings) == (MODEL, {"num_images": 2})
