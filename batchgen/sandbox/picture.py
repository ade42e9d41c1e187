"""A sandbox picture as a file: the motif, a card with the prompt and the settings in words, and the sandbox mark.

Drawn in palette indexes throughout: flat and cheap to pack. Smooth lettering needs a flat ground of known colour, which
is why words stand on a card and on a badge.
"""

from __future__ import annotations

import hashlib
import io
import math

from PIL import Image, ImageDraw

from batchgen.sandbox import motif
from batchgen.sandbox.lettering import OWN, Setting, fit, font, printable
from batchgen.sandbox.look import Look

_CARD: motif.RGB = (250, 248, 243)
_INK: motif.RGB = (28, 30, 38)
_SMALL_INK: motif.RGB = (104, 106, 116)
_BADGE: motif.RGB = (28, 30, 38)
_WHITE: motif.RGB = (255, 255, 255)
_INKS = 8  # tones of smooth lettering
_PROMPT_AT, _SMALL_AT, _BADGE_AT = motif.TONES, motif.TONES + _INKS, motif.TONES + 2 * _INKS
_SAVE: dict[str, dict[str, int]] = {
    "png": {"compress_level": 1},
    "jpeg": {"quality": 85},
    "webp": {"quality": 75, "method": 0},
}


def render(look: Look, number: int, total: int, form: str) -> bytes:
    """The bytes of image `number` of `total` in a format (png, jpeg or webp), the same for the same arguments."""
    identity = (look.prompt, look.seed, look.inputs_key)
    image = motif.field(motif.dice_of("motif", number, *identity), look.size, look.scale)
    colours = motif.palette(motif.dice_of("palette", number, *identity))
    for start, end in ((_CARD, _INK), (_CARD, _SMALL_INK), (_BADGE, _WHITE)):
        colours += motif.ramp(start, end, _INKS)
    # Between the shorter side and the mean one: words must fit a tall picture and be legible in a wide one.
    unit = (min(look.size) + math.sqrt(look.size[0] * look.size[1])) / 200
    _draw_card(image, unit, look.prompt, _small_print(look, number, total))
    _draw_badge(image, unit)
    image.putpalette([channel for colour in colours for channel in colour])
    packed = io.BytesIO()
    (image if form == "png" else image.convert("RGB")).save(packed, form, **_SAVE[form])
    return packed.getvalue()


def _small_print(look: Look, number: int, total: int) -> str:
    width, height = look.size
    shape = "" if look.aspect_ratio == "auto" else f"{look.aspect_ratio}  "
    key = hashlib.sha256(look.prompt.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    parts = [
        "no seed" if look.seed is None else f"seed {look.seed}",
        f"{shape}{look.resolution}  {width} x {height}",
        look.output_format,
        f"image {number} of {total}",
        f"prompt {key}",
    ]
    if look.inputs:
        parts.insert(1, f"{look.inputs} input image{'s' if look.inputs > 1 else ''}")
    return "   |   ".join(parts)


def _draw_card(image: Image.Image, unit: float, prompt: str, small_print: str) -> None:
    """The card along the lower edge, as high as its words need and at most half of the picture."""
    width, height = image.size
    margin, padding = round(4 * unit), round(3.2 * unit)
    inner = width - 2 * (margin + padding)
    shown, face = printable(prompt)
    words = fit(shown, face, inner, round(height * 0.36), round(6.4 * unit), round(2.2 * unit))
    notes = fit(small_print, OWN, inner, round(height * 0.12), round(2.4 * unit), round(1.8 * unit))
    gap = round(1.6 * unit) if words.lines else 0
    top = height - margin - 2 * padding - words.height - gap - notes.height
    box = (margin, top, width - margin, height - margin)
    ImageDraw.Draw(image).rounded_rectangle(box, radius=round(2.2 * unit), fill=_PROMPT_AT)
    _write(image, words, (margin + padding, top + padding), inner, _PROMPT_AT)
    _write(image, notes, (margin + padding, top + padding + words.height + gap), inner, _SMALL_AT)


def _draw_badge(image: Image.Image, unit: float) -> None:
    """The mark that nobody can take for a product of the real API."""
    size, margin = max(8, round(3.4 * unit)), round(4 * unit)
    word = Setting(("sandbox",), size)
    reach = round(font(OWN, size).getlength("sandbox"))
    high, wide = round(size * 1.9), reach + 2 * size
    left = image.width - margin - wide
    box = (left, margin, left + wide, margin + high)
    ImageDraw.Draw(image).rounded_rectangle(box, radius=high // 2, fill=_BADGE_AT)
    _write(image, word, (left + size, margin + (high - word.height) // 2), reach + 1, _BADGE_AT)


def _write(image: Image.Image, setting: Setting, corner: tuple[int, int], width: int, inks: int) -> None:
    """Set lines on the flat ground of colour `inks`, smooth in its _INKS tones."""
    if not setting.lines:
        return
    mask = Image.new("L", (width, setting.height))
    pen, face = ImageDraw.Draw(mask), font(setting.face, setting.size)
    for place, line in enumerate(setting.lines):
        pen.text((0, place * setting.step), line, fill=255, font=face)
    image.paste(mask.point([inks + level * _INKS // 256 for level in range(256)]), corner)
