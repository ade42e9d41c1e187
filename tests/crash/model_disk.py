"""What a power loss may leave: a model of a disk that replays recorded operations and deals out legal trees. Pure.

Bytes are safe once their file was synced after they were written, names once their folder was. Of what is not safe, any
prefix of a file's bytes may be there, followed by NULs up to its length, and any subset of the changes of names: file
systems promise no order between them.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Operation:
    """One call on the disk that succeeded. `path` and `target` are relative to what is modelled."""

    kind: str
    path: str = ""
    target: str = ""
    descriptor: int = -1
    number: int = 0
    data: bytes = b""


@dataclass(slots=True, eq=False)
class Inode:
    """A file, whatever it is called: its safe bytes, and the changes since."""

    safe: bytes = b""
    now: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def change(self, offset: int, data: bytes | None) -> None:
        """Write `data` at an offset, or cut the file there."""
        self.now = _changed(self.now, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        """Make everything safe."""
        self.safe, self.pending = self.now, []

    def torn(self, chance: random.Random) -> bytes:
        """Return bytes that may be left: some changes whole, the next one in part."""
        count = chance.choice([0, len(self.pending), chance.randint(0, len(self.pending))])
        left = self.safe
        for offset, data in self.pending[:count]:
            left = _changed(left, offset, data)
        if count < len(self.pending) and (data := self.pending[count][1]):
            offset = self.pending[count][0]
            cut = chance.choice(_cuts(data, chance))
            zeros = chance.choice([0, 0, len(data) - cut, chance.randint(0, len(data) - cut)])
            left = _changed(left, offset, data[:cut] + b"\0" * zeros)
        return left


@dataclass(frozen=True, slots=True)
class Naming:
    """A change of names that is not safe yet: `before` loses `inode`, `after` gets it; a folder has no inode."""

    before: str
    after: str
    inode: Inode | None


Names = dict[str, Inode | None]


class ModelDisk:
    """The state of a folder after some operations; starts from a tree that is safe."""

    def __init__(self, tree: Mapping[str, bytes | None]) -> None:
        self._safe: Names = {path: None if data is None else Inode(data, data) for path, data in tree.items()}
        self._now: Names = dict(self._safe)
        self._pending: list[Naming] = []
        self._open: dict[int, tuple[Inode, bool]] = {}
        self._offsets: dict[int, int] = {}

    def apply(self, done: Operation) -> None:
        """Take in one operation."""
        match done.kind:
            case "open":
                self._open_file(done)
            case "write":
                self._write(done)
            case "fsync":
                self._open[done.descriptor][0].sync()
            case "truncate":
                self._open[done.descriptor][0].change(done.number, None)
            case "close":
                self._open.pop(done.descriptor, None)
            case "rename":
                self._name(Naming(done.path, done.target, self._now[done.path]))
            case "unlink":
                self._name(Naming(done.path, "", self._now[done.path]))
            case "mkdir":
                self._name(Naming("", done.path, None))
            case "sync_folder":
                self._sync_folder(done.path)
            case _:
                raise ValueError(f"{done.kind}: the model does not know what this does to a disk")

    def tree(self) -> dict[str, bytes | None]:
        """Return the tree that a reader sees now; folders are None."""
        return _reachable(self._now, {path: inode.now for path, inode in self._now.items() if inode})

    def after_power_loss(self, chance: random.Random) -> dict[str, bytes | None]:
        """Return a tree that may be left if the power fails now."""
        left = dict(self._safe)
        for change in _subset(self._pending, chance):
            _rename(left, change)
        contents: dict[Inode, bytes] = {}
        for inode in left.values():
            if inode is not None and inode not in contents:
                contents[inode] = inode.torn(chance)
        return _reachable(left, {path: contents[inode] for path, inode in left.items() if inode})

    def _open_file(self, done: Operation) -> None:
        inode = self._now.get(done.path)
        if inode is None:
            inode = Inode()
            self._name(Naming("", done.path, inode))
        elif done.number & os.O_TRUNC:
            inode.change(0, None)
        self._open[done.descriptor] = (inode, bool(done.number & os.O_APPEND))
        self._offsets[done.descriptor] = 0

    def _write(self, done: Operation) -> None:
        inode, appends = self._open[done.descriptor]
        offset = len(inode.now) if appends else self._offsets[done.descriptor]
        inode.change(offset, done.data)
        self._offsets[done.descriptor] = offset + len(done.data)

    def _name(self, change: Naming) -> None:
        _rename(self._now, change)
        self._pending.append(change)

    def _sync_folder(self, folder: str) -> None:
        kept: list[Naming] = []
        for change in self._pending:
            if _folder(change.after or change.before) == folder:
                _rename(self._safe, change)
                # A name that moved on before it was ever safe cannot come back.
                kept = [one for one in kept if not (change.inode and one.after == change.before)]
            else:
                kept.append(change)
        self._pending = kept


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _changed(content: bytes, offset: int, data: bytes | None) -> bytes:
    if data is None:
        return content[:offset].ljust(offset, b"\0")
    return content[:offset].ljust(offset, b"\0") + data + content[offset + len(data) :]


def _cuts(data: bytes, chance: random.Random) -> list[int]:
    """Return lengths at which a prefix is interesting: at and around the ends of lines, and anywhere."""
    line = data.find(b"\n", chance.randrange(len(data))) % len(data)
    return [0, 1, len(data) - 1, chance.randint(0, len(data)), line, min(len(data), line + 1)]


def _rename(names: Names, change: Naming) -> None:
    if change.before and names.get(change.before) is change.inode:
        names.pop(change.before, None)
    if change.after:
        names[change.after] = change.inode


def _subset(changes: list[Naming], chance: random.Random) -> Iterable[Naming]:
    match chance.randrange(5):
        case 0:
            return changes
        case 1:
            return ()
        case 2 if changes:
            one = chance.choice(changes)
            return [change for change in changes if change is not one]
        case 3 if changes:
            return [chance.choice(changes)]
        case _:
            return [change for change in changes if chance.random() < 0.5]


def _reachable(names: Names, contents: Mapping[str, bytes]) -> dict[str, bytes | None]:
    """Return what stands in folders that are there."""
    folders = {path for path, inode in names.items() if inode is None} | {"."}
    kept = (path for path in names if all(str(above) in folders for above in PurePosixPath(path).parents))
    return {path: contents.get(path) for path in sorted(kept)}


def replayed(tree: Mapping[str, bytes | None], operations: Iterable[Operation]) -> Iterator[tuple[int, ModelDisk]]:
    """Yield the disk before each operation, with its number, and after the last."""
    disk = ModelDisk(tree)
    number = 0
    for number, done in enumerate(operations):
        yield number, disk
        disk.apply(done)
    yield number + 1, disk
