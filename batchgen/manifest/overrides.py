"""The command line's say in a manifest. Its mistakes are Problems too: the option is the file, the line is 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from batchgen.catalog.cells import read_cell
from batchgen.catalog.check import unsendable
from batchgen.catalog.schema import ModelSpec
from batchgen.catalog.words import closest
from batchgen.job import Json
from batchgen.manifest.inputs import Checker, distinct
from batchgen.manifest.problems import Place, Problems
from batchgen.manifest.recipe import Axis
from batchgen.manifest.yamltext import Node, parse, scalar

SET, GRID, SEEDS = Place("--set"), Place("--grid"), Place("--seeds")
_LIMITS = {
    "concurrency": "--concurrency",
    "max_cost_usd": "--max-cost",
    "max_jobs": "--max-jobs",
    "max_time": "--max-time",
}


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says, as typed. `settings` are `key=value`, `grid` are `key=a,b`; None is not said.

    `allow_unknown` lets inputs pass that a model's schema does not name, without `validate` any value passes.
    """

    model: str | None = None
    settings: tuple[str, ...] = ()
    grid: tuple[str, ...] = ()
    seeds: str | None = None
    prompt_column: str | None = None
    concurrency: str | None = None
    max_cost_usd: str | None = None
    max_jobs: str | None = None
    max_time: str | None = None
    allow_unknown: bool = False
    validate: bool = True


def limits(overrides: Overrides, problems: Problems) -> dict[str, Node]:
    """Return the limits the command line gives, by the manifest's names."""
    given = {name: (option, getattr(overrides, name)) for name, option in _LIMITS.items()}
    found = {}
    for name, (option, text) in given.items():
        if text is not None:
            found[name] = Node(_scalar(text, Place(option), problems), option)
    return found


def seeds(text: str, problems: Problems) -> Node | None:
    """Return `--seeds` as the manifest would say it; `7,42` is a list."""
    if _refused(text, SEEDS, problems):
        return None
    is_list = "," in text and not text.lstrip().startswith(("[", "{"))
    return parse((f"[{text}]" if is_list else text).encode("utf-8"), SEEDS.file, problems, placed=False)


def settings(texts: Sequence[str], checker: Checker) -> dict[str, dict[str, Json]]:
    """Return what `--set` forces, by model id."""
    forced: dict[str, dict[str, Json]] = {spec.id: {} for spec in checker.specs}
    for key, text in _pairs(texts, SET, "key=value", checker.problems).items():
        if not checker.key(key, SET):
            continue
        for spec in checker.specs:
            value = _typed(spec, key, text, SET, checker)
            if value is not None:
                forced[spec.id][key] = value
    return forced


def grid(texts: Sequence[str], checker: Checker) -> list[Axis]:
    """Return the axes of `--grid`; values are separated by commas."""
    axes = []
    for key, text in _pairs(texts, GRID, "key=value,value", checker.problems).items():
        if not checker.key(key, GRID) or not checker.specs:
            continue
        spec = next((spec for spec in checker.specs if key in spec.properties), checker.specs[0])
        parts = text.split(",")
        values = [value for part in parts if (value := _typed(spec, key, part, GRID, checker)) is not None]
        kept = distinct((value,) for value in values)
        if len(kept) < len(values):
            checker.problems.warn(GRID, f"{key} has the same value twice", "it is made once")
        if kept:
            axes.append(Axis((key,), kept))
    return axes


def merged(axes: Sequence[Axis], zipped: Sequence[Axis], stronger: Sequence[Axis]) -> tuple[Axis, ...]:
    """Return the manifest's axes with those of `--grid` in place of its own, or after the grid's others."""
    replacing = {axis.keys[0]: axis for axis in stronger}
    own = {axis.keys[0] for axis in axes}
    kept = [replacing.get(axis.keys[0], axis) for axis in axes]
    added = [axis for key, axis in replacing.items() if key not in own]
    cut = [_cut(axis, replacing) for axis in zipped]
    return (*kept, *added, *(axis for axis in cut if axis.keys))


def refuse_both(overrides: Overrides, problems: Problems) -> None:
    """Tell Problems of inputs that `--set` and `--grid` both give."""
    fixed = {text.partition("=")[0] for text in overrides.settings}
    for key in {text.partition("=")[0] for text in overrides.grid} & fixed:
        problems.add(GRID, f"{key} is given by --set too", "keep one of them")


def _cut(axis: Axis, taken: Mapping[str, Axis]) -> Axis:
    kept = [number for number, key in enumerate(axis.keys) if key not in taken]
    rows = distinct(tuple(row[number] for number in kept) for row in axis.rows)
    return replace(axis, keys=tuple(axis.keys[number] for number in kept), rows=rows)


def _pairs(texts: Sequence[str], place: Place, form: str, problems: Problems) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            problems.add(place, f'"{text}" is not {form}', f"write {place.file} {form}")
        elif key in found:
            problems.add(place, f"{key} is given twice", "keep one of them")
        elif not _refused(text, place, problems):
            found[key] = value
    return found


def _refused(text: str, place: Place, problems: Problems) -> bool:
    refusal = unsendable(text)
    if refusal is not None:
        problems.add(place, refusal, "the command line must be UTF-8")
    return refusal is not None


def _typed(spec: ModelSpec, key: str, text: str, place: Place, checker: Checker) -> Json:
    """Return the value a text means for an input, None (and a problem) where it means none."""
    if key not in spec.properties:
        return _scalar(text, place, checker.problems)
    try:
        value = read_cell(spec, key, text)
    except ValueError as error:
        if checker.validate:
            near = closest(text, ("true", "false")) if "true or false" in str(error) else None
            checker.problems.add(place, str(error), f'did you mean "{near}"?' if near else "")
        return None if checker.validate else text
    return checker.value(key, value, place)


def _scalar(text: str, place: Place, problems: Problems) -> str | int | float | bool | None:
    try:
        return scalar(text)
    except ValueError as error:
        problems.add(place, str(error))
        return None
