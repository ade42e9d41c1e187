"""One prompt with one model, as canonical JSON in pieces: what its jobs share is made once, not once a job.

Within a block everything that can be is done once: which axes are left, the sorted order of the canonical JSON, the
JSON of each axis value. The jobs of a block differ only in axes, seed and repeat, and no two of them are the same: an
axis has distinct rows, and no key is in two axes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod

from batchgen import job
from batchgen.catalog.check import check_complete
from batchgen.catalog.words import value_text
from batchgen.job import Json
from batchgen.manifest.inputs import distinct
from batchgen.manifest.problems import Problems
from batchgen.manifest.recipe import PROMPT, Axis, Exclusion, Model, Recipe
from batchgen.manifest.rows import Binder, Row
from batchgen.manifest.seeds import NONE, Seeds

SEED = "seed"
_CACHED_LAYOUTS = 1000


@dataclass(frozen=True, slots=True)
class Choice:
    """One row of an axis: its values, and their JSON by slot of the layout."""

    values: Mapping[str, Json]
    fragments: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How the input of one model looks for prompts that set the same keys.

    `slots` maps every key sent to its place in the sorted order; `parts` holds the `"key":value` text of the constant
    ones; `seeds` are those the seeds stage adds, none where another place gives the seed.
    """

    model: Model
    slots: Mapping[str, int]
    parts: tuple[str, ...]
    constants: Mapping[str, Json]
    axes: tuple[tuple[Choice, ...], ...]
    seeds: Seeds
    missing: tuple[str, ...]

    @property
    def cells(self) -> int:
        """How many combinations the axes have."""
        return prod(map(len, self.axes))


def layout(recipe: Recipe, model: Model, own: Collection[str]) -> Layout:
    """Return the layout for prompts of a model that set the keys `own` themselves."""
    axes = [left for axis in recipe.axes if (left := _without(axis, {*own, *model.forced})) is not None]
    varying = {key for axis in axes for key in axis.keys}
    constants = {key: value for key, value in model.settings.items() if key not in varying and key not in own}
    constants.update(model.forced)
    keys = {PROMPT, *constants, *own, *varying}
    seeds = NONE if SEED in keys or not model.spec.has_seed else recipe.seeds_or_default
    slots = {key: slot for slot, key in enumerate(sorted({*keys, SEED} if seeds.size else keys))}
    parts = tuple(_fragment(key, constants[key]) if key in constants else "" for key in slots)
    choices = tuple(tuple(_choice(axis.keys, values, slots) for values in axis.rows) for axis in axes)
    return Layout(model, slots, parts, constants, choices, seeds, tuple(check_complete(model.spec, keys)))


def _without(axis: Axis, taken: Collection[str]) -> Axis | None:
    """Return the axis without the keys that a stronger place sets, and without the doubles that leaves."""
    kept = [number for number, key in enumerate(axis.keys) if key not in taken]
    if len(kept) == len(axis.keys):
        return axis
    if not kept:
        return None
    cut = [tuple(values[number] for number in kept) for values in axis.rows]
    return Axis(tuple(axis.keys[number] for number in kept), distinct(cut))


def _choice(keys: tuple[str, ...], values: tuple[Json, ...], slots: Mapping[str, int]) -> Choice:
    chosen = dict(zip(keys, values, strict=True))
    return Choice(chosen, tuple((slots[key], _fragment(key, value)) for key, value in chosen.items()))


def _fragment(key: str, value: Json) -> str:
    return f"{_json(key)}:{_json(value)}"


def _json(value: Json) -> str:
    return job.canonical(value).decode("utf-8")


@dataclass(slots=True)
class Layouts:
    """The layouts of one model, made once for each set of keys that prompts set themselves."""

    recipe: Recipe
    model: Model
    made: dict[frozenset[str], Layout] = field(default_factory=dict)

    def of(self, own: frozenset[str]) -> Layout:
        """Return the layout for prompts that set the keys `own`."""
        found = self.made.get(own)
        if found is None:
            if len(self.made) >= _CACHED_LAYOUTS:
                self.made.clear()
            found = self.made[own] = layout(self.recipe, self.model, own)
        return found


@dataclass(frozen=True, slots=True)
class Rule:
    """What is left of an exclusion within a block: JSON texts by slot, and seeds (None where any will do)."""

    fragments: tuple[tuple[int, frozenset[str]], ...]
    seeds: frozenset[str] | None

    @property
    def slots(self) -> frozenset[int]:
        """The slots it asks for."""
        return frozenset(slot for slot, _ in self.fragments)

    def holds(self, parts: list[str]) -> bool:
        """Tell whether a cell of the block has one of the texts in every slot."""
        return all(parts[slot] in texts for slot, texts in self.fragments)


@dataclass(slots=True)
class Block:
    """One prompt with one model: the layout, its parts with the prompt's own filled in, and the constant input.

    `parts` are those of the cell that `cells` has come to. `seeds` are the same for all cells, or None where each cell
    derives its own; `ending` closes the input's JSON.
    """

    plan: Layout
    parts: list[str]
    base: dict[str, Json]
    tags: dict[str, Json]
    seeds: Sequence[int] | None
    ending: str

    def cells(self, axes: Iterable[tuple[Choice, ...]]) -> Iterator[dict[str, Json]]:
        """Yield the input of every combination of `axes` of the layout, without its seed."""
        parts, base = self.parts, self.base
        for choices in product(*axes):
            cell = dict(base)
            for choice in choices:
                cell.update(choice.values)
                for slot, fragment in choice.fragments:
                    parts[slot] = fragment
            yield cell

    def rules(self, exclude: Collection[Exclusion]) -> list[Rule]:
        """Return the exclusions that can still hold in this block, without the conditions that already do."""
        return [rule for exclusion in exclude if (rule := self._rule(exclusion)) is not None]

    def _rule(self, exclusion: Exclusion) -> Rule | None:
        plan, tags = self.plan, self.tags
        fragments: list[tuple[int, frozenset[str]]] = []
        seeds: frozenset[str] | None = None
        varying = {slot for axis in plan.axes for slot, _ in axis[0].fragments}
        for key, values in exclusion.items():
            slot = plan.slots.get(key)
            if slot is None:
                actual = plan.model.id if key == "model" else tags.get(key)
                if (key != "model" and key not in tags) or value_text(actual) not in map(value_text, values):
                    return None
            elif key == SEED and plan.seeds.size:
                seeds = frozenset(map(_json, values))
            elif slot in varying:
                fragments.append((slot, frozenset(_fragment(key, value) for value in values)))
            elif self.parts[slot] not in {_fragment(key, value) for value in values}:
                return None
        return Rule(tuple(fragments), seeds)


def block(row: Row, binder: Binder, layouts: Layouts, seeds: Sequence[int] | None, problems: Problems) -> Block:
    """Return the block of a row's prompt; what is wrong with its cells goes to `problems`."""
    forced = layouts.model.forced
    own = {key: value for key, value in binder.settings(row, problems).items() if key not in forced}
    plan = layouts.of(frozenset(own))
    parts = list(plan.parts)
    parts[plan.slots[PROMPT]] = _fragment(PROMPT, row.text)
    for key, value in own.items():
        parts[plan.slots[key]] = _fragment(key, value)
    base = {PROMPT: row.text, **plan.constants, **own}
    return Block(plan, parts, base, binder.tags(row), seeds, f'}},"model":{_json(plan.model.id)}')
