"""The motif behind a picture: one field of tones from hills, suns, rings and beams, and a palette. All from a hash.

The field is drawn small in relative coordinates and scaled up, so the same prompt and seed make the same motif at every
resolution and a kindred one in every shape; smooth scaling also softens the edges. Tones index a palette, which keeps
drawing, scaling and packing a single byte a pixel.
"""

from __future__ import annotations

import colorsys
import hashlib
import math
import random
from collections.abc import Sequence

from PIL import Image, ImageDraw

TONES = 64
RGB = tuple[int, int, int]
Box = tuple[float, float, float, float]
_REDUCTION = 2  # how many times smaller the field is drawn than the picture at 1K


def dice_of(*parts: object) -> random.Random:
    """A generator that depends on the parts alone, in every process and version."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return random.Random(hashlib.sha256(text).digest())  # noqa: S311  # it draws pictures


def palette(dice: random.Random) -> list[RGB]:
    """TONES colours from deep to light whose hue drifts; neighbours differ little, so edges look smooth."""
    hue, drift = dice.random(), dice.choice((-1, 1)) * dice.uniform(0.1, 0.3)
    rich, deep, light = dice.uniform(0.45, 0.7), dice.uniform(0.16, 0.26), dice.uniform(0.82, 0.9)
    return [_colour(hue + drift * t, deep + (light - deep) * t, rich) for t in _steps(TONES)]


def ramp(start: RGB, end: RGB, count: int) -> list[RGB]:
    """`count` colours from one to another: the inks of smooth lettering on a flat ground."""
    return [
        (
            round(start[0] + (end[0] - start[0]) * t),
            round(start[1] + (end[1] - start[1]) * t),
            round(start[2] + (end[2] - start[2]) * t),
        )
        for t in _steps(count)
    ]


def field(dice: random.Random, size: tuple[int, int], scale: float) -> Image.Image:
    """An "L" image of tones 0 to TONES - 1; `scale` is the picture's side against the same picture at 1K."""
    width, height = (max(1, round(side / scale / _REDUCTION)) for side in size)
    canvas = _gradient(dice, width, height)
    dice.choice((_hills, _orbits, _beams, _suns))(dice, canvas)
    # Halved first, which turns stairs into soft edges; thinned to TONES last, as flat bands pack far better.
    big = canvas.reduce(2).resize(size, Image.Resampling.BILINEAR)
    return big.point([tone * TONES // 256 for tone in range(256)])


def _steps(count: int) -> list[float]:
    return [step / (count - 1) for step in range(count)]


def _colour(hue: float, lightness: float, saturation: float) -> RGB:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _gradient(dice: random.Random, width: int, height: int) -> Image.Image:
    """A ramp across the canvas at an angle, never flat and never touching the ends of the tones."""
    angle = dice.uniform(0, math.tau)
    across, down = math.cos(angle) * 90 / width, math.sin(angle) * 90 / height
    middle = dice.uniform(95, 160) - (across * width + down * height) / 2
    return Image.linear_gradient("L").transform(
        (width, height), Image.Transform.AFFINE, (0, 0, 128, across, down, middle)
    )


def _disc(canvas: Image.Image, tone: float, strength: float, box: Box) -> None:
    """Lay a flat tone over the canvas, more or less translucent; the same of the shapes below."""
    mask = Image.new("L", canvas.size)
    ImageDraw.Draw(mask).ellipse(box, fill=round(strength * 255))
    canvas.paste(round(tone), mask=mask)


def _ring(canvas: Image.Image, tone: float, strength: float, box: Box, thick: int) -> None:
    mask = Image.new("L", canvas.size)
    ImageDraw.Draw(mask).ellipse(box, outline=round(strength * 255), width=thick)
    canvas.paste(round(tone), mask=mask)


def _polygon(canvas: Image.Image, tone: float, strength: float, outline: Sequence[tuple[float, float]]) -> None:
    mask = Image.new("L", canvas.size)
    ImageDraw.Draw(mask).polygon(outline, fill=round(strength * 255))
    canvas.paste(round(tone), mask=mask)


def _circle(canvas: Image.Image, x: float, y: float, radius: float) -> Box:
    """The box of a circle at relative x and y; the radius is a share of the shorter side."""
    width, height = canvas.size
    reach = radius * min(width, height)
    return x * width - reach, y * height - reach, x * width + reach, y * height + reach


def _hills(dice: random.Random, canvas: Image.Image) -> None:
    """A sun above ridges that darken towards the front."""
    width, height = canvas.size
    x, y = dice.uniform(0.2, 0.8), dice.uniform(0.18, 0.4)
    for size, strength in ((0.3, 0.3), (0.22, 0.5), (0.14, 1.0)):
        _disc(canvas, 240, strength, _circle(canvas, x, y, size))
    ridges = dice.randint(3, 5)
    for ridge in range(ridges):
        near = ridge / ridges
        level, swing = 0.42 + 0.4 * near, dice.uniform(0.03, 0.1)
        waves, phase = dice.uniform(0.6, 2.2), dice.uniform(0, math.tau)
        crest = [
            (step / 48 * width, height * (level + swing * math.sin(math.tau * waves * step / 48 + phase)))
            for step in range(49)
        ]
        outline = [(0.0, float(height)), *crest, (float(width), float(height))]
        _polygon(canvas, 120 - 110 * near, 0.8, outline)


def _orbits(dice: random.Random, canvas: Image.Image) -> None:
    """Rings around one centre, each with a body on it."""
    x, y = dice.uniform(0.3, 0.7), dice.uniform(0.3, 0.55)
    _disc(canvas, dice.choice((10, 245)), 1.0, _circle(canvas, x, y, dice.uniform(0.07, 0.13)))
    width, height = canvas.size
    for ring in range(dice.randint(3, 6)):
        radius = 0.2 + ring * dice.uniform(0.1, 0.13)
        box, tone = _circle(canvas, x, y, radius), dice.choice((20, 60, 200, 240))
        _ring(canvas, tone, 0.75, box, dice.randint(3, 10))
        angle, reach = dice.uniform(0, math.tau), radius * min(width, height)
        where = x + math.cos(angle) * reach / width, y + math.sin(angle) * reach / height
        _disc(canvas, dice.choice((15, 235)), 1.0, _circle(canvas, *where, dice.uniform(0.02, 0.06)))


def _beams(dice: random.Random, canvas: Image.Image) -> None:
    """Rays from one point near an edge, and a disc where they start."""
    width, height = canvas.size
    x, y = dice.uniform(0.1, 0.9), dice.uniform(0.05, 0.35)
    count, turn = dice.randint(7, 13), dice.uniform(0, math.tau)
    for ray in range(count):
        middle = turn + math.tau * ray / count
        half = math.tau / count * dice.uniform(0.15, 0.32)
        ends = [
            (x * width + math.cos(a) * 2 * (width + height), y * height + math.sin(a) * 2 * (width + height))
            for a in (middle - half, middle + half)
        ]
        outline = [(x * width, y * height), *ends]
        _polygon(canvas, dice.choice((25, 70, 190, 235)), 0.5, outline)
    _disc(canvas, dice.choice((20, 245)), 1.0, _circle(canvas, x, y, dice.uniform(0.12, 0.2)))


def _suns(dice: random.Random, canvas: Image.Image) -> None:
    """Large translucent discs that overlap."""
    for _ in range(dice.randint(5, 8)):
        box = _circle(canvas, dice.random(), dice.uniform(0, 0.8), dice.uniform(0.12, 0.42))
        _disc(canvas, dice.choice((5, 40, 90, 180, 220, 250)), dice.uniform(0.45, 0.8), box)
