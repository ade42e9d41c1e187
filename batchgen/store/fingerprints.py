"""A set of texts in tens of bytes each: a run over 1,000,000 jobs must remember every name it gave."""

from __future__ import annotations

from array import array


class Fingerprints:
    """A set of texts by 64 bits of each: it may, about never, take a text for one that it holds, never the reverse."""

    def __init__(self) -> None:
        self._slots = array("q", bytes(8 * 64))
        self._count = 0

    def __contains__(self, text: str) -> bool:
        return self._slots[self._slot(hash(text) or 1)] != 0

    def add(self, text: str) -> None:
        """Take a text in."""
        mark = hash(text) or 1
        slot = self._slot(mark)
        if not self._slots[slot]:
            self._slots[slot] = mark
            self._count += 1
            if 3 * self._count > 2 * len(self._slots):
                self._grow()

    def _slot(self, mark: int) -> int:
        """Return where a mark stands, or would."""
        slots, mask = self._slots, len(self._slots) - 1
        slot = mark & mask
        while slots[slot] and slots[slot] != mark:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        before = self._slots
        self._slots = array("q", bytes(16 * len(before)))
        for mark in before:
            if mark:
                self._slots[self._slot(mark)] = mark
