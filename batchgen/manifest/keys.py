"""The one table of every manifest key: its type, its default and its meaning.

Validation takes names, ranges and defaults from here, and so does the table in the README.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from batchgen.job import Json


class Kind(StrEnum):
    """The types of values, in words for the README."""

    TEXT = "text"
    INTEGER = "whole number"
    PLACES = "whole number or `auto`"
    NUMBER = "number"
    USD = "USD"
    DURATION = "duration"
    FLAG = "true or false"
    LIST = "list"
    MAPPING = "mapping"
    MODELS = "text or list"
    SEEDS = "number, list, mapping or `none`"


@dataclass(frozen=True, slots=True)
class Key:
    """One manifest key. `path` is dotted, `[]` stands for the items of a list; `above` is an exclusive lower bound."""

    path: str
    kind: Kind
    meaning: str
    default: Json = None
    minimum: int | None = None
    maximum: int | None = None
    above: int | None = None
    choices: tuple[str, ...] = ()
    required: bool = False

    @property
    def parent(self) -> str:
        """The path of the mapping the key stands in; empty at the top."""
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        """The key as written."""
        return self.path.rpartition(".")[2].removesuffix("[]")


TABLE = (
    Key("name", Kind.TEXT, "The run's name, and of its folder under `runs/`; without it, the manifest's file name."),
    Key("model", Kind.MODELS, "The model's id, or a list of models to run everything with.", required=True),
    Key("model[].id", Kind.TEXT, "A model's id.", required=True),
    Key("model[].settings", Kind.MAPPING, "Inputs for this model alone; stronger than `settings`, weaker than `grid`."),
    Key("prompts", Kind.LIST, "What to make: texts, objects with `text`, and prompt files.", required=True),
    Key("prompts[].text", Kind.TEXT, "A prompt. Without `vars` it is sent exactly as it is."),
    Key("prompts[].vars", Kind.MAPPING, "Values for the `{names}` in this text; every combination is a prompt."),
    Key("prompts[].file", Kind.TEXT, "A .txt, .csv, .tsv or .jsonl file of prompts, relative to the manifest."),
    Key("prompts[].column", Kind.TEXT, "The file's column that holds the prompt.", default="prompt"),
    Key("prompts[].where", Kind.MAPPING, "Only the file's rows with these values in these columns."),
    Key("prompts[].limit", Kind.INTEGER, "Only this many of the file's rows, from the first on.", minimum=1),
    Key("prompts[].settings", Kind.MAPPING, "Inputs for these prompts alone; stronger than everything but `--set`."),
    Key("prompts[].tags", Kind.MAPPING, "Not sent; logged, and usable in names, filters and the gallery."),
    Key("settings", Kind.MAPPING, "Inputs sent with every job."),
    Key("grid", Kind.MAPPING, "Lists of values by input; every combination is made."),
    Key("zip", Kind.MAPPING, "Lists of values by input, all of one length, that advance together."),
    Key("exclude", Kind.LIST, "Combinations not to make: mappings of inputs or tags to values."),
    Key("seeds", Kind.SEEDS, "How many seeds to derive for each prompt, or which seeds to send.", default=1),
    Key("seeds.count", Kind.INTEGER, "How many seeds.", default=1, minimum=1, maximum=1_000_000),
    Key("seeds.start", Kind.INTEGER, "The first of `count` seeds that follow each other.", minimum=0),
    Key("seeds.per", Kind.TEXT, "What shares derived seeds.", default="prompt", choices=("prompt", "job", "run")),
    Key("repeats", Kind.INTEGER, "How often to make each job, seed and all.", default=1, minimum=1, maximum=100_000),
    Key("limits", Kind.MAPPING, "How fast, how long and how much."),
    Key(
        "limits.concurrency",
        Kind.PLACES,
        "Requests at the server at once, at most: fewer where it refuses more. `auto`: as many as it takes, up to 64.",
        default=8,
        minimum=1,
        maximum=1000,
    ),
    Key("limits.downloads", Kind.INTEGER, "Downloads at once.", default=8, minimum=1, maximum=1000),
    Key("limits.submits_per_second", Kind.NUMBER, "New requests a second.", default=4, above=0, maximum=1000),
    Key("limits.max_cost_usd", Kind.USD, "Budget of the run directory's whole ledger.", above=0),
    Key("limits.max_jobs", Kind.INTEGER, "Requests to submit in one start.", minimum=1),
    Key("limits.max_time", Kind.DURATION, "How long one start may last before it stops as if interrupted."),
    Key("limits.wait", Kind.DURATION, "How long to wait for one request before leaving it to the next start.", "30m"),
    Key("output", Kind.MAPPING, "Where the pictures go, and how they are called."),
    Key("output.dir", Kind.TEXT, "The run directory, relative to the manifest; without it, `runs/<name>` beside it."),
    Key("output.name", Kind.TEXT, "The template of file names.", default="{index:05}_{slug}_{job:.6}"),
    Key("output.sidecar", Kind.FLAG, "Whether a JSON file beside each picture says how it was made.", default=False),
    Key("pricing", Kind.MAPPING, "What a job costs, for estimates and budgets."),
    Key("pricing.base_usd", Kind.USD, "Price of one output; without it, the catalog's live price.", above=0),
    Key("pricing.per", Kind.TEXT, "What the base price is for.", default="output", choices=("output",)),
    Key("pricing.times", Kind.MAPPING, "Factors of the base price, by input and value."),
    Key("pricing.plus", Kind.MAPPING, "USD added when an input is on, by input."),
)

AUTO = "auto"
"""Stands for a number that is learned."""

BY_PATH: Mapping[str, Key] = MappingProxyType({key.path: key for key in TABLE})


def children(parent: str) -> Mapping[str, Key]:
    """Return the keys that may stand in a mapping, by name; the parent of the top ones is empty."""
    return {key.name: key for key in TABLE if key.parent == parent}


def markdown_table() -> str:
    """Return the table for the README."""
    rows = [f"| `{key.path}` | {key.kind} | {_default(key)} | {key.meaning} |" for key in TABLE]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _default(key: Key) -> str:
    if key.required:
        return "required"
    if key.default is None:
        return ""
    return f"`{str(key.default).lower() if isinstance(key.default, bool) else key.default}`"
