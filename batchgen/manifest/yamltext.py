"""YAML 1.2 text into values that know their place.

PyYAML reads YAML 1.1, where `16:9` is 969 and `no` is false. Here its parser gives only the events; plain scalars are
resolved by the 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema). Refused, each with its place: duplicate
keys, tags, merge keys, several documents, aliases that multiply, deep nesting, and text that cannot be sent.
No recursion follows the text's nesting, so that no text can exhaust the stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

import yaml

from batchgen.catalog.check import unsendable
from batchgen.job import Json
from batchgen.manifest.problems import Place, Problems

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 1_000_000
MAX_DIRECTIVES = 64
"""Lines that begin with %: libyaml holds every %TAG against every other, which takes minutes for some megabytes."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"(?:null|Null|NULL|~|)")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAX_DIGITS = 40
# What may not stand there, and not what may: to compile that takes thirteen times as long, and every command waits.
_FOREIGN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_STRING_TAG = "tag:yaml.org,2002:str"
_QUOTE_HINT = "text that starts with one of {}[]*&!|>%@`#\"' or holds ': ' or ' #' must be in quotes"


@dataclass(slots=True)
class Node:
    """A value with its place: a scalar, a list of Nodes, or a mapping of Nodes by key (keys are text as written).

    `key_line` and `key_column` are the place of the key in a mapping, 0 elsewhere.
    """

    value: str | int | float | bool | list[Node] | dict[str, Node] | None
    file: str
    line: int = 0
    column: int = 0
    key_line: int = 0
    key_column: int = 0

    @property
    def place(self) -> Place:
        """Where the value stands."""
        return Place(self.file, self.line, self.column)

    @property
    def key_place(self) -> Place:
        """Where the value's key stands."""
        return Place(self.file, self.key_line, self.key_column)


def plain(node: Node) -> Json:
    """Return the node's value as plain JSON data."""
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    return node.value


def parse(data: bytes, file: str, problems: Problems, *, placed: bool = True) -> Node | None:
    """Return the document's root, None where the text cannot be read as YAML at all.

    Without `placed` (text of the command line) every place is line 0.
    """
    text = _decoded(data, file, problems, placed=placed)
    if text is None:
        return None
    builder = _Builder(file, problems, placed)
    try:
        for event in _events(text):
            builder.feed(event)
    except _Stop:
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(builder.place(mark), f"not YAML: {error.problem or error.context}", _syntax_hint(text, mark))
        return None
    except yaml.YAMLError as error:
        problems.add(Place(file), f"not YAML: {error}")
        return None
    return builder.root


def scalar(text: str) -> str | int | float | bool | None:
    """Return what a plain scalar means in YAML 1.2's core schema.

    Raises ValueError with a sentence for numbers that JSON cannot hold.
    """
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) > _MAX_DIGITS:
        return _long_scalar(text)
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a finite number")
    return float(text) if _FLOAT.fullmatch(text) else text


def _long_scalar(text: str) -> str:
    if _FLOAT.fullmatch(text) or _BASED.fullmatch(text):
        raise ValueError(f"a number of {len(text)} digits is too wide")
    return text


def _events(text: str) -> Iterator[yaml.Event]:
    return iter(yaml.parse(text, Loader=_LOADER))


def _decoded(data: bytes, file: str, problems: Problems, *, placed: bool) -> str | None:
    if len(data) > MAX_BYTES:
        hint = "put long lists of prompts in a .txt, .csv, .tsv or .jsonl file and name it under prompts"
        problems.add(Place(file), f"larger than {MAX_BYTES // 1024**2} MiB", hint)
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_and_column(data[: error.start].decode("utf-8", "replace"))
        problems.add(Place(file, line, column), "not UTF-8", "save the file as UTF-8")
        return None
    if next(islice(_DIRECTIVE.finditer(text), MAX_DIRECTIVES, None), None) is not None:
        hint = "indent them, or put the text they belong to in quotes"
        problems.add(Place(file), f"more than {MAX_DIRECTIVES} lines begin with %", hint)
        return None
    foreign = _FOREIGN.search(text)
    if foreign is None:
        return text
    code = ord(foreign[0])
    place = Place(file, *_line_and_column(text[: foreign.start()])) if placed else Place(file)
    hint = f'remove it, or write "\\u{code:04x}" in double quotes'
    problems.add(place, f"the character U+{code:04X} may not stand in YAML", hint)
    return None


def _line_and_column(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _syntax_hint(text: str, mark: _Mark | None) -> str:
    line = text.split("\n")[mark.line] if mark and mark.line <= text.count("\n") else ""
    before = line[: len(line) - len(line.lstrip())]
    return "indent with spaces, never with tabs" if "\t" in before else _QUOTE_HINT


class _Mark(Protocol):
    """A parser's position, counting from 0."""

    line: int
    column: int


class _Stop(Exception):
    """The rest of the text is not worth reading; the problem is told."""


@dataclass(slots=True)
class _Frame:
    """An open list or mapping.

    `height` is how deep it nests so far; `key` is the key that waits for its value, `ignored` is for a refused one.
    """

    node: Node
    anchor: str | None
    started_at: int
    height: int = 1
    key: Node | None = None
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A value that aliases may repeat, with what each repetition brings."""

    node: Node
    size: int
    height: int


@dataclass(slots=True)
class _Builder:
    """Builds Nodes from events, with its own stack."""

    file: str
    problems: Problems
    placed: bool
    root: Node | None = None
    count: int = 0
    documents: int = 0
    stack: list[_Frame] = field(default_factory=list)
    anchors: dict[str, _Anchored] = field(default_factory=dict)

    def place(self, mark: _Mark | None) -> Place:
        """Return the place of a parser's mark."""
        return Place(self.file, mark.line + 1, mark.column + 1) if self.placed and mark else Place(self.file)

    def feed(self, event: yaml.Event) -> None:
        """Take the next event."""
        match event:
            case yaml.ScalarEvent():
                self._count(1, event)
                self._attach(_Anchored(self._scalar(event), 1, 1), event.anchor)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._open(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                frame = self.stack.pop()
                size = self.count - frame.started_at
                self._attach(_Anchored(frame.node, size, frame.height), frame.anchor)
            case yaml.DocumentStartEvent():
                self._document(event)

    def _document(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            self._stop(event, "a second document", "a manifest is one document; remove the line ---")

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        if len(self.stack) >= MAX_DEPTH:
            self._stop(event, f"nested more than {MAX_DEPTH} levels deep", "")
        self._refuse_tag(event)
        before = self.count
        self._count(1, event)
        place = self.place(event.start_mark)
        value: list[Node] | dict[str, Node] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        self.stack.append(_Frame(Node(value, self.file, place.line, place.column), event.anchor, before))

    def _alias(self, event: yaml.AliasEvent) -> None:
        anchored = self.anchors.get(event.anchor or "")
        place = self.place(event.start_mark)
        if anchored is None:
            problem = f"the alias *{event.anchor} names nothing that is complete before it"
            self.problems.refuse(place, problem, "text that starts with * must be in quotes")
            anchored = _Anchored(Node(None, self.file), 1, 1)
        self._count(anchored.size, event)
        if len(self.stack) + anchored.height > MAX_DEPTH:
            self._stop(event, f"nested more than {MAX_DEPTH} levels deep", "write the alias out")
        self._attach(replace(anchored, node=replace(anchored.node, line=place.line, column=place.column)), None)

    def _attach(self, made: _Anchored, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = made
        if not self.stack:
            self.root = made.node
            return
        frame = self.stack[-1]
        frame.height = max(frame.height, made.height + 1)
        container = frame.node.value
        if isinstance(container, list):
            container.append(made.node)
        elif isinstance(container, dict):
            self._attach_to_mapping(frame, container, made.node)

    def _attach_to_mapping(self, frame: _Frame, mapping: dict[str, Node], node: Node) -> None:
        if frame.key is None:
            frame.key, frame.ignored = node, self._refuses_key(mapping, node)
            return
        key, frame.key = frame.key, None
        if not frame.ignored:
            mapping[str(key.value)] = replace(node, key_line=key.line, key_column=key.column)

    def _refuses_key(self, mapping: dict[str, Node], key: Node) -> bool:
        if not isinstance(key.value, str):
            self.problems.add(key.place, "a key must be one line of text", _QUOTE_HINT)
            return True
        if key.value == "<<":
            self.problems.add(key.place, "merge keys (<<) are not YAML 1.2", "write the keys out")
            return True
        if key.value in mapping:
            first = mapping[key.value]
            self.problems.add(key.place, f'the key "{key.value}" stands here twice', f"first on line {first.key_line}")
            return True
        return False

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        self._refuse_tag(event)
        place = self.place(event.start_mark)
        value: Json = event.value
        frame = self.stack[-1] if self.stack else None
        is_key = frame is not None and isinstance(frame.node.value, dict) and frame.key is None
        try:
            if event.implicit[0] and not is_key:
                value = scalar(event.value)
            refusal = unsendable(value)
        except ValueError as error:
            refusal = str(error)
        if refusal is not None:
            self.problems.refuse(place, refusal, "put it in quotes if it is text")
            value = None
        assert not isinstance(value, list | dict)
        return Node(value, self.file, place.line, place.column)

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        if event.tag not in (None, "!", _STRING_TAG):
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            hint = "remove it; text that starts with ! must be in quotes"
            self.problems.refuse(self.place(event.start_mark), f"the tag {shown} has no meaning here", hint)

    def _count(self, size: int, event: yaml.Event) -> None:
        self.count += size
        if self.count > MAX_NODES:
            self._stop(
                event, f"more than {MAX_NODES} values", "aliases count each time; use a prompt file for long lists"
            )

    def _stop(self, event: yaml.Event, message: str, hint: str) -> None:
        self.problems.add(self.place(event.start_mark), message, hint)
        raise _Stop
