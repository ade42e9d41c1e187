"""A recipe into its stream of Jobs, lazily and in the manifest's order.

A block is one prompt with one model; its jobs differ only in axes, seed and repeat. Within a block everything that can
be is done once: which axes are left, the sorted order of the canonical JSON, the JSON of each axis value. A job's id is
then a hash over joined fragments, the same bytes that `job.job_id` would hash; a test holds the equality.
Memory does not grow with the number of jobs: a block's jobs are distinct, so ids are remembered only for prompts
whose text comes more than once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod

from batchgen import job
from batchgen.catalog.check import check_complete
from batchgen.catalog.words import value_text
from batchgen.job import Job, Json
from batchgen.manifest.inputs import distinct
from batchgen.manifest.problems import Problems
from batchgen.manifest.recipe import PROMPT, Axis, Exclusion, Model, Recipe
from batchgen.manifest.rows import Binder, Row, rows
from batchgen.manifest.seeds import NONE, Per, Seeds

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

    def holds(self, parts: list[str]) -> bool:
        """Tell whether a cell of the block has one of the texts in every slot."""
        return all(parts[slot] in texts for slot, texts in self.fragments)


def _rules(exclude: Collection[Exclusion], block: _Block) -> list[Rule]:
    """Return the exclusions that can still hold in a block, without the conditions that already do."""
    return [rule for exclusion in exclude if (rule := _rule(exclusion, block)) is not None]


def _rule(exclusion: Exclusion, block: _Block) -> Rule | None:
    plan, tags = block.plan, block.tags
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
        elif block.parts[slot] not in {_fragment(key, value) for value in values}:
            return None
    return Rule(tuple(fragments), seeds)


class Expansion(Iterator[Job]):
    """The Jobs of a manifest, once each, to be iterated once.

    `duplicates` counts, so far, the jobs passed over as identical to an earlier one.
    Raises ManifestError while iterating where a prompt file is no longer as it was when the manifest was loaded.
    """

    def __init__(self, recipe: Recipe, repeated: Collection[int]) -> None:
        self.duplicates = 0
        self._recipe = recipe
        self._repeated = repeated
        seeds = recipe.seeds_or_default
        self._run_seeds = seeds.of(b"") if seeds.values or seeds.per is Per.RUN else None
        self._per_prompt = seeds.per is Per.PROMPT
        self._index = 0
        self._jobs = self._all()

    def __next__(self) -> Job:
        return next(self._jobs)

    def _all(self) -> Iterator[Job]:
        seen: set[str] = set()
        several = len({model.id for model in self._recipe.models}) < len(self._recipe.models)
        for blocks in self._rows():
            # The same model twice can make the same job within one prompt: remember that prompt's ids.
            known = seen if hash(blocks[0].row.text) in self._repeated else set() if several else None
            for block in blocks:
                yield from self._block(block, known)

    def _rows(self) -> Iterator[list[_Block]]:
        recipe, problems = self._recipe, Problems()
        makers = [(Binder(model.spec, recipe.media, validate=False), Layouts(recipe, model)) for model in recipe.models]
        for source in recipe.sources:
            for row in rows(source, problems):
                seeds = self._seeds(row.text)
                blocks = [_block(row, binder, layouts, seeds, problems) for binder, layouts in makers]
                problems.raise_any()
                yield blocks
            problems.raise_any()

    def _seeds(self, prompt: str) -> Sequence[int] | None:
        """Return the seeds that all cells of a prompt share, None where each cell derives its own."""
        if self._run_seeds is None and self._per_prompt:
            return self._recipe.seeds_or_default.of(prompt.encode("utf-8"))
        return self._run_seeds

    def _block(self, block: _Block, known: set[str] | None) -> Iterator[Job]:
        model, tags, repeats = block.plan.model.id, block.tags, range(1, self._recipe.repeats + 1)
        for job_input, text in self._inputs(block):
            for repeat in repeats:
                content = f'{{"input":{{{text}{block.ending},"repeat":{repeat}}}'
                job_id = hashlib.sha256(content.encode("utf-8")).hexdigest()[: job.JOB_ID_DIGITS]
                if known is not None:
                    if job_id in known:
                        self.duplicates += 1
                        continue
                    known.add(job_id)
                self._index += 1
                yield Job(job_id, self._index, model, job_input, repeat, tags)

    def _inputs(self, block: _Block) -> Iterator[tuple[dict[str, Json], str]]:
        """Yield every input of a block, with the canonical text of its members."""
        plan, parts = block.plan, block.parts
        rules = _rules(self._recipe.exclude, block) if self._recipe.exclude else []
        for choices in product(*plan.axes):
            cell = dict(block.base)
            for choice in choices:
                cell.update(choice.values)
                for slot, fragment in choice.fragments:
                    parts[slot] = fragment
            held = [rule for rule in rules if rule.holds(parts)] if rules else rules
            for seed, text in self._seeded(block):
                if held and any(rule.seeds is None or str(seed) in rule.seeds for rule in held):
                    continue
                yield (cell if seed is None else {**cell, SEED: seed}), text

    def _seeded(self, block: _Block) -> Iterator[tuple[int | None, str]]:
        """Yield each seed of a cell with the canonical text of the input's members."""
        parts = block.parts
        if not block.plan.seeds.size:
            yield None, ",".join(parts)
            return
        slot = block.plan.slots[SEED]
        before = ",".join(parts[:slot])
        after = "".join([f",{part}" for part in parts[slot + 1 :]])
        seeds = block.seeds
        if seeds is None:
            scope = f'{{"input":{{{before}{after}{block.ending}}}'
            seeds = block.plan.seeds.of(scope.encode("utf-8"))
        for seed in seeds:
            yield seed, f'{before},"seed":{seed}{after}'


@dataclass(slots=True)
class _Block:
    """One prompt with one model: the layout, its parts with the prompt's own filled in, and the constant input.

    `seeds` are the same for all cells, or None where each cell derives its own; `ending` closes the input's JSON.
    """

    row: Row
    plan: Layout
    parts: list[str]
    base: dict[str, Json]
    tags: dict[str, Json]
    seeds: Sequence[int] | None
    ending: str


def _block(row: Row, binder: Binder, layouts: Layouts, seeds: Sequence[int] | None, problems: Problems) -> _Block:
    forced = layouts.model.forced
    own = {key: value for key, value in binder.settings(row, problems).items() if key not in forced}
    plan = layouts.of(frozenset(own))
    parts = list(plan.parts)
    parts[plan.slots[PROMPT]] = _fragment(PROMPT, row.text)
    for key, value in own.items():
        parts[plan.slots[key]] = _fragment(key, value)
    base = {PROMPT: row.text, **plan.constants, **own}
    return _Block(row, plan, parts, base, binder.tags(row), seeds, f'}},"model":{_json(plan.model.id)}')
