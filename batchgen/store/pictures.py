"""Checking that a picture is whole: decoding it to the last pixel, within a bound of pixels.

A header alone proves nothing: a download cut short has a perfect one.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import BinaryIO

from PIL import Image

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.store.formats import Format

MAX_PIXELS = 256_000_000
"""The largest picture that is decoded; 4K is 16 million."""

LARGE_PIXELS = 32_000_000
"""Larger pictures are decoded one at a time: at the bound each takes a gigabyte, and a few kilobytes ask for it."""

_large = threading.Lock()

# Pillow warns on standard error above this and refuses twice as much, also inside a file's later frames.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def size_of(file: BinaryIO, kind: Format, max_pixels: int = MAX_PIXELS) -> tuple[int, int] | None:
    """Decode a picture and return its width and height; None where Pillow was built without this format.

    Raises FileError where it is not whole (`again` is set), or has more pixels than allowed.
    """
    name = kind.name.upper()
    Image.preinit()
    if name not in Image.OPEN:
        Image.init()
    if name not in Image.OPEN:
        return None
    try:
        return _decode(file, name, max_pixels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bad(f"a {kind.name} with far too many pixels; at most {max_pixels:,} are decoded") from None
    except Exception as problem:
        # Hostile bytes make Pillow's plugins raise nearly anything; an errno means the disk, not the picture.
        if isinstance(problem, OSError) and problem.errno is not None:
            raise
        raise _bad(f"a damaged or cut {kind.name} ({problem})", again=True) from None


def _decode(file: BinaryIO, name: str, max_pixels: int) -> tuple[int, int]:
    with Image.open(file, formats=[name]) as opened:
        width, height = opened.size
        if width * height > max_pixels:
            raise Image.DecompressionBombError
        with _large if width * height > LARGE_PIXELS else nullcontext():
            # A PNG's checksums, and what follows its last pixel, are read here alone; the object is spent then.
            opened.verify()
            file.seek(0)
            with Image.open(file, formats=[name]) as picture:
                picture.load()
    return width, height


def _bad(what: str, *, again: bool = False) -> errors.FileError:
    return errors.FileError(ErrorInfo("bad_file", Stage.FILE, errors.printable(f"the output is {what}")), again=again)
