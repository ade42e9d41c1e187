"""From a path and a command line to a Manifest, or to everything that is wrong with them at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batchgen.catalog.check import types_of
from batchgen.catalog.schema import ModelSpec
from batchgen.catalog.words import listed
from batchgen.errors import ManifestError, Problem
from batchgen.manifest import fields, inputs, keys, paths, prompts, sections, tables, whereabouts, yamltext
from batchgen.manifest import overrides as options
from batchgen.manifest.inputs import Checker
from batchgen.manifest.manifest import Manifest, digest, snapshot_names
from batchgen.manifest.media import Media
from batchgen.manifest.overrides import Overrides
from batchgen.manifest.problems import Place, Problems
from batchgen.manifest.recipe import PROMPT, Axis, Exclusion, Model, PromptFile, Recipe, Source
from batchgen.manifest.sections import ModelChoice, SpecOf
from batchgen.manifest.seeds import Seeds
from batchgen.manifest.survey import survey
from batchgen.manifest.yamltext import Node

_YAML = (".yaml", ".yml", ".json")
_MAX_NAME_BYTES = 200


def load(path: Path, overrides: Overrides, spec_of: SpecOf, text: bytes | None = None) -> Manifest:
    """Return the validated manifest at `path`: a `draft` judged by the schemas that `spec_of` gives."""
    return draft(path, overrides, text).manifest(spec_of)


def draft(path: Path, overrides: Overrides, text: bytes | None = None) -> Draft:
    """Return the manifest at `path`, read but not yet judged, with what the command line says over it.

    `text` is YAML that stands for the file's content, as from standard input. Raises ManifestError where there is
    nothing to judge.
    """
    is_list = text is None and path.suffix.lower() in tables.SUFFIXES
    if text is None:
        _require_file(path)
    content = text if text is not None or is_list else _read(path)
    problems = Problems()
    given = {} if content is None else _given(path, content, problems)
    return Draft(path, overrides, problems, given, content)


def _require_file(path: Path) -> None:
    problem = paths.unusable(path)
    if problem is None and path.suffix.lower() not in (*_YAML, *tables.SUFFIXES):
        problem = ("is no manifest by its name", f"its name must end in {listed((*_YAML, *tables.SUFFIXES))}")
    if problem is not None:
        message, hint = problem
        raise ManifestError([Problem(str(path), 0, 0, message, hint)])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(yamltext.MAX_BYTES + 1)
    except OSError as error:
        raise ManifestError([Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from error


def _given(path: Path, content: bytes, problems: Problems) -> Mapping[str, Node]:
    """Return the manifest's top keys."""
    label = str(path)
    root = yamltext.parse(content, label, problems)
    if root is None:
        problems.raise_any()
        raise ManifestError([Problem(label, 0, 0, "is empty", "it needs model: and prompts:")])
    given = fields.known(root, "", problems)
    if not isinstance(root.value, dict):
        problems.raise_any()
    return given


@dataclass(frozen=True, slots=True)
class Draft:
    """A manifest on its way. `given` are its top keys, `content` its text; None where it is itself a prompt list."""

    path: Path
    overrides: Overrides
    problems: Problems
    given: Mapping[str, Node]
    content: bytes | None

    @property
    def is_list(self) -> bool:
        """Whether the manifest is a prompt list."""
        return self.content is None

    @property
    def whereabouts(self) -> tuple[str, Path | None]:
        """The manifest's name and the run directory it names, None where it names none; neither is judged yet."""
        return whereabouts.told_by(self.given, self.path)

    def manifest(self, spec_of: SpecOf) -> Manifest:
        """Read every section, then every row of every list, once, then what depends on both.

        `spec_of` gives a model's pinned, live or bundled schema, None for an unknown model. Raises ManifestError with
        everything found wrong.
        """
        choices = sections.models(self._model(), self.overrides.model, spec_of, self.problems)
        specs = tuple({choice.spec.id: choice.spec for choice in choices}.values())
        media, folder = Media(), self.path.parent
        checker = Checker(specs, self.problems, media, folder, self.overrides.allow_unknown, self.overrides.validate)
        recipe = self._recipe(choices, checker)
        found = survey(recipe, self.problems, self._seeds_place(), validate=self.overrides.validate)
        whole = found.whole and self._all_read(recipe)
        recipe = replace(recipe, exclude=self._exclude(checker, found.tags, whole=whole))
        stronger = options.limits(self.overrides, self.problems)
        limits = sections.limits(self.given.get("limits"), stronger, self.problems)
        output = self._output(checker, found.tags, whole=whole)
        pricing = sections.pricing(self.given.get("pricing"), checker)
        name = self._name()
        files = self._files(recipe)
        hashed = self._digest(files, media)
        self.problems.raise_any()
        return Manifest(
            name=name,
            path=self.path,
            models=specs,
            limits=limits,
            output=output,
            pricing=pricing,
            files=files,
            content=self.content,
            digest=hashed,
            inputs=media.files,
            tags=tuple(found.tags),
            warnings=self.problems.notes(),
            recipe=recipe,
            repeated=frozenset(found.repeated),
            product=found.count,
        )

    def _recipe(self, choices: list[ModelChoice], checker: Checker) -> Recipe:
        forced = options.settings(self.overrides.settings, _at_the_prompt(checker))
        shared = inputs.settings(self.given["settings"], checker) if "settings" in self.given else {}
        models = []
        for choice in choices:
            own = inputs.settings(choice.settings, checker.only(choice.spec)) if choice.settings else {}
            models.append(Model(choice.spec, {**shared, **own}, forced[choice.spec.id]))
        axes = self._axes(checker)
        sources = self._sources(checker)
        seeds = self._seeds()
        if seeds is not None:
            self._check_seeds(seeds, checker)
        return Recipe(sources, tuple(models), axes, (), seeds, self._repeats(), checker.media)

    def _model(self) -> Node | None:
        node = self.given.get("model")
        if node is None and self.overrides.model is None:
            hint = "write --model and the model's id" if self.is_list else "write model: and the model's id"
            self.problems.add(self._start(), "no model", hint)
        return node

    def _axes(self, checker: Checker) -> tuple[Axis, ...]:
        grid = inputs.grid(self.given["grid"], checker) if "grid" in self.given else []
        taken = {key for axis in grid for key in axis.keys}
        zipped = inputs.zipped(self.given["zip"], checker, taken) if "zip" in self.given else []
        options.refuse_both(self.overrides, self.problems)
        return options.merged(grid, zipped, options.grid(self.overrides.grid, _at_the_prompt(checker)))

    def _sources(self, checker: Checker) -> tuple[Source, ...]:
        column = self.overrides.prompt_column
        if self.is_list:
            place = Place("--prompt-column") if column is not None else None
            return (PromptFile(self.path, str(self.path), Place(str(self.path)), column, place),)
        if "prompts" not in self.given:
            self.problems.add(self._start(), "no prompts", "write prompts: and a list under it")
            return ()
        found = prompts.read(self.given["prompts"], self.path.parent, column, checker)
        if column is not None and not any(isinstance(source, PromptFile) for source in found):
            self.problems.add(Place("--prompt-column"), "this manifest names no prompt file", "remove the option")
        return tuple(found)

    def _seeds(self) -> Seeds | None:
        node = self.given.get("seeds")
        said = sections.seeds(node, self.problems) if node is not None else None
        if self.overrides.seeds is None:
            return said
        typed = options.seeds(self.overrides.seeds, self.problems)
        return sections.seeds(typed, self.problems) if typed is not None else None

    def _seeds_place(self) -> Place | None:
        if self.overrides.seeds is not None:
            return options.SEEDS
        return self.given["seeds"].key_place if "seeds" in self.given else None

    def _check_seeds(self, seeds: Seeds, checker: Checker) -> None:
        """Tell of seeds given twice, and of models that take none."""
        said = self._seeds_place()
        assert said is not None
        for place in checker.seeds_given:
            self.problems.add(place, f"a seed is given here, and seeds at {said}", "keep one of them")
        for spec in checker.specs:
            if seeds.size and not spec.has_seed:
                hint = "write seeds: none, and repeats: for several pictures"
                self.problems.add(said, f"{spec.id} takes no seed", hint)

    def _repeats(self) -> int:
        if "repeats" not in self.given:
            return 1
        repeats = fields.value(self.given["repeats"], keys.BY_PATH["repeats"], self.problems)
        return repeats if isinstance(repeats, int) else 1

    def _all_read(self, recipe: Recipe) -> bool:
        """Tell whether every source the manifest names is in the recipe."""
        listed_ones = self.given["prompts"].value if "prompts" in self.given else None
        return self.is_list or (isinstance(listed_ones, list) and len(listed_ones) == len(recipe.sources))

    def _exclude(self, checker: Checker, tags: Collection[str], *, whole: bool) -> tuple[Exclusion, ...]:
        if "exclude" not in self.given:
            return ()
        return tuple(inputs.exclude(self.given["exclude"], checker, tags, whole=whole))

    def _output(self, checker: Checker, tags: Mapping[str, Collection[str]], *, whole: bool) -> sections.OutputSpec:
        section = self.given.get("output")
        output = sections.output(section, self.path.parent, self.problems)
        place = self._start()
        if section is not None and isinstance(section.value, dict) and "name" in section.value:
            place = section.value["name"].place
        kinds = _kinds(checker.specs, tags) if checker.specs else None
        sections.check_name(output.name, place, kinds, self.problems, whole=whole)
        return output

    def _name(self) -> str:
        node = self.given.get("name")
        if node is None:
            return self.path.stem
        name = fields.value(node, keys.BY_PATH["name"], self.problems)
        if not isinstance(name, str):
            return self.path.stem
        if name in (".", "..") or re.search(r"[/\\\0-\x1f]", name) or len(name.encode("utf-8")) > _MAX_NAME_BYTES:
            hint = f"it names a folder: no slashes, no control characters, at most {_MAX_NAME_BYTES} bytes"
            self.problems.add(node.place, "name cannot be a folder's name", hint)
        return name

    def _files(self, recipe: Recipe) -> tuple[Path, ...]:
        lists = [source.path for source in recipe.sources if isinstance(source, PromptFile)]
        return tuple(dict.fromkeys([self.path, *lists]))

    def _digest(self, files: tuple[Path, ...], media: Media) -> str:
        sources = {name: path for path, name in snapshot_names(files).items()}
        try:
            return digest(sources, self.content, media.files)
        except OSError as error:
            self.problems.add(Place(str(error.filename or self.path)), f"cannot be read: {error.strerror}")
            return ""

    def _start(self) -> Place:
        return Place(str(self.path)) if self.is_list else Place(str(self.path), 1, 1)


def _at_the_prompt(checker: Checker) -> Checker:
    """Return the checker for the command line, where paths are relative to the working directory."""
    return replace(checker, folder=Path())


def _kinds(specs: Sequence[ModelSpec], tags: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Return the JSON types of every setting and tag that a name may use."""
    kinds = {name: set(types) for name, types in tags.items()}
    for spec in specs:
        for key, described in spec.properties.items():
            if key != PROMPT:
                kinds.setdefault(key, set()).update(types_of(described))
    return kinds
