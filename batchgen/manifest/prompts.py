"""The `prompts` of a manifest: texts, templates with vars, and prompt files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from batchgen.catalog.words import did_you_mean, listed, value_text
from batchgen.job import Json
from batchgen.manifest import fields, inputs, keys, paths, placeholders, tables
from batchgen.manifest.inputs import Checker
from batchgen.manifest.problems import Place, Problems
from batchgen.manifest.recipe import Prompt, PromptFile, Source
from batchgen.manifest.rows import TEMPLATE_TAG
from batchgen.manifest.yamltext import Node, plain

_PATH = "prompts[]"
_OF_FILES = ("column", "where", "limit")


def read(node: Node, folder: Path, column: str | None, checker: Checker) -> list[Source]:
    """Return the sources in order; `column` is the command line's prompt column."""
    found = [
        _source(item, folder, column, checker)
        for item in fields.items(node, "prompts", checker.problems, hint="write - before each prompt")
    ]
    return [source for source in found if source is not None]


def _source(node: Node, folder: Path, column: str | None, checker: Checker) -> Source | None:
    problems = checker.problems
    if not isinstance(node.value, dict):
        text = fields.text(node, "a prompt", problems)
        return Prompt(text, node.place) if text is not None else None
    if not node.value.keys() & keys.children(_PATH).keys():
        hint = "if this is one prompt, put it in quotes; else it needs text or file"
        problems.add(node.place, f"a prompt with the unknown keys {listed(node.value)}", hint)
        return None
    found = fields.known(node, _PATH, problems)
    settings = inputs.settings(found["settings"], checker) if "settings" in found else {}
    tags = _tags(found["tags"], problems) if "tags" in found else {}
    if ("text" in found) == ("file" in found):
        what = "both text and file" if "text" in found else "neither text nor file"
        problems.add(node.place, f"a prompt with {what}", "give it one of them")
        return None
    for key in ("vars",) if "file" in found else _OF_FILES:
        if key in found:
            other = "text" if "file" in found else "file"
            problems.add(found[key].key_place, f"{key} belongs to prompts with {other}", "remove it")
    if "file" in found:
        return _file(found, folder, column, settings, tags, problems)
    return _prompt(found, settings, tags, problems)


def _tags(node: Node, problems: Problems) -> dict[str, Json]:
    return {key: plain(child) for key, child in fields.mapping(node, "tags", problems).items()}


def _prompt(
    found: Mapping[str, Node], settings: Mapping[str, Json], tags: Mapping[str, Json], problems: Problems
) -> Prompt | None:
    node = found["text"]
    text = fields.text(node, "text", problems)
    variables = _variables(found["vars"], problems) if "vars" in found else {}
    if text is None:
        return None
    if "vars" in found:
        for name in [name for name in tags if name in variables or name == TEMPLATE_TAG]:
            problems.add(found["tags"].place, f'the tag "{name}" is taken by vars', "rename it")
        if not _sound_template(node, text, found["vars"], problems):
            return None
    return Prompt(text, node.place, variables, settings, tags)


def _variables(node: Node, problems: Problems) -> dict[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = {}
    for name, child in fields.mapping(node, "vars", problems).items():
        values = []
        for item in fields.items(child, f"vars.{name}", problems):
            if isinstance(item.value, str | int | float) and not isinstance(item.value, bool):
                values.append(value_text(item.value))
            else:
                problems.add(item.place, f"a value of vars.{name} must be text or a number", "put it in quotes")
        found[name] = tuple(dict.fromkeys(values))
        if len(found[name]) < len(values):
            problems.warn(child.place, f"vars.{name} has the same value twice", "it is made once")
    return found


def _sound_template(node: Node, text: str, variables: Node, problems: Problems) -> bool:
    """Tell whether the placeholders of a text and its vars are the same names."""
    names = variables.value if isinstance(variables.value, dict) else {}
    try:
        used = placeholders.fields(text)
    except ValueError as error:
        problems.add(node.place, f"the braces do not match: {error}", "write {{ and }} for braces as such")
        return False
    sound = True
    for name, spec, conversion in used:
        if name not in names or spec or conversion:
            hint = did_you_mean(name, names) or "add it to vars, or write {{ and }} for braces as such"
            message = f"the placeholder {{{name}}} has no value in vars"
            if name in names:
                message, hint = f"the placeholder {{{name}}} has a format", f"write {{{name}}}"
            problems.add(node.place, message, hint)
            sound = False
    for name, child in names.items():
        if name not in {word for word, _, _ in used}:
            problems.add(child.key_place, f"vars.{name} is not in the text", f"write {{{name}}} where it belongs")
            sound = False
    return sound


def _file(
    found: Mapping[str, Node],
    folder: Path,
    column: str | None,
    settings: Mapping[str, Json],
    tags: Mapping[str, Json],
    problems: Problems,
) -> PromptFile | None:
    node = found["file"]
    name = fields.text(node, "file", problems)
    where, where_places = _where(found["where"], problems) if "where" in found else ({}, {})
    limit = fields.value(found["limit"], keys.BY_PATH["prompts[].limit"], problems) if "limit" in found else None
    column_place = Place("--prompt-column") if column else None
    if "column" in found:
        own = fields.text(found["column"], "column", problems)
        if column is None:
            column, column_place = own, found["column"].place
    path = folder / name if name is not None else None
    if "column" not in found and path is not None and path.suffix.lower() == ".txt":
        column = column_place = None
    if path is None or not sound_file(path, node.place, problems):
        return None
    return PromptFile(
        path=path,
        label=str(path),
        place=node.place,
        column=column,
        column_place=column_place,
        where=where,
        where_places=where_places,
        limit=limit if isinstance(limit, int) else None,
        settings=settings,
        tags=tags,
    )


def sound_file(path: Path, place: Place, problems: Problems) -> bool:
    """Tell whether a path is a prompt list that can be opened; `place` is where it is named."""
    problem = paths.unusable(path)
    if problem is None and path.suffix.lower() not in tables.SUFFIXES:
        problem = ("is no prompt list by its name", f"its name must end in {listed(tables.SUFFIXES)}")
    if problem is not None:
        problems.add(place, f"{path} {problem[0]}", problem[1])
    return problem is None


def _where(node: Node, problems: Problems) -> tuple[dict[str, frozenset[str]], dict[str, Place]]:
    texts: dict[str, frozenset[str]] = {}
    places: dict[str, Place] = {}
    for column, child in fields.mapping(node, "where", problems).items():
        nodes = fields.items(child, f"where.{column}", problems) if isinstance(child.value, list) else [child]
        texts[column] = frozenset(value_text(plain(item)) for item in nodes)
        places[column] = child.key_place
    return texts, places
