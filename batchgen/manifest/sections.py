"""The other sections of a manifest: model, seeds, limits, output, pricing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

from batchgen.catalog import schema
from batchgen.catalog.check import SEED_MAX, enum_of, types_of
from batchgen.catalog.price import Pricing
from batchgen.catalog.schema import ModelSpec
from batchgen.catalog.words import closest, did_you_mean, listed, shown, value_text
from batchgen.manifest import durations, fields, keys, placeholders
from batchgen.manifest.inputs import Checker
from batchgen.manifest.problems import UNREAD, Place, Problems
from batchgen.manifest.seeds import NONE, Per, Seeds
from batchgen.manifest.yamltext import Node

SpecOf = Callable[[str], ModelSpec | None]

_TEXT, _WHOLE = ("string",), ("integer",)
NAME_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"index": _WHOLE, "slug": _TEXT, "job": _TEXT, "seed": _WHOLE, "model": _TEXT, "date": _TEXT}
)
"""What an output name's template knows besides settings and tags, with the JSON types."""

_SAMPLES: Mapping[str, object] = MappingProxyType({"integer": 2**40, "number": 1.5})

_NEAR = 0.8
_MAX_SEEDS = 1_000_000
_MAX_WIDTH = 200
_NO_RANDOM = f"random seeds could not be logged or made again; write a count, or numbers from 0 to {SEED_MAX}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast, how long and how much. Times are seconds; None is no limit, and for `concurrency` one to be learned."""

    concurrency: int | None
    downloads: int
    submits_per_second: float
    wait: float
    max_cost_usd: Decimal | None = None
    max_jobs: int | None = None
    max_time: float | None = None


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """Where pictures go. `dir` is the run directory if the manifest names one; `name` is the template of file names."""

    dir: Path | None
    name: str
    sidecar: bool


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model the manifest names: its spec, and its own settings, not yet read."""

    spec: ModelSpec
    settings: Node | None = None


def models(node: Node | None, override: str | None, spec_of: SpecOf, problems: Problems) -> list[ModelChoice]:
    """Return the models in order. `override` is the command line's model; settings of the same id are kept."""
    named = _named_models(node, problems) if node is not None else []
    if override is not None:
        kept = [pair for pair in named if pair[0].value == override]
        named = kept or [(Node(override, "--model"), None)]
    found = []
    for id_node, settings in named:
        model_id = fields.text(id_node, "a model's id", problems)
        spec = spec_of(model_id) if model_id is not None else None
        if spec is not None:
            found.append(ModelChoice(spec, settings))
        elif model_id is not None:
            others = [known for known in schema.bundled_ids() if known != model_id]
            hint = did_you_mean(model_id, others) or f"such as {listed(others)}; batchgen models lists them all"
            problems.add(id_node.place, f'unknown model "{model_id}"', hint)
    return found


def _named_models(node: Node, problems: Problems) -> list[tuple[Node, Node | None]]:
    if not isinstance(node.value, list):
        return [(node, None)]
    named: list[tuple[Node, Node | None]] = []
    for item in fields.items(node, "model", problems):
        if not isinstance(item.value, dict):
            named.append((item, None))
            continue
        found = fields.known(item, "model[]", problems)
        if "id" in found:
            named.append((found["id"], found.get("settings")))
        else:
            problems.add(item.place, "a model without id", "write id: and the model's id")
    return named


def seeds(node: Node, problems: Problems) -> Seeds:
    """Return what `seeds` says, in any of its forms."""
    match node.value:
        case "none":
            return NONE
        case bool() | str() | None | float():
            problems.add(node.place, f"seeds cannot be {shown(node.value)}", _NO_RANDOM)
        case int(count):
            return Seeds(count if _sound_count(count, node, problems) else 1)
        case list(items):
            return _listed_seeds(node, items, problems)
        case dict():
            return _described_seeds(node, problems)
    return Seeds()


def _sound_count(count: int, node: Node, problems: Problems) -> bool:
    if 1 <= count <= _MAX_SEEDS:
        return True
    hint = "write none to send no seed" if count == 0 else _NO_RANDOM
    problems.add(node.place, f"seeds cannot be {shown(count)}", hint if count <= 0 else f"at most {_MAX_SEEDS}")
    return False


def _listed_seeds(node: Node, items: list[Node], problems: Problems) -> Seeds:
    fields.items(node, "seeds", problems)
    values: dict[int, None] = {}
    for item in items:
        value = item.value
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            text = "a list or mapping" if isinstance(value, list | dict) else shown(value)
            problems.add(item.place, f"a seed cannot be {text}", _NO_RANDOM)
        elif value in values:
            problems.warn(item.place, f"seed {value} stands here twice", "it is made once")
        else:
            values[value] = None
            _warn_wide(value, item.place, problems)
    return Seeds(values=tuple(values))


def _described_seeds(node: Node, problems: Problems) -> Seeds:
    said = fields.values(node, "seeds", problems)
    written = node.value if isinstance(node.value, dict) else {}
    count, start = fields.integer(said, "count") or 1, fields.integer(said, "start")
    if "start" in written and "per" in written:
        problems.add(written["per"].key_place, "per is for derived seeds", "remove it, or remove start")
    if start is None:
        return Seeds(count, Per(str(said["per"])))
    _warn_wide(start + count - 1, written.get("start", node).place, problems)
    return Seeds(values=range(start, start + count))


def _warn_wide(value: int, place: Place, problems: Problems) -> None:
    if value > SEED_MAX:
        hint = f"models may cut it; 0 to {SEED_MAX} is safe"
        problems.warn(place, f"seed {value} is wider than 31 bits", hint)


def limits(node: Node | None, stronger: Mapping[str, Node], problems: Problems) -> Limits:
    """Return the limits; `stronger` holds the command line's, by the manifest's names."""
    said = dict(fields.values(node, "limits", problems))
    for name, given in stronger.items():
        value = fields.value(given, keys.BY_PATH[f"limits.{name}"], problems)
        if value is not None:
            said[name] = value
    return Limits(
        concurrency=None if said.get("concurrency") == keys.AUTO else fields.integer(said, "concurrency") or 1,
        downloads=fields.integer(said, "downloads") or 1,
        submits_per_second=fields.number(said, "submits_per_second") or 1.0,
        wait=fields.number(said, "wait") or durations.LONGEST,
        max_cost_usd=fields.usd(said, "max_cost_usd"),
        max_jobs=fields.integer(said, "max_jobs"),
        max_time=fields.number(said, "max_time"),
    )


def output(node: Node | None, folder: Path, problems: Problems) -> OutputSpec:
    """Return the output section; its name's template is checked by `check_name` once all tags are known."""
    said = fields.values(node, "output", problems)
    named = said.get("dir")
    place = node.value.get("dir", node).place if node and isinstance(node.value, dict) else Place("")
    if isinstance(named, str) and re.search(r"\{[^{}]*\}", named):
        hint = "one manifest has one ledger; {date} may stand in output.name"
        problems.add(place, f"output.dir must be one fixed folder, not {shown(named)}", hint)
    directory = folder / named if isinstance(named, str) else None
    return OutputSpec(directory, str(said["name"]), bool(said["sidecar"]))


def check_name(
    template: str, place: Place, kinds: Mapping[str, Collection[str]] | None, problems: Problems, *, whole: bool
) -> None:
    """Tell Problems what is wrong with an output name's template.

    `kinds` are the settings and tags it may use with their JSON types, None where no model is known; not `whole` are
    they where a prompt file could not be read.
    """
    try:
        used = placeholders.fields(template)
    except ValueError as error:
        problems.add(place, f"output.name: the braces do not match: {error}", "write {{ and }} for braces as such")
        return
    allowed = {**(kinds or {}), **NAME_FIELDS}
    for name, spec, conversion in used:
        if name not in allowed:
            if kinds is not None or closest(name, allowed, _NEAR):
                hint = did_you_mean(name, allowed) or f"it knows {listed(allowed)}"
                problems.add(place, f"output.name: unknown field {{{name}}}", hint if whole else f"{hint}, {UNREAD}")
        elif conversion or not all(_formats(_SAMPLES.get(kind, "x"), spec) for kind in allowed.get(name, ())):
            hint = "write a format that Python knows, such as {index:05} or {job:.6}"
            written = f"{name}!{conversion}" if conversion else f"{name}:{spec}"
            problems.add(place, f"output.name: the format of {{{written}}} does not fit", hint)


def _formats(sample: object, spec: str) -> bool:
    # A character by its number is nobody's name for a file, and beyond Unicode's last one it is an error.
    if (
        "{" in spec
        or spec.endswith("c")
        or any(len(run) > 9 or int(run) > _MAX_WIDTH for run in re.findall(r"\d+", spec))
    ):
        return False
    try:
        format(sample, spec)
    except (ValueError, OverflowError):
        return False
    return True


def pricing(node: Node | None, checker: Checker) -> Pricing:
    """Return the price rule; inputs and values it names must exist."""
    problems = checker.problems
    said = fields.values(node, "pricing", problems)
    section = node.value if node and isinstance(node.value, dict) else {}
    times, plus = {}, {}
    for key, child in _priced(section.get("times"), "pricing.times", checker).items():
        factors = fields.mapping(child, f"pricing.times.{key}", problems)
        for value, factor in factors.items():
            _check_priced_value(key, value, factor.key_place, checker)
        times[key] = {value: _amount(factor, "a factor", problems) for value, factor in factors.items()}
    for key, child in _priced(section.get("plus"), "pricing.plus", checker).items():
        plus[key] = _amount(child, f"pricing.plus.{key}", problems)
    return Pricing(fields.usd(said, "base_usd"), str(said["per"]), times, plus)


def _priced(node: Node | None, what: str, checker: Checker) -> dict[str, Node]:
    found = fields.mapping(node, what, checker.problems) if node is not None else {}
    names = {name for spec in checker.specs for name in spec.properties}
    for key, child in found.items():
        if checker.specs and key not in names and not checker.allow_unknown:
            hint = did_you_mean(key, names) or f"its inputs are {listed(sorted(names))}"
            checker.problems.add(child.key_place, f'{what}: no model here has an input "{key}"', hint)
    return found


def _check_priced_value(key: str, value: str, place: Place, checker: Checker) -> None:
    allowed: dict[str, None] = {}
    for spec in checker.specs:
        described = spec.properties.get(key, {})
        options = enum_of(described) or ([True, False] if types_of(described) == ("boolean",) else [])
        if key in spec.properties and not options:
            return
        allowed.update(dict.fromkeys(map(value_text, options)))
    if allowed and value not in allowed and checker.validate:
        hint = f"one of {listed(allowed)}; {did_you_mean(value, allowed)}".removesuffix("; ")
        checker.problems.add(place, f'pricing.times.{key}: "{value}" is no value of it', hint)


def _amount(node: Node, what: str, problems: Problems) -> Decimal:
    value = node.value
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return Decimal(str(value))
    problems.add(node.place, f"{what} must be a number, 0 or more", "write a number such as 1.5")
    return Decimal(1)
