"""What a picture must show: the settings of a request that decide its size, format and motif. Pure."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

SCALES = {"0.5K": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0}
FORMATS = ("png", "jpeg", "webp")
_AREA = 1024 * 1024
_STEP = 16  # so that half of a side is still a multiple of 8


@dataclass(frozen=True, slots=True)
class Look:
    """The settings that a picture depends on; `inputs` counts the input images and `inputs_key` tells them apart."""

    prompt: str
    seed: int | None
    aspect_ratio: str
    resolution: str
    output_format: str
    inputs: int
    inputs_key: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return pixel_size(self.aspect_ratio, self.resolution)

    @property
    def scale(self) -> float:
        """How many times the side of the same picture at 1K."""
        return SCALES[self.resolution]


def look_of(inputs: Mapping[str, object]) -> Look:
    """The look of a validated input object, with the service's documented defaults for what is not given."""
    seed, urls = inputs.get("seed"), inputs.get("image_urls")
    listed = urls if isinstance(urls, list) else []
    wanted = str(inputs.get("output_format", "png"))
    resolution = str(inputs.get("resolution", "1K"))
    return Look(
        prompt=str(inputs.get("prompt", "")),
        seed=int(seed) if isinstance(seed, int | float) else None,
        aspect_ratio=str(inputs.get("aspect_ratio", "auto")),
        resolution=resolution if resolution in SCALES else "1K",
        output_format=wanted if wanted in FORMATS else "png",
        inputs=len(listed),
        inputs_key=hashlib.sha256(json.dumps(listed).encode()).hexdigest() if listed else "",
    )


def pixel_size(aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """Width and height: at 1K the area of 1024 x 1024 in sides of 16 pixels, other tiers scaled from that exactly."""
    across, _, down = aspect_ratio.partition(":")
    ratio = int(across) / int(down) if across.isdecimal() and down.isdecimal() else 1.0
    width, height = math.sqrt(_AREA * ratio), math.sqrt(_AREA / ratio)
    scale = SCALES[resolution]
    return int(_to_step(width) * scale), int(_to_step(height) * scale)


def _to_step(side: float) -> int:
    return max(1, round(side / _STEP)) * _STEP
