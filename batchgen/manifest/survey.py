"""One pass over every row of a sound-looking manifest before anything is sent: what is wrong, and how much there is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from batchgen.catalog.check import kind_of
from batchgen.catalog.words import closest
from batchgen.manifest.blocks import Layouts
from batchgen.manifest.problems import Place, Problems
from batchgen.manifest.recipe import PROMPT, PromptFile, Recipe, Source
from batchgen.manifest.rows import Binder, Row, rows

_NEAR = 0.8
_MAX_NAMES = 10_000


@dataclass(slots=True)
class Survey:
    """What the pass found.

    `count` is the number of jobs before exclusions and duplicates; `repeated` holds the hashes of prompts whose text
    comes more than once; `tags` maps the names of all tags to the JSON types of their values; `whole` tells whether
    every source could be read.
    """

    count: int = 0
    repeated: set[int] = field(default_factory=set)
    tags: dict[str, set[str]] = field(default_factory=dict)
    whole: bool = True


def survey(recipe: Recipe, problems: Problems, seeds_place: Place | None, *, validate: bool = True) -> Survey:
    """Check every row for every model, and count. `seeds_place` is where `seeds` is said, if it is."""
    pass_ = _Pass(recipe, problems, seeds_place, validate)
    for source in recipe.sources:
        pass_.source(source)
    return pass_.found


class _Pass:
    """The state of one pass."""

    def __init__(self, recipe: Recipe, problems: Problems, seeds_place: Place | None, validate: bool) -> None:
        self.found = Survey()
        self._recipe = recipe
        self._problems = problems
        self._seeds_place = seeds_place
        self._makers = [(Binder(model.spec, recipe.media, validate), Layouts(recipe, model)) for model in recipe.models]
        self._texts: set[int] = set()
        self._told: set[tuple[str, str, str]] = set()
        self._validate = validate

    def source(self, source: Source) -> None:
        """Check one source."""
        before = len(self._problems.errors)
        columns: set[str] = set()
        empty = True
        for row in rows(source, self._problems):
            empty = False
            self._row(row)
            if row.record is not None and len(columns) < _MAX_NAMES and not columns.issuperset(row.cells):
                self._columns(row, [name for name in row.cells if name not in columns])
                columns.update(row.cells)
        if isinstance(source, PromptFile) and empty:
            self.found.whole = False
            if len(self._problems.errors) == before:
                what = "no row of it matches where" if source.where else "it holds no prompts"
                self._problems.add(source.place, f"{source.label}: {what}", "an empty list makes no jobs")

    def _row(self, row: Row) -> None:
        found, text = self.found, hash(row.text)
        if text in self._texts:
            found.repeated.add(text)
        self._texts.add(text)
        self._tags(row)
        for binder, layouts in self._makers:
            own = binder.settings(row, self._problems)
            if self._seeds_place is not None and "seed" in own and "seed" in row.cells:
                self._problems.add(
                    row.cell_place("seed"),
                    f"a seed is given here, and seeds at {self._seeds_place}",
                    "keep one of them",
                )
            plan = layouts.of(frozenset(own.keys() - layouts.model.forced.keys()))
            found.count += plan.cells * max(plan.seeds.size, 1) * self._recipe.repeats
            for name in plan.missing if self._validate else ():
                self._missing(row, layouts.model.id, name)

    def _tags(self, row: Row) -> None:
        tags = self.found.tags
        for binder, _ in self._makers:
            for name, value in binder.tags(row).items():
                if name in tags or len(tags) < _MAX_NAMES:
                    tags.setdefault(name, set()).add(kind_of(value))

    def _missing(self, row: Row, model: str, name: str) -> None:
        """Tell of a required input that is not given: at each empty cell, else once."""
        told = (row.place.file, model, name)
        if name in row.cells or told not in self._told:
            self._told.add(told)
            hint = f"give it under settings, or as a column called {name}"
            self._problems.add(row.cell_place(name), f"{model} needs {name}", hint)

    def _columns(self, row: Row, names: Collection[str]) -> None:
        """Warn of a file's columns that look like inputs but are none, or not for every model."""
        assert row.record is not None
        inputs = {name for binder, _ in self._makers for name in binder.spec.properties}
        for name in names:
            lacking = [binder.spec.id for binder, _ in self._makers if name not in binder.spec.properties]
            place = (row.record.header or row.record).place(name)
            near = closest(name, inputs - {PROMPT}, _NEAR) if name not in inputs else None
            if near is not None:
                hint = f'rename it if you mean the input "{near}"; else it is a tag'
                self._problems.warn(place, f'the column "{name}" is nearly an input', hint)
            elif name in inputs and lacking and name != PROMPT:
                hint = "for that model it is only a tag"
                self._problems.warn(place, f'the column "{name}" is no input of {lacking[0]}', hint)
