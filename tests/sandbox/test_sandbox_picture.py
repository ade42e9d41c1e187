"""Sizes, formats and motifs of the pictures."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops

from batchgen.sandbox.lettering import OWN, fit, printable
from batchgen.sandbox.look import look_of, pixel_size
from batchgen.sandbox.picture import render

RATIOS = ["21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"]


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        ("1:1", "1K", (1024, 1024)),
        ("auto", "1K", (1024, 1024)),
        ("1:1", "0.5K", (512, 512)),
        ("1:1", "4K", (4096, 4096)),
        ("16:9", "1K", (1360, 768)),
        ("9:16", "2K", (1536, 2720)),
    ],
)
def test_the_size_follows_ratio_and_resolution(ratio: str, resolution: str, size: tuple[int, int]) -> None:
    assert pixel_size(ratio, resolution) == size


@pytest.mark.parametrize("ratio", RATIOS)
def test_every_ratio_keeps_the_area_in_multiples_of_eight(ratio: str) -> None:
    across, down = map(int, ratio.split(":"))
    for resolution, scale in (("0.5K", 0.5), ("1K", 1), ("2K", 2), ("4K", 4)):
        width, height = pixel_size(ratio, resolution)
        assert width % 8 == height % 8 == 0
        assert width * height == pytest.approx((1024 * scale) ** 2, rel=0.03)
        assert width / height == pytest.approx(across / down, rel=0.03)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_picture_has_the_size_and_format_asked_for(form: str) -> None:
    look = look_of({"prompt": "a fox", "seed": 1, "resolution": "0.5K", "aspect_ratio": "3:2"})
    with Image.open(io.BytesIO(render(look, 1, 1, form))) as image:
        image.load()
        assert (image.format, image.size) == (form.upper(), look.size)


def _decoded(number: int = 1, **inputs: object) -> Image.Image:
    look = look_of({"prompt": "a fox", "seed": 1, "resolution": "0.5K"} | inputs)
    return Image.open(io.BytesIO(render(look, number, 2, "png"))).convert("RGB")


def _difference(one: Image.Image, two: Image.Image) -> float:
    histogram = ImageChops.difference(one, two).convert("L").histogram()
    return sum(level * count for level, count in enumerate(histogram)) / (one.width * one.height)


def test_the_same_settings_make_the_same_picture() -> None:
    assert _decoded().tobytes() == _decoded().tobytes()


@pytest.mark.parametrize(
    "other",
    [{"seed": 2}, {"prompt": "a cat"}, {"number": 2}, {"image_urls": ["https://example.com/a.png"]}],
)
def test_another_prompt_seed_image_or_input_looks_different(other: dict[str, object]) -> None:
    assert _difference(_decoded(), _decoded(**other)) > 10  # type: ignore[arg-type]


def test_the_same_prompt_and_seed_look_alike_at_another_resolution() -> None:
    large = _decoded(resolution="1K").resize((512, 512))
    assert _difference(_decoded(), large) < 8


@pytest.mark.parametrize(
    ("text", "shown"), [("plain words", "plain words"), ("two\n lines\t", "two lines"), ("a\x00\u200bb", "ab")]
)
def test_the_words_of_a_prompt_stay_and_controls_go(text: str, shown: str) -> None:
    assert printable(text) == (shown, OWN)


@pytest.mark.parametrize("prompt", ["", "狐狸 лиса ثعلب 🦊", "x" * 500, "word " * 900, "\ud800", "­"])
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert render(look_of({"prompt": prompt, "resolution": "0.5K"}), 1, 1, "png")


@pytest.mark.parametrize("text", ["short", "many words " * 30, "x" * 900, "word " * 900])
def test_text_is_set_within_its_box(text: str) -> None:
    setting = fit(text, OWN, 400, 150, 40, 12)
    assert setting.height <= 150
    assert 12 <= setting.size <= 40
