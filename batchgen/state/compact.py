"""Tables that take tens of bytes an entry, where dicts and sets of text take hundreds.

A run over 1,000,000 jobs must remember all of them, and looks at hardly any of them again.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import TypeVar

_KEY = 16
"""Bytes of an id."""

_FIELD, _COLUMN = "\x1f", "\x1e"
Value = TypeVar("Value")

_OPENED = 4
"""How many segments are kept unpacked: those asked for together mostly came together."""


class Shelf:
    """Rows of texts by id (32 lower-case hex digits): cheap to put away and to ask for ids, dearer to read.

    Rows come in segments: their texts column by column in one piece, so that what is alike lies side by side, and a
    text that all of them have is kept once. A segment is kept as it is, or deflated to a quarter of that. Ids stand in
    one table with open addressing.
    """

    def __init__(self) -> None:
        self._segments: list[bytes | str] = []
        self._starts = array("Q")
        self._ids = bytearray()
        self._slots = array("I", bytes(4 * 64))
        self._indexed = 0
        self._gone: set[int] = set()
        self._opened: dict[int, list[list[str]]] = {}

    def __len__(self) -> int:
        return len(self._ids) // _KEY - len(self._gone)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._place(key) is not None

    def __iter__(self) -> Iterator[str]:
        """Yield the ids in the order they came."""
        ids = self._ids
        for place in range(len(ids) // _KEY):
            if place not in self._gone:
                yield ids[place * _KEY : (place + 1) * _KEY].hex()

    def put(self, keys: Sequence[str], columns: Sequence[Sequence[str]], *, deflate: bool = False) -> bool:
        """Take in a row for each id, none of which is here: a text of every column.

        Returns False, and takes nothing, where an id is not one or a text cannot be kept.
        """
        kept = [column[:1] if _is_one(column) else column for column in columns]
        text, joined = _COLUMN.join(map(_FIELD.join, kept)), "".join(keys)
        if text.count(_FIELD) != sum(map(len, kept)) - len(kept) or text.count(_COLUMN) != len(columns) - 1:
            return False
        try:
            segment, ids = zlib.compress(text.encode(), 1) if deflate else text, bytes.fromhex(joined)
        except ValueError:
            return False
        if ids.hex() != joined or set(map(len, keys)) != {2 * _KEY}:
            return False
        self._starts.append(len(self._ids) // _KEY)
        self._segments.append(segment)
        self._ids += ids
        return True

    def get(self, key: str) -> tuple[str, ...] | None:
        """Return the row of an id, None where it is not here."""
        place = self._place(key)
        if place is None:
            return None
        segment = bisect_right(self._starts, place) - 1
        row = place - self._starts[segment]
        return tuple(column[row] for column in self._columns(segment))

    def take(self, key: str) -> None:
        """Take the row of an id away, if it is here."""
        if (place := self._place(key)) is not None:
            self._gone.add(place)

    def columns(self, *numbers: int) -> Iterator[tuple[list[str], ...]]:
        """Yield these columns of all rows, a segment at a time: the cheapest way to see all."""
        place = 0
        for segment in range(len(self._segments)):
            columns = self._text(segment).split(_COLUMN)
            end = self._end(segment)
            chosen = [_column(columns[number], end - place) for number in numbers]
            kept = [row for row in range(end - place) if row + place not in self._gone] if self._gone else None
            place = end
            yield tuple(chosen if kept is None else [[column[row] for row in kept] for column in chosen])

    def rows(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield ids with their rows in the order they came."""
        place = 0
        for segment in range(len(self._segments)):
            for row in zip(*self._columns(segment), strict=True):
                if place not in self._gone:
                    yield self._ids[place * _KEY : (place + 1) * _KEY].hex(), row
                place += 1

    def dump(self) -> Iterator[bytes]:
        """Yield everything in pieces that `load` takes; all rows are deflated from then on.

        Raises ValueError for text that has no UTF-8.
        """
        self._index()
        packed = [zlib.compress(one.encode(), 1) if isinstance(one, str) else one for one in self._segments]
        self._segments[:] = packed
        yield bytes(self._ids)
        yield self._slots.tobytes()
        yield self._starts.tobytes()
        yield array("Q", sorted(self._gone)).tobytes()
        yield array("Q", map(len, packed)).tobytes()
        yield b"".join(packed)

    @classmethod
    def load(cls, pieces: Sequence[memoryview]) -> Shelf:
        """Return the shelf whose pieces these are, on a machine with the same order of bytes. Raises ValueError."""
        ids, slots, starts, gone, lengths, texts = pieces
        shelf = cls()
        shelf._ids = bytearray(ids)
        shelf._slots, shelf._starts = _array("I", slots), _array("Q", starts)
        shelf._gone = set(_array("Q", gone))
        begin = 0
        for length in _array("Q", lengths):
            shelf._segments.append(bytes(texts[begin : begin + length]))
            begin += length
        shelf._indexed = len(ids) // _KEY
        return shelf

    def _columns(self, segment: int) -> list[list[str]]:
        if (found := self._opened.get(segment)) is None:
            count = self._end(segment) - self._starts[segment]
            found = [_column(text, count) for text in self._text(segment).split(_COLUMN)]
            if len(self._opened) >= _OPENED:
                del self._opened[next(iter(self._opened))]
            self._opened[segment] = found
        return found

    def _end(self, segment: int) -> int:
        return self._starts[segment + 1] if segment + 1 < len(self._starts) else len(self._ids) // _KEY

    def _text(self, segment: int) -> str:
        kept = self._segments[segment]
        return kept if isinstance(kept, str) else zlib.decompress(kept).decode()

    def _place(self, key: str) -> int | None:
        try:
            wanted = bytes.fromhex(key)
        except ValueError:
            return None
        if self._indexed < len(self._ids) // _KEY:
            self._index()
        ids, slots = self._ids, self._slots
        mask = len(slots) - 1
        slot = int.from_bytes(wanted[:4], sys.byteorder) & mask
        while entry := slots[slot]:
            start = (entry - 1) * _KEY
            if ids[start : start + _KEY] == wanted and entry - 1 not in self._gone:
                return entry - 1 if wanted.hex() == key else None
            slot = (slot + 1) & mask
        return None

    def _index(self) -> None:
        """Bring the table up to what came since the last question, and keep a third of it empty."""
        ids, count = self._ids, len(self._ids) // _KEY
        if 3 * count > 2 * len(self._slots):
            size = len(self._slots)
            while 3 * count > 2 * size:
                size *= 2
            self._slots, self._indexed = array("I", bytes(4 * size)), 0
        slots, mask = self._slots, len(self._slots) - 1
        with memoryview(ids) as view, view.cast("I") as words, words[4 * self._indexed :: 4] as homes:
            for entry, home in enumerate(homes, self._indexed + 1):
                slot = home & mask
                while slots[slot]:
                    slot = (slot + 1) & mask
                slots[slot] = entry
        self._indexed = count


def _is_one(column: Sequence[str]) -> bool:
    return bool(column) and column[0] == column[-1] and column.count(column[0]) == len(column)


def _column(text: str, count: int) -> list[str]:
    """Return the texts of a column; one that all rows have in common is kept once."""
    texts = text.split(_FIELD)
    return texts if len(texts) == count else texts * count


def _array(kind: str, content: memoryview) -> array[int]:
    """Return numbers from their bytes. Raises ValueError."""
    numbers = array(kind)
    numbers.frombytes(content)
    return numbers


class Packed(MutableMapping[str, Value]):
    """A dict by id whose values can be put away as rows: the `loose` ones first, in order, then the `packed` ones.

    `row_of` makes a value a row, None where it has to stay as it is; `value_of` makes a fresh value of a row. To change
    a packed value, `loosen` it.
    """

    def __init__(
        self, row_of: Callable[[Value], tuple[str, ...] | None], value_of: Callable[[Sequence[str]], Value]
    ) -> None:
        self.loose: dict[str, Value] = {}
        self.packed = Shelf()
        self._row_of = row_of
        self._value_of = value_of

    def __getitem__(self, key: str) -> Value:
        if (found := self.loose.get(key)) is not None:
            return found
        if (row := self.packed.get(key)) is not None:
            return self._value_of(row)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key in self.loose or key in self.packed

    def __setitem__(self, key: str, value: Value) -> None:
        if key not in self.loose:
            self.loosen(key)
        self.loose[key] = value

    def __delitem__(self, key: str) -> None:
        if self.loosen(key) is None:
            raise KeyError(key)
        del self.loose[key]

    def __iter__(self) -> Iterator[str]:
        yield from self.loose
        yield from self.packed

    def __len__(self) -> int:
        return len(self.loose) + len(self.packed)

    def loosen(self, key: str) -> Value | None:
        """Return the value that stands here for good, to be changed in place; None where there is none."""
        if (found := self.loose.get(key)) is None and (row := self.packed.get(key)) is not None:
            self.packed.take(key)
            self._count([[text] for text in row], -1)
            found = self.loose[key] = self._value_of(row)
        return found

    def pack(self, keys: Iterable[str]) -> list[Value]:
        """Pack those of the loose values that can be, and return them."""
        ripe = {key: value for key in keys if (value := self.loose.get(key)) is not None}
        rows = {key: row for key, value in ripe.items() if (row := self._row_of(value)) is not None}
        if not rows or not self.put(list(rows), list(zip(*rows.values(), strict=True)), deflate=True):
            return []
        return [self.loose.pop(key) for key in rows]

    def put(self, keys: Sequence[str], columns: Sequence[Sequence[str]], *, deflate: bool = False) -> bool:
        """Take in rows of ids that are not here, as the shelf does; False where they cannot be kept."""
        taken = self.packed.put(keys, columns, deflate=deflate)
        if taken:
            self._count(columns, 1)
        return taken

    def _count(self, columns: Sequence[Sequence[str]], times: int) -> None:
        """Keep the sums over packed rows: `times` is 1 where they come, -1 where they go."""
