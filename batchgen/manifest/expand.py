"""A recipe into its stream of Jobs, lazily and in the manifest's order, or into what all of them come to.

A job's id is a hash over joined fragments of its block, the same bytes that `job.job_id` would hash; a test holds the
equality. Memory does not grow with the number of jobs: a block's jobs are distinct, and so are those of two prompts, so
ids are remembered only for prompts whose text comes more than once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from math import prod

from batchgen import job
from batchgen.job import Job, Json
from batchgen.manifest.blocks import SEED, Block, Layouts, Rule, block
from batchgen.manifest.problems import Problems
from batchgen.manifest.recipe import Recipe
from batchgen.manifest.rows import Binder, Row, rows
from batchgen.manifest.seeds import Per


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

    def shares(self, keys: Collection[str]) -> Iterator[tuple[Job, int]]:
        """Yield, instead of the Jobs, one for many: a Job, and how many are like it in model and the inputs `keys`.

        Every Job is counted once, so that a sum over a million of them takes a few steps; `duplicates` counts as it
        does for the Jobs. The Jobs yielded have index 0.
        """
        for blocks, known in self._blocks():
            for one in blocks:
                rules = one.rules(self._recipe.exclude)
                by_seed = SEED in keys or any(rule.seeds is not None for rule in rules)
                if known is not None or (by_seed and one.plan.seeds.size):
                    yield from ((replace(found, index=0), 1) for found in self._block(one, known))
                else:
                    yield from self._shares(one, rules, keys)

    def _shares(self, one: Block, rules: list[Rule], keys: Collection[str]) -> Iterator[tuple[Job, int]]:
        """Take the axes that make no difference at their first value, and count what they would multiply."""
        plan = one.plan
        telling = {*keys, *(key for key, slot in plan.slots.items() if any(slot in rule.slots for rule in rules))}
        axes = [axis if telling & axis[0].values.keys() else axis[:1] for axis in plan.axes]
        each = plan.cells // prod(map(len, axes)) * max(plan.seeds.size, 1) * self._recipe.repeats
        for cell in one.cells(axes):
            if not any(rule.holds(one.parts) for rule in rules):
                job_input, content = next(_seeded(one, cell, ()))
                yield Job(_id(content + _ending(one, 1)), 0, plan.model.id, job_input, 1, one.tags), each

    def _all(self) -> Iterator[Job]:
        for blocks, known in self._blocks():
            for one in blocks:
                yield from self._block(one, known)

    def _blocks(self) -> Iterator[tuple[list[Block], set[str] | None]]:
        """Yield the blocks of each prompt, and the ids that its jobs may share with others, where they may."""
        seen: set[str] = set()
        several = len({model.id for model in self._recipe.models}) < len(self._recipe.models)
        for row, blocks in self._rows():
            # The same model twice can make the same job within one prompt: remember that prompt's ids.
            yield blocks, seen if hash(row.text) in self._repeated else set() if several else None

    def _rows(self) -> Iterator[tuple[Row, list[Block]]]:
        recipe, problems = self._recipe, Problems()
        makers = [(Binder(model.spec, recipe.media, validate=False), Layouts(recipe, model)) for model in recipe.models]
        for source in recipe.sources:
            for row in rows(source, problems):
                seeds = self._seeds(row.text)
                blocks = [block(row, binder, layouts, seeds, problems) for binder, layouts in makers]
                problems.raise_any()
                yield row, blocks
            problems.raise_any()

    def _seeds(self, prompt: str) -> Sequence[int] | None:
        """Return the seeds that all cells of a prompt share, None where each cell derives its own."""
        if self._run_seeds is None and self._per_prompt:
            return self._recipe.seeds_or_default.of(prompt.encode("utf-8"))
        return self._run_seeds

    def _block(self, one: Block, known: set[str] | None) -> Iterator[Job]:
        endings = [(_ending(one, repeat), repeat) for repeat in range(1, self._recipe.repeats + 1)]
        model, tags = one.plan.model.id, one.tags
        for job_input, content in self._inputs(one):
            for ending, repeat in endings:
                job_id = _id(content + ending)
                if known is not None:
                    if job_id in known:
                        self.duplicates += 1
                        continue
                    known.add(job_id)
                self._index += 1
                yield Job(job_id, self._index, model, job_input, repeat, tags)

    def _inputs(self, one: Block) -> Iterator[tuple[dict[str, Json], bytes]]:
        """Yield every input of a block, with its canonical JSON up to the last member."""
        rules = one.rules(self._recipe.exclude)
        for cell in one.cells(one.plan.axes):
            held = [rule for rule in rules if rule.holds(one.parts)] if rules else rules
            if not held:
                yield from _seeded(one, cell, ())
            elif all(rule.seeds is not None for rule in held):
                yield from _seeded(one, cell, {seed for rule in held for seed in rule.seeds or ()})


def _seeded(one: Block, cell: dict[str, Json], left_out: Collection[str]) -> Iterator[tuple[dict[str, Json], bytes]]:
    """Yield the inputs that the seeds make of a cell, except those `left_out`, with their canonical JSON, unclosed."""
    parts = one.parts
    if not one.plan.seeds.size:
        yield cell, f'{{"input":{{{",".join(parts)}'.encode()
        return
    slot = one.plan.slots[SEED]
    before = f'{{"input":{{{",".join(parts[:slot])}'
    after = "".join([f",{part}" for part in parts[slot + 1 :]])
    seeds = one.seeds
    if seeds is None:
        seeds = one.plan.seeds.of(f"{before}{after}{one.ending}}}".encode())
    start, rest = f'{before},"seed":'.encode(), after.encode()
    for seed in seeds:
        if str(seed) not in left_out:
            yield {**cell, SEED: seed}, b"%b%d%b" % (start, seed, rest)


def _ending(one: Block, repeat: int) -> bytes:
    return f'{one.ending},"repeat":{repeat}}}'.encode()


def _id(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[: job.JOB_ID_DIGITS]
