"""Prompt lists as streams of records: .txt, .csv, .tsv and .jsonl, never whole in memory.

- .csv is RFC 4180, strict; a BOM and CRLF are welcome; a cell may hold line breaks. It is read here and not by the csv
  module, because mistakes must name the cell's column and the module's field limit is global to the process.
- .tsv takes quotes literally. In .csv and .tsv the first record names the columns.
- .txt has one prompt a line. .jsonl has one object a line. Blank lines are skipped everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from batchgen.catalog.check import SENDABLE, unsendable
from batchgen.job import Json
from batchgen.manifest.problems import Place, Problems

SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl")
TEXT_COLUMN = "prompt"
"""The name of a .txt file's only column."""

MAX_RECORD = 1024 * 1024
"""The longest record, in bytes: far more than a prompt can be, and a bound for memory."""

MAX_COLUMNS = 1000
"""The most columns of a list: far more than a model has inputs, and a bound for the time that checking them takes."""

_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"(?!")')
_IS_IT_A_LIST = "is this a list of prompts?"
_CSV_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(?=,|\Z)')


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its values by column, and where it stands. Cells of text tables are text, empty ones included.

    `header` is the record that names the columns, where one does.
    """

    values: Mapping[str, Json]
    file: str
    line: int
    raw: str
    separator: str = ""
    header: Record | None = None

    def place(self, column: str = "") -> Place:
        """Return where a column's cell stands; the row's own place where there is no such cell."""
        if column not in self.values:
            return Place(self.file, self.line, 1)
        if self.separator:
            offset = _offset_of_cell(self.raw, self.separator, list(self.values).index(column))
        else:
            offset = max(self.raw.find(json.dumps(column, ensure_ascii=False)), 0)
        return _place(self.file, self.line, self.raw, offset)


@dataclass(frozen=True, slots=True)
class Table:
    """An open list. `columns` is None where every record has its own (.jsonl); `header` is the record naming them."""

    columns: Sequence[str] | None
    records: Iterator[Record]
    header: Record | None


class _BadCell(Exception):
    """A record that is not RFC 4180; `offset` is where in its text."""

    def __init__(self, offset: int, message: str, hint: str, *, is_open: bool = False) -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint
        self.is_open = is_open


class _Unreadable(Exception):
    """The rest of the file is not worth reading; the problem is told."""


def read(path: Path, label: str, problems: Problems) -> Table | None:
    """Open a list by its file name's suffix; `label` is the file's name in messages.

    Problems found while streaming go to `problems`, and the records concerned are left out. Returns None where not
    even the columns can be read. Raises OSError where the file cannot be opened.
    """
    stream = path.open("rb")
    lines = _stopping(_lines(stream, label, problems))
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        return Table(None, _json_records(lines, label, problems), None)
    if suffix == ".txt":
        return Table((TEXT_COLUMN,), _text_records(lines, label), None)
    separator = "," if suffix == ".csv" else "\t"
    texts = (
        _csv_texts(lines, label, problems) if suffix == ".csv" else (line for line in lines if line[1].strip("\r\n"))
    )
    return _delimited(texts, separator, label, problems)


def _delimited(texts: Iterator[tuple[int, str]], separator: str, label: str, problems: Problems) -> Table | None:
    first = next(texts, None)
    if first is None:
        return None
    line, raw = first
    columns = _checked(raw, separator, label, line, problems)
    if columns is None or not _sound_columns(columns, separator, label, first, problems):
        return None
    header = Record(dict.fromkeys(columns, ""), label, line, raw, separator)
    records = _cell_records(texts, header, problems)
    return Table(columns, records, header)


def _sound_columns(
    columns: Sequence[str], separator: str, label: str, header: tuple[int, str], problems: Problems
) -> bool:
    line, raw = header
    if len(columns) > MAX_COLUMNS:
        problems.add(
            Place(label, line, 1), f"{len(columns)} columns, and at most {MAX_COLUMNS} are read", _IS_IT_A_LIST
        )
        return False
    sound = True
    for number, (name, offset) in enumerate(zip(columns, _offsets_of_cells(raw, separator), strict=True)):
        if name.strip() and name not in columns[:number]:
            continue
        sound = False
        place = _place(label, line, raw, offset)
        if name.strip():
            problems.add(place, f'two columns are called "{name}"', "rename one of them")
        else:
            problems.add(place, f"column {number + 1} has no name", "name it, or leave it out of the file")
    return sound


def _cell_records(texts: Iterator[tuple[int, str]], header: Record, problems: Problems) -> Iterator[Record]:
    columns, separator, label = tuple(header.values), header.separator, header.file
    for line, raw in texts:
        cells = _checked(raw, separator, label, line, problems)
        if cells is None:
            continue
        if len(cells) == len(columns):
            yield Record(dict(zip(columns, cells, strict=True)), label, line, raw, separator, header)
            continue
        extra = len(cells) > len(columns)
        offset = _offset_of_cell(raw, separator, len(columns)) if extra else 0
        what = "put a cell that holds a comma in quotes" if separator == "," else "remove tabs from inside cells"
        message = f"{len(cells)} cells where the header has {len(columns)} columns"
        hint = what if extra else "give every column a cell, empty or not"
        problems.add(_place(label, line, raw, offset), message, hint)


def _text_records(lines: Iterator[tuple[int, str]], label: str) -> Iterator[Record]:
    for line, raw in lines:
        text = _without_ending(raw)
        if text.strip():
            yield Record({TEXT_COLUMN: text}, label, line, raw)


def _json_records(lines: Iterator[tuple[int, str]], label: str, problems: Problems) -> Iterator[Record]:
    for line, raw in lines:
        if not raw.strip():
            continue
        try:
            values = json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer)
        except json.JSONDecodeError as error:
            problems.add(Place(label, line, error.colno), f"not JSON: {error.msg}", "each line is one JSON object")
            continue
        except (ValueError, RecursionError) as error:
            message = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            problems.add(Place(label, line, 1), message, "each line is one JSON object")
            continue
        refusal = unsendable(values)
        if not isinstance(values, dict):
            problems.add(Place(label, line, 1), "not a JSON object", 'write {"prompt": "..."} on each line')
        elif len(values) > MAX_COLUMNS:
            problems.add(
                Place(label, line, 1), f"{len(values)} keys, and at most {MAX_COLUMNS} are read", _IS_IT_A_LIST
            )
        elif refusal is not None:
            problems.add(Place(label, line, 1), refusal, SENDABLE)
        else:
            yield Record(values, label, line, raw)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f'the key "{key}" stands here twice')
        values[key] = value
    return values


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _integer(text: str) -> int:
    if len(text) > 40:
        raise ValueError(f"a number of {len(text)} digits is too wide")
    return int(text)


def _lines(stream: BinaryIO, label: str, problems: Problems) -> Iterator[tuple[int, str]]:
    """Yield the file's lines with their endings, numbered from 1."""
    with stream:
        number = 0
        while True:
            try:
                data = stream.readline(MAX_RECORD + 1)
            except OSError as error:
                problems.add(Place(label, number + 1, 1), f"cannot be read: {error.strerror}")
                raise _Unreadable from error
            if not data:
                return
            number += 1
            if len(data) > MAX_RECORD:
                problems.add(Place(label, number, 1), "a line of more than 1 MiB", _IS_IT_A_LIST)
                raise _Unreadable
            yield number, _decoded(data, number, label, problems)


def _decoded(data: bytes, number: int, label: str, problems: Problems) -> str:
    try:
        text = data.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        column = len(error.object[: error.start].decode("utf-8", "replace")) + 1
        problems.add(Place(label, number, column), "not UTF-8", "save the file as UTF-8")
        raise _Unreadable from error
    nul = text.find("\0")
    if nul >= 0:
        problems.add(Place(label, number, nul + 1), "a NUL character", "save the file as UTF-8 text")
        raise _Unreadable
    alone = _without_ending(text).find("\r")
    if alone >= 0:
        hint = "end lines with LF or CRLF"
        problems.add(Place(label, number, alone + 1), "a carriage return inside a line", hint)
        raise _Unreadable
    return text


def _stopping(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    try:
        yield from lines
    except _Unreadable:
        return


def _csv_texts(lines: Iterator[tuple[int, str]], label: str, problems: Problems) -> Iterator[tuple[int, str]]:
    """Yield the text of each record with the line it starts on: lines are joined while a quote is open."""
    for start, line in lines:
        raw = line
        if line.count('"') % 2 and _ends_open(line):
            rest = _until_closed(lines, MAX_RECORD - len(line))
            if rest is None:
                _checked(line, ",", label, start, problems)
                return
            raw = line + rest
        if raw.strip("\r\n"):
            yield start, raw


def _ends_open(line: str) -> bool:
    """Tell whether a line ends inside a quoted cell, and not merely with a stray quote in it."""
    try:
        for _ in _csv_cells(_without_ending(line)):
            pass
    except _BadCell as error:
        return error.is_open
    return False


def _until_closed(lines: Iterator[tuple[int, str]], room: int) -> str | None:
    parts = []
    for _, line in lines:
        parts.append(line)
        room -= len(line)
        if line.count('"') % 2:
            return "".join(parts)
        if room < 0:
            return None
    return None


def _checked(raw: str, separator: str, label: str, line: int, problems: Problems) -> list[str] | None:
    text = _without_ending(raw)
    if separator == "\t" or '"' not in text:
        return text.split(separator)
    try:
        return [cell for _, cell in _csv_cells(text)]
    except _BadCell as error:
        problems.add(_place(label, line, raw, error.offset), str(error), error.hint)
        return None


def _csv_cells(text: str) -> Iterator[tuple[int, str]]:
    """Yield each cell with its offset. Raises _BadCell."""
    at = 0
    while True:
        match = _CSV_CELL.match(text, at)
        if match is None:
            raise _bad_cell(text, at)
        quoted = match[1]
        yield at, match[2] if quoted is None else quoted.replace('""', '"')
        at = match.end() + 1
        if at > len(text):
            return


def _bad_cell(text: str, at: int) -> _BadCell:
    if text[at] == '"':
        hint = "a quote inside a quoted cell is written twice"
        closed = _QUOTED.match(text, at)
        if closed is None:
            return _BadCell(at, "a quote opens here and is not closed", hint, is_open=True)
        return _BadCell(closed.end(), "text after a closing quote", hint)
    hint = "put the whole cell in quotes, and write the quotes inside it twice"
    return _BadCell(text.index('"', at), "a quote inside a cell that does not start with one", hint)


def _offset_of_cell(raw: str, separator: str, number: int) -> int:
    return _offsets_of_cells(raw, separator)[number]


def _offsets_of_cells(raw: str, separator: str) -> list[int]:
    text = _without_ending(raw)
    if separator == "," and '"' in text:
        return [offset for offset, _ in _csv_cells(text)]
    return [0, *(match.end() for match in re.finditer(re.escape(separator), text))]


def _place(label: str, line: int, raw: str, offset: int) -> Place:
    before = raw[:offset]
    return Place(label, line + before.count("\n"), offset - before.rfind("\n"))


def _without_ending(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")
