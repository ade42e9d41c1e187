"""Settings, grid, zip and exclude: values for the models' inputs, checked against every model that would get them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from batchgen import job
from batchgen.catalog.check import check_key, check_sendable, check_value
from batchgen.catalog.schema import ModelSpec
from batchgen.catalog.words import did_you_mean, listed, shown
from batchgen.job import Json
from batchgen.manifest import fields
from batchgen.manifest.media import Media
from batchgen.manifest.problems import UNREAD, Place, Problems
from batchgen.manifest.recipe import PROMPT, Axis, Exclusion
from batchgen.manifest.yamltext import Node, plain


@dataclass(frozen=True, slots=True)
class Checker:
    """What may be sent: the schemas of all models, unless unknown inputs or any value are allowed.

    Local files are read by `media`, relative to `folder`. `seeds_given` collects where a seed is given as an input.
    """

    specs: tuple[ModelSpec, ...]
    problems: Problems
    media: Media
    folder: Path
    allow_unknown: bool = False
    validate: bool = True
    seeds_given: list[Place] = field(default_factory=list)

    def key(self, key: str, place: Place) -> bool:
        """Tell whether an input's name may be used; a problem where not."""
        if key == PROMPT:
            self.problems.add(place, "a prompt cannot be given here", "prompts go under prompts")
            return False
        if key == "seed":
            self.seeds_given.append(place)
        if self.allow_unknown:
            return True
        findings = [finding for spec in self.specs if (finding := check_key(spec, key)) is not None]
        for finding in findings:
            self.problems.found(place, finding)
        return not findings

    def value(self, key: str, value: Json, place: Place, parts: Sequence[Place] = ()) -> Json:
        """Return an input's value as it is sent, and tell Problems what is wrong with it, if anything.

        `parts` are the places of a list's items, where they have places of their own.
        """
        check = check_value if self.validate else lambda spec, key, value: check_sendable(key, value)
        findings = [check(spec, key, value) for spec in self.specs]
        for finding in findings:
            self.problems.found(place, finding)
        if any(finding is not None and finding.fatal for finding in findings):
            return value
        for spec in self.specs:
            value, wrong = self.media.sent(spec, key, value, self.folder)
            for number, finding in wrong:
                self.problems.found(parts[number] if parts else place, finding)
        return value

    def node(self, key: str, node: Node) -> Json:
        """Return the value of an input that stands in YAML as it is sent."""
        parts = [item.place for item in node.value] if isinstance(node.value, list) else []
        return self.value(key, plain(node), node.place, parts)

    def only(self, spec: ModelSpec) -> Checker:
        """Return the checker for what one model alone gets."""
        return replace(self, specs=(spec,))


def settings(node: Node, checker: Checker, what: str = "settings") -> dict[str, Json]:
    """Return the sound values of a mapping of inputs."""
    found: dict[str, Json] = {}
    for key, child in fields.mapping(node, what, checker.problems).items():
        if checker.key(key, child.key_place):
            found[key] = checker.node(key, child)
    return found


def grid(node: Node, checker: Checker) -> list[Axis]:
    """Return one axis for each key of the grid, in order."""
    axes = []
    for key, nodes in _lists(node, checker, "grid").items():
        kept: dict[bytes, Json] = {}
        for item, value in nodes:
            canonical = job.canonical(value)
            if canonical in kept:
                checker.problems.warn(item.place, f"{key} has {shown(plain(item))} twice", "it is made once")
            kept.setdefault(canonical, value)
        axes.append(Axis((key,), tuple((value,) for value in kept.values())))
    return axes


def zipped(node: Node, checker: Checker, taken: Collection[str]) -> list[Axis]:
    """Return the one axis of `zip`, none where it is not sound. `taken` are the grid's keys."""
    problems = checker.problems
    lists = _lists(node, checker, "zip")
    for key, child in node.value.items() if isinstance(node.value, dict) else ():
        if key in taken:
            problems.add(child.key_place, f'"{key}" is in grid and in zip', "keep it in one of them")
    if len({len(nodes) for nodes in lists.values()}) > 1:
        counts = ", ".join(f"{key} has {len(nodes)}" for key, nodes in lists.items())
        problems.add(node.place, f"the lists under zip differ in length: {counts}", "make them equally long")
        return []
    rows = list(zip(*([value for _, value in nodes] for nodes in lists.values()), strict=True))
    kept = distinct(rows)
    if len(kept) < len(rows):
        problems.warn(node.place, "zip has the same combination twice", "it is made once")
    return [Axis(tuple(lists), kept)] if kept else []


def distinct(rows: Iterable[tuple[Json, ...]]) -> tuple[tuple[Json, ...], ...]:
    """Return the rows without repetitions, as canonical JSON tells them apart."""
    kept: dict[bytes, tuple[Json, ...]] = {}
    for row in rows:
        kept.setdefault(job.canonical(row), row)
    return tuple(kept.values())


def exclude(node: Node, checker: Checker, tags: Iterable[str], *, whole: bool) -> list[Exclusion]:
    """Return the exclusions; a key must be an input or one of the manifest's `tags`.

    The tags are not `whole` where a prompt file could not be read.
    """
    found: list[Exclusion] = []
    known = [*(key for spec in checker.specs for key in spec.properties), "model", *tags]
    names = list(dict.fromkeys(known)) if checker.specs else []
    for entry in fields.items(node, "exclude", checker.problems):
        pairs = fields.mapping(entry, "an entry of exclude", checker.problems)
        if isinstance(entry.value, dict) and not pairs:
            checker.problems.add(entry.place, "an empty entry excludes everything", "name inputs or tags")
        rule = {key: _excluded(key, child, checker, names, whole=whole) for key, child in pairs.items()}
        if rule:
            found.append(rule)
    return found


def _excluded(key: str, child: Node, checker: Checker, names: Sequence[str], *, whole: bool) -> tuple[Json, ...]:
    alternatives = child.value if isinstance(child.value, list) else [child]
    inputs = {name for spec in checker.specs for name in spec.properties}
    if names and key not in names and not checker.allow_unknown:
        hint = did_you_mean(key, names) or f"it can name {listed(names)}"
        if not whole:
            hint = f"{hint}, {UNREAD}"
        checker.problems.add(child.key_place, f'"{key}" is neither an input nor a tag', hint)
    return tuple(checker.node(key, node) if key in inputs else plain(node) for node in alternatives)


def _lists(node: Node, checker: Checker, what: str) -> dict[str, list[tuple[Node, Json]]]:
    """Return the lists of grid or zip by key: each value as it is written and as it is sent."""
    found: dict[str, list[tuple[Node, Json]]] = {}
    for key, child in fields.mapping(node, what, checker.problems).items():
        if not checker.key(key, child.key_place):
            continue
        nodes = fields.items(child, f"{what}.{key}", checker.problems)
        if nodes:
            found[key] = [(item, checker.node(key, item)) for item in nodes]
    return found
