"""Rows: every prompt of a manifest in order, and what a row says for one model.

A prompt file's columns named like a model's inputs are settings, typed by the schema, an empty cell is not set; all
other columns are tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path

from batchgen.catalog.cells import read_cell
from batchgen.catalog.check import check_sendable, check_value
from batchgen.catalog.schema import ModelSpec
from batchgen.catalog.words import closest, did_you_mean, listed, value_text
from batchgen.job import Json
from batchgen.manifest import placeholders
from batchgen.manifest.media import Media
from batchgen.manifest.problems import Place, Problems
from batchgen.manifest.recipe import PROMPT, Prompt, PromptFile, Source
from batchgen.manifest.tables import Record, Table, read

TEMPLATE_TAG = "template"
_CACHED_CELLS = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt as sent, with what was said for it alone; `cells` are its file's other columns."""

    text: str
    place: Place
    settings: Mapping[str, Json]
    tags: Mapping[str, Json]
    cells: Mapping[str, Json] = field(default_factory=dict)
    record: Record | None = None

    def cell_place(self, column: str) -> Place:
        """Return where a cell stands; the row's place where there is none."""
        return self.record.place(column) if self.record and column in self.cells else self.place


def rows(source: Source, problems: Problems) -> Iterator[Row]:
    """Yield a source's rows; mistakes in a file go to `problems`.

    Lines that cannot be read as rows are left out; a row without a prompt is told of and has an empty text, so that
    mistakes in its other cells are found too.
    """
    return _prompt_rows(source) if isinstance(source, Prompt) else _file_rows(source, problems)


def _prompt_rows(prompt: Prompt) -> Iterator[Row]:
    if not prompt.variables:
        yield Row(prompt.text, prompt.place, prompt.settings, prompt.tags)
        return
    names = tuple(prompt.variables)
    for values in product(*prompt.variables.values()):
        chosen = dict(zip(names, values, strict=True))
        text = placeholders.fill(prompt.text, chosen)
        yield Row(text, prompt.place, prompt.settings, {**prompt.tags, **chosen, TEMPLATE_TAG: prompt.text})


def _file_rows(source: PromptFile, problems: Problems) -> Iterator[Row]:
    try:
        table = read(source.path, source.label, problems)
    except OSError as error:
        problems.add(source.place, f"{source.label} cannot be read: {error.strerror}")
        return
    if table is None:
        return
    sound = _sound_names(source, table, problems)
    matching = (record for record in table.records if _matches(source.where, record))
    for record in islice(matching, source.limit):
        column = _prompt_column(record.values, source.column)
        text = record.values.get(column) if column is not None else None
        if column is None or not isinstance(text, str) or not text.strip():
            if sound:
                _no_prompt(source, record, column, text, problems)
            text = ""
        cells = {name: value for name, value in record.values.items() if name != column}
        yield Row(text, Place(record.file, record.line, 1), source.settings, source.tags, cells, record)


def _sound_names(source: PromptFile, table: Table, problems: Problems) -> bool:
    """Tell whether the columns that the manifest names are there. A .jsonl file has no columns to ask."""
    if table.columns is None:
        return True
    sound = _sound_prompt_column(source, table, problems)
    for name in source.where:
        if name not in table.columns:
            hint = did_you_mean(name, table.columns) or f"its columns are {listed(table.columns)}"
            problems.add(source.where_places[name], f'{source.label} has no column "{name}"', hint)
            sound = False
    return sound


def _sound_prompt_column(source: PromptFile, table: Table, problems: Problems) -> bool:
    names = table.columns or ()
    place = source.column_place or (table.header.place() if table.header else Place(source.label))
    if source.column is not None and source.column not in names:
        hint = did_you_mean(source.column, names) or f"its columns are {listed(names)}"
        problems.add(place, f'{source.label} has no column "{source.column}"', hint)
        return False
    if source.column is not None:
        return True
    candidates = [name for name in names if name.strip().casefold() == PROMPT]
    if len(candidates) == 1:
        return True
    near = closest(PROMPT, names)
    hint = f'did you mean "{near}"? ' if near and not candidates else ""
    what = f"the columns {listed(candidates)} could all be the prompt" if candidates else 'no column "prompt"'
    problems.add(place, what, f"{hint}name it with column: or --prompt-column (columns: {listed(names)})")
    return False


def _prompt_column(values: Mapping[str, Json], wanted: str | None) -> str | None:
    if wanted is not None or PROMPT in values:
        return wanted or PROMPT
    return next((name for name in values if name.strip().casefold() == PROMPT), None)


def _no_prompt(source: PromptFile, record: Record, column: str | None, text: Json, problems: Problems) -> None:
    if column is None or column not in record.values:
        wanted = source.column or PROMPT
        hint = did_you_mean(wanted, record.values) or "name it with column: or --prompt-column"
        problems.add(record.place(), f'no "{wanted}" in this row', hint)
    elif isinstance(text, str):
        problems.add(record.place(column), "an empty prompt", "write one, or remove the row")
    else:
        problems.add(record.place(column), "a prompt must be text", "put it in quotes")


def _matches(where: Mapping[str, frozenset[str]], record: Record) -> bool:
    return all(name in record.values and value_text(record.values[name]) in texts for name, texts in where.items())


@dataclass(frozen=True, slots=True)
class Binder:
    """Types rows for one model. Keeps the values of recent cells, as columns repeat them."""

    spec: ModelSpec
    media: Media
    validate: bool = True
    _known: dict[tuple[str, str], Json] = field(default_factory=dict)

    def settings(self, row: Row, problems: Problems) -> dict[str, Json]:
        """Return what the row sets for the model, the prompt's own settings over the cells.

        A cell that is wrong stays as it is: it was given, whatever else is missing.
        """
        if row.record is None:
            return dict(row.settings)
        found: dict[str, Json] = {}
        for name, cell in row.cells.items():
            if name not in self.spec.properties or name == PROMPT or cell is None:
                continue
            if row.record.separator and isinstance(cell, str):
                if cell != "":
                    found[name] = self._typed(row, row.record, name, cell, problems)
            else:
                found[name] = self._sent(row, row.record, name, cell, problems)
        return {**found, **row.settings}

    def tags(self, row: Row) -> dict[str, Json]:
        """Return the row's tags for the model: columns that are no inputs of it, under the prompt's own tags."""
        inputs = self.spec.properties
        return {**{name: cell for name, cell in row.cells.items() if name not in inputs}, **row.tags}

    def _typed(self, row: Row, record: Record, name: str, cell: str, problems: Problems) -> Json:
        """Return what the text of a cell means, and is sent as."""
        key = (name, cell)
        if key in self._known:
            return self._known[key]
        try:
            value = read_cell(self.spec, name, cell)
        except ValueError as error:
            problems.add(row.cell_place(name), str(error))
            return cell
        before = len(problems.errors)
        sent = self._sent(row, record, name, value, problems)
        # A path means another file in another folder.
        if sent == value and len(problems.errors) == before:
            if len(self._known) >= _CACHED_CELLS:
                self._known.clear()
            self._known[key] = value
        return sent

    def _sent(self, row: Row, record: Record, name: str, value: Json, problems: Problems) -> Json:
        finding = check_value(self.spec, name, value) if self.validate else check_sendable(name, value)
        problems.found(row.cell_place(name), finding)
        if finding is not None and finding.fatal:
            return value
        sent, findings = self.media.sent(self.spec, name, value, Path(record.file).parent)
        for _, wrong in findings:
            problems.found(row.cell_place(name), wrong)
        return sent
