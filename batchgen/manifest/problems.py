"""Collecting every mistake with its place, so that none hides another and one bad file cannot flood the screen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from batchgen.catalog.check import Finding
from batchgen.errors import ManifestError, Problem

UNREAD = "unless what could not be read has it"
"""What is said of a name that nothing here has, while a model or a prompt file could not be read."""

PER_FILE = 200
"""How many problems of one file are told; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file the user wrote, line and column from 1; line 0 is the whole file or a command-line option."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(slots=True)
class Problems:
    """The problems and warnings found so far."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _closed: set[Place] = field(default_factory=set)
    _told: Counter[tuple[bool, str]] = field(default_factory=Counter)

    def add(self, place: Place, message: str, hint: str = "") -> None:
        """Keep a mistake that must be put right."""
        self._keep(self.errors, place, message, hint)

    def refuse(self, place: Place, message: str, hint: str = "") -> None:
        """Keep a mistake that leaves no value at its place, so that whatever else is said of it would mislead."""
        self.add(place, message, hint)
        if place.line:
            self._closed.add(place)

    def warn(self, place: Place, message: str, hint: str = "") -> None:
        """Keep something that may be a mistake."""
        self._keep(self.warnings, place, message, hint)

    def found(self, place: Place, finding: Finding | None) -> None:
        """Keep what the catalog found about a key or a value, if anything."""
        if finding is not None:
            keep = self.add if finding.fatal else self.warn
            keep(place, finding.message, finding.hint)

    def raise_any(self) -> None:
        """Raise ManifestError with everything found, if there are mistakes."""
        if self.errors:
            raise ManifestError([*self.errors, *self._untold(fatal=True)])

    def notes(self) -> tuple[Problem, ...]:
        """Return the warnings, each once, in the order of their places."""
        return tuple(sorted({*self.warnings, *self._untold(fatal=False)}))

    def _keep(self, into: list[Problem], place: Place, message: str, hint: str) -> None:
        if place in self._closed:
            return
        told = (into is self.errors, place.file)
        self._told[told] += 1
        if self._told[told] <= PER_FILE:
            into.append(Problem(place.file, place.line, place.column, message, hint))

    def _untold(self, *, fatal: bool) -> list[Problem]:
        kind = "problems" if fatal else "warnings"
        return [
            Problem(file, 0, 0, f"{count - PER_FILE} more {kind} in this file are not shown")
            for (is_error, file), count in self._told.items()
            if is_error is fatal and count > PER_FILE
        ]
