"""The outputs of one request between their arrival and their names: checked, written, synced, renamed.

Everything here blocks and runs on the store's threads, in the order that `group.Work` gives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import File
from batchgen.store import formats, pictures
from batchgen.store.disk import Disk, disk_error
from batchgen.store.folders import Folders
from batchgen.store.formats import Format, Medium
from batchgen.store.parts import IMAGES, Part

MAX_IMAGE_BYTES = 128 * 1024**2
MAX_BYTES = 2 * 1024**3
"""The largest video or sound."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an output may be: bytes of a picture, bytes of anything else, pixels of a picture."""

    image_bytes: int = MAX_IMAGE_BYTES
    bytes: int = MAX_BYTES
    pixels: int = pictures.MAX_PIXELS


@dataclass(slots=True)
class Arrival:
    """One output: its part, and the bytes that have come and are not written yet, `gathered` of them."""

    part: Part
    gathered: int = 0
    _pieces: list[bytes] = field(default_factory=list)

    def take(self, piece: bytes) -> None:
        """Take in what has come."""
        self._pieces.append(piece)
        self.gathered += len(piece)

    def give(self) -> bytes:
        """Return what has been taken in, and keep none of it. `gathered` is left to who counts memory."""
        whole = b"".join(self._pieces)
        self._pieces.clear()
        return whole


@dataclass(frozen=True, slots=True)
class Place:
    """Where outputs go: the disk, the run directory's folders, what is allowed."""

    disk: Disk
    folders: Folders
    images: Path
    limits: Limits


class Saving:
    """All outputs of one request. `names` are the folders and the stem; `sidecar`, where given, goes beside them."""

    def __init__(
        self, place: Place, arrivals: Sequence[Arrival], names: Sequence[str], beside: Part, sidecar: bytes | None
    ) -> None:
        self._place = place
        self._arrivals = arrivals
        *self._folders, self._stem = names
        self._beside = beside
        self._sidecar = sidecar
        self._named: dict[str, Part] = {}
        self._files: tuple[File, ...] = ()

    def prepare(self) -> None:
        """Write what has come, and see that each output is whole. Raises FileError or DiskError."""
        checked = [self._check_in(one) for one in self._arrivals]
        kinds = [kind for kind, _ in checked]
        names = file_names(self._stem, kinds)
        parts = [one.part for one in self._arrivals]
        self._named = dict(zip(names, parts, strict=True))
        self._files = tuple(
            File("/".join((IMAGES, *self._folders, name)), part.size, part.sha256, kind.name, *(size or ()))
            for part, name, (kind, size) in zip(parts, names, checked, strict=True)
        )
        if self._sidecar is not None:
            with disk_trouble(self._beside.path):
                self._beside.write(self._sidecar)
            self._named[f"{self._stem}.json"] = self._beside

    def sync(self) -> None:
        """Make the bytes durable. Raises DiskError."""
        for part in self._named.values():
            with disk_trouble(part.path):
                self._place.disk.fsync(part.fileno())
                part.close()

    def place(self) -> Collection[Path]:
        """Give every part its name. Raises DiskError."""
        folder = self._place.folders.ensure(IMAGES, *self._folders)
        for name, part in self._named.items():
            self._rename(part.path, folder / name)
        return folder, self._place.images

    def result(self) -> tuple[File, ...]:
        """Return the outputs as the ledger names them."""
        return self._files

    def _check_in(self, one: Arrival) -> tuple[Format, tuple[int, int] | None]:
        """Write the rest of an output, and return what it is and how large a picture."""
        part, rest = one.part, one.give()
        kind = allowed(part, rest, self._place.limits)
        whole = rest if not part.size else None
        with disk_trouble(part.path):
            part.write(rest)
            if kind.medium is not Medium.IMAGE:
                return kind, None
            with part.reader() if whole is None else BytesIO(whole) as file:
                return kind, pictures.size_of(file, kind, self._place.limits.pixels)

    def _rename(self, source: Path, target: Path) -> None:
        with disk_trouble(target):
            if target.is_symlink():
                raise errors.DiskError(errors.printable(f"{target} is a symbolic link; move it away"))
            self._place.disk.rename(source, target)


def allowed(part: Part, piece: bytes, limits: Limits) -> Format:
    """Return what an output is whose next piece has come. Raises FileError where it is nothing of ours, or too big.

    Judged before it is written: an error page is not worth a file, nor the rest of it worth a download.
    """
    kind = _kind_of(part.head or piece)
    most = limits.image_bytes if kind.medium is Medium.IMAGE else limits.bytes
    if part.size + len(piece) > most:
        words = f"the output is a {kind.name} of more than {most:,} bytes"
        raise errors.FileError(ErrorInfo("too_big", Stage.FILE, words))
    return kind


def discard(parts: Sequence[Part], disk: Disk) -> None:
    """Remove what has no name yet."""
    for part in parts:
        # The error that led here matters more; what cannot be removed now is swept up at the next start.
        with suppress(OSError):
            part.close()
            if part.exists:
                disk.unlink(part.path)


@contextmanager
def disk_trouble(path: Path) -> Iterator[None]:
    """Turn the system's errors into DiskErrors that name the path and the fix."""
    try:
        yield
    except OSError as problem:
        raise disk_error(path, problem) from None


def _kind_of(head: bytes) -> Format:
    kind = formats.sniff(head)
    if kind is None:
        words = f"the output is {formats.describe(head)} and no picture, video or sound"
        raise errors.FileError(ErrorInfo("bad_file", Stage.FILE, words), again=not head)
    return kind


def file_names(stem: str, kinds: Sequence[Format]) -> list[str]:
    """Return the files' names: one output is named by the stem alone, several are numbered from 1."""
    if len(kinds) == 1:
        return [f"{stem}.{kinds[0].extension}"]
    return [f"{stem}_{number}.{kind.extension}" for number, kind in enumerate(kinds, 1)]
