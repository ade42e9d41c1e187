"""The house's rules, held against the source: who may import whom, and how large things may grow."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "batchgen"
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60


@dataclass(frozen=True, slots=True)
class Room:
    """What one room may import besides the standard library: other rooms, and libraries."""

    rooms: frozenset[str]
    libraries: frozenset[str] = frozenset()


def room(rooms: str = "", libraries: str = "") -> Room:
    """Return a Room from two lists of words."""
    return Room(frozenset(rooms.split()), frozenset(libraries.split()))


ROOMS: Mapping[str, Room] = {
    "errors": room(),
    "job": room("errors"),
    "events": room("errors job"),
    "state": room("errors job events"),
    "catalog": room("errors", "jsonschema_rs"),
    "manifest": room("errors job catalog", "yaml"),
    "plan": room("errors job state catalog"),
    "ledger": room("errors events state", "msgspec orjson"),
    "runcomfy": room("errors job", "aiohttp yarl orjson"),
    "store": room("errors job", "aiofiles PIL"),
    "engine": room("errors job events state"),
    "report": room("errors job events state", "tqdm"),
    "sandbox": room("", "aiohttp PIL jsonschema_rs"),
    "cli": room(
        "__init__ errors job events state catalog manifest plan ledger runcomfy store engine report sandbox",
        "click uvloop",
    ),
    "__main__": room("cli"),
    "__init__": room(),
}


def name_of(path: Path) -> str:
    """Return a source file's dotted name; a package's is that of its `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room_of(module: str) -> str:
    """Return the room a module of ours belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(module: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of every import of a module, wherever it stands; names of ours are those of modules."""
    for node in ast.walk(ast.parse(SOURCES[module].read_bytes())):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(source), names=names, level=0):
                for alias in names:
                    inner = f"{source}.{alias.name}"
                    yield node.lineno, inner if inner in SOURCES else source
            case ast.ImportFrom():
                yield node.lineno, "a relative import"


def trespasses(module: str) -> Iterator[str]:
    """Yield every import that the module's room does not allow."""
    own = room_of(module)
    allowed = ROOMS.get(own, room())
    for line, name in imports_of(module):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in allowed.libraries:
            continue
        if top == "batchgen" and (room_of(name) == own or room_of(name) in allowed.rooms):
            continue
        yield f"{SOURCES[module].relative_to(ROOT)}:{line}: {own} may not import {name}"


def test_every_room_imports_only_what_the_table_allows() -> None:
    assert [trespass for module in SOURCES for trespass in trespasses(module)] == []


def test_every_module_belongs_to_a_room_and_every_room_exists() -> None:
    assert {room_of(module) for module in SOURCES} == ROOMS.keys()


def test_what_is_imported_as_ours_is_there() -> None:
    wanted = {name for module in SOURCES for _, name in imports_of(module) if name.startswith("batchgen")}

    assert wanted - SOURCES.keys() == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: {name for _, name in imports_of(module)} & SOURCES.keys() for module in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_no_module_is_too_long() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in SOURCES.items()}

    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_function_is_too_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines"
        for path in SOURCES.values()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]

    assert long == []


def test_contributing_shows_the_same_table() -> None:
    lines = (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    shown = {row[0].strip("`"): tuple(_words(cell) for cell in row[2:4]) for row in cells if len(row) == 4}

    assert shown == {name: (known.rooms, known.libraries) for name, known in ROOMS.items()}


def _words(cell: str) -> frozenset[str]:
    if cell == "every room":
        return ROOMS["cli"].rooms
    return frozenset(word.strip("`,") for word in cell.split())
