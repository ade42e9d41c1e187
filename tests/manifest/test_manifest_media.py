"""Local pictures as inputs: known by content, read once, wherever they are named."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from batchgen import errors
from batchgen.catalog import schema
from batchgen.job import InputFile
from batchgen.manifest import media
from batchgen.manifest.loader import load
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.overrides import Overrides

EDIT = "google/nano-banana-2/edit"
HEAD = f"model: {EDIT}\nprompts: [a]\n"


def picture(kind: str = "PNG", colour: str = "orange") -> bytes:
    """Return a small picture."""
    file = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(file, kind)
    return file.getvalue()


def known(content: bytes, media_type: str = "image/png") -> dict[str, object]:
    """Return what stands for a file in a job."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "media_type": media_type}


def loaded(folder: Path, text: str, overrides: Overrides | None = None, name: str = "m.yaml") -> Manifest:
    """Write a manifest and load it."""
    path = folder / name
    path.write_text(text)
    return load(path, overrides or Overrides(), schema.bundled)


def inputs(manifest: Manifest) -> list[object]:
    """Return the pictures of every job."""
    return [job.input["image_urls"] for job in manifest.jobs()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two pictures, and one below it."""
    (tmp_path / "fox.png").write_bytes(picture())
    (tmp_path / "hen.png").write_bytes(picture(colour="red"))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "fox.png").write_bytes(picture(colour="blue"))
    return tmp_path


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_is_known_by_its_content_whatever_its_name(kind: str, tmp_path: Path) -> None:
    content = picture(kind)
    (tmp_path / "picture").write_bytes(content)

    manifest = loaded(tmp_path, HEAD + "settings: {image_urls: [picture]}")

    expected = known(content, f"image/{kind.lower()}")
    assert inputs(manifest) == [[expected]]
    (file,) = manifest.inputs
    assert (file.as_json(), manifest.inputs[file]) == (expected, tmp_path / "picture")


def test_an_address_is_sent_as_it_is_written(tmp_path: Path) -> None:
    address = "HTTPS://Example.com:443/a%20b.png?x=1#y"

    manifest = loaded(tmp_path, HEAD + f"settings: {{image_urls: ['{address}']}}")

    assert inputs(manifest) == [[address]]
    assert manifest.inputs == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("settings: {image_urls: [fox.png]}", ["fox.png"]),
        ("grid: {image_urls: [[fox.png], [hen.png]]}", ["fox.png", "hen.png"]),
        ("zip: {image_urls: [[fox.png], [hen.png]], resolution: [1K, 2K]}", ["fox.png", "hen.png"]),
        ("grid: {image_urls: [[fox.png], [hen.png]]}\nexclude: [{image_urls: [[fox.png]]}]", ["hen.png"]),
        ("settings: {image_urls: [below/fox.png]}", ["below/fox.png"]),
    ],
)
def test_a_manifest_names_files_relative_to_itself(text: str, expected: list[str], folder: Path) -> None:
    assert inputs(loaded(folder, HEAD + text)) == [[known((folder / name).read_bytes())] for name in expected]


def test_a_model_and_a_prompt_may_name_files_of_their_own(folder: Path) -> None:
    model = f"model: [{{id: {EDIT}, settings: {{image_urls: [fox.png]}}}}]\n"
    prompts = "prompts: [a, {text: b, settings: {image_urls: [hen.png]}}]\n"

    assert inputs(loaded(folder, model + prompts)) == [
        [known((folder / name).read_bytes())] for name in ("fox.png", "hen.png")
    ]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("p.csv", ["image_urls,prompt", "fox.png,a", '"[""fox.png"", ""../hen.png""]",b']),
        (
            "p.jsonl",
            ['{"prompt": "a", "image_urls": ["fox.png"]}', '{"prompt": "b", "image_urls": ["fox.png", "../hen.png"]}'],
        ),
    ],
)
def test_a_table_names_files_relative_to_itself(name: str, rows: list[str], folder: Path) -> None:
    """The same path in another folder's table is another file."""
    (folder / "below" / name).write_text("\n".join(rows))
    (folder / name).write_text("\n".join(rows[:-1]))
    blue, red, orange = ((folder / path).read_bytes() for path in ("below/fox.png", "hen.png", "fox.png"))

    manifest = loaded(folder, f"model: {EDIT}\nprompts: [{{file: below/{name}}}, {{file: {name}}}]")

    assert inputs(manifest) == [[known(blue)], [known(blue), known(red)], [known(orange)]]


def test_the_command_line_names_files_relative_to_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "below")
    blue, red = (folder / "below/fox.png").read_bytes(), (folder / "hen.png").read_bytes()

    by_set = loaded(folder, HEAD, Overrides(settings=("image_urls=fox.png",)))
    by_grid = loaded(folder, HEAD, Overrides(grid=("image_urls=fox.png,../hen.png",)))

    assert inputs(by_set) == [[known(blue)]]
    assert inputs(by_grid) == [[known(blue)], [known(red)]]


def test_a_path_changes_no_id(folder: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "fox.png").read_bytes())

    ids = {
        next(loaded(folder, HEAD + f"settings: {{image_urls: [{path}]}}").jobs()).id
        for path in ("fox.png", "copy.png", "./below/../fox.png", folder / "fox.png")
    }

    assert len(ids) == 1


def test_a_file_is_the_one_that_was_loaded_whoever_edits_it(folder: Path) -> None:
    (folder / "p.csv").write_text("image_urls,prompt\nfox.png,a\n")
    manifest = loaded(folder, f"model: {EDIT}\nprompts: [{{file: p.csv}}]")
    before = (folder / "fox.png").read_bytes()
    (folder / "fox.png").write_bytes(picture(colour="green"))

    assert inputs(manifest) == [[known(before)]]


def test_the_digest_is_over_the_files_too(folder: Path) -> None:
    text = HEAD + "settings: {image_urls: [fox.png]}"
    before = loaded(folder, text).digest
    (folder / "fox.png").write_bytes(picture(colour="green"))

    assert loaded(folder, text).digest != before


def test_a_request_holds_only_so_much(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_REQUEST_BYTES", 200)

    with pytest.raises(errors.ManifestError, match="make them smaller or fewer"):
        loaded(folder, HEAD + "settings: {image_urls: [fox.png, hen.png]}")


def test_only_pictures_can_be_local(folder: Path) -> None:
    described: dict[str, schema.Json] = {
        "prompt": {"type": "string"},
        "clip": {"type": "string", "format": "video_uri"},
    }
    spec = schema.build("some/model", {"properties": described})

    def written(clip: str) -> Manifest:
        (folder / "m.yaml").write_text(f"model: some/model\nprompts: [a]\nsettings: {{clip: {clip}}}")
        return load(folder / "m.yaml", Overrides(), {"some/model": spec}.get)

    assert next(written("https://a.b/c.mp4").jobs()).input["clip"] == "https://a.b/c.mp4"
    with pytest.raises(errors.ManifestError, match="only pictures can be local"):
        written("fox.png")


def test_a_file_is_recognised_only_by_all_of_its_fields() -> None:
    file = InputFile("ab", 3, "image/png")

    assert InputFile.of(file.as_json()) == file
    assert file.name == "ab.png"
    assert InputFile.of({**file.as_json(), "more": 1}) is None
    assert InputFile.of({"sha256": "ab"}) is None
    assert InputFile.of("ab") is None
