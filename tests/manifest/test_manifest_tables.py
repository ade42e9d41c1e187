"""Prompt lists: what is read, and where mistakes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.job import Json
from batchgen.manifest import tables
from batchgen.manifest.problems import Problems


def read(folder: Path, name: str, content: str | bytes) -> tuple[list[dict[str, Json]], list[str]]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    table = tables.read(path, name, problems)
    rows = [dict(record.values) for record in table.records] if table else []
    return rows, [str(problem) for problem in problems.errors]


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("p.txt", "\ufeff a fox \r\n\r\n   \nb\tc", [{"prompt": " a fox "}, {"prompt": "b\tc"}]),
        ("p.csv", "\ufeffprompt,n\r\na,1\r\n\r\nb,\r\n", [{"prompt": "a", "n": "1"}, {"prompt": "b", "n": ""}]),
        ("p.csv", 'prompt\n"a, ""b""\nc"\nd', [{"prompt": 'a, "b"\nc'}, {"prompt": "d"}]),
        ("p.csv", '"prompt","n"\n"",""\n', [{"prompt": "", "n": ""}]),
        ("p.tsv", 'prompt\tn\na "quoted" one\t"\n', [{"prompt": 'a "quoted" one', "n": '"'}]),
        ("p.CSV", "prompt\n狐\n", [{"prompt": "狐"}]),
        (
            "p.jsonl",
            '{"prompt": "a", "n": {"x": [1]}}\n\n{"prompt": "b"}',
            [{"prompt": "a", "n": {"x": [1]}}, {"prompt": "b"}],
        ),
    ],
)
def test_lists_are_read_by_their_rules(name: str, content: str, rows: list[Json], tmp_path: Path) -> None:
    assert read(tmp_path, name, content) == (rows, [])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("p.csv", "prompt,n\na,1,2\n", "p.csv:2:5: 3 cells where the header has 2 columns"),
        ("p.csv", 'prompt,n\n"a\nb",1,2\n', "p.csv:3:6: 3 cells where the header has 2 columns"),
        ("p.csv", "prompt,n\na\n", "p.csv:2:1: 1 cells where the header has 2 columns"),
        ("p.tsv", "prompt\tn\na\tb\tc\n", "p.tsv:2:5: 3 cells where the header has 2 columns"),
        ("p.csv", 'prompt\na 12" disc\n', "p.csv:2:5: a quote inside a cell that does not start with one"),
        ("p.csv", 'prompt,n\n"a" b,1\n', "p.csv:2:4: text after a closing quote"),
        ("p.csv", 'prompt,n\nb,"a\n', "p.csv:2:3: a quote opens here and is not closed"),
        ("p.csv", "prompt,prompt\na,b\n", 'p.csv:1:8: two columns are called "prompt"'),
        ("p.csv", ",prompt\n0,a\n", "p.csv:1:1: column 1 has no name"),
        ("p.txt", b"a\nb\xe9\n", "p.txt:2:2: not UTF-8; save the file as UTF-8"),
        ("p.txt", b"\xff\xfea\x00", "p.txt:1:1: not UTF-8"),
        ("p.txt", b"a\rb\r", "p.txt:1:2: a carriage return inside a line"),
        ("p.txt", b"a\0b\n", "p.txt:1:2: a NUL character"),
        ("p.jsonl", '{"prompt": "a"}\n{"prompt": }\n', "p.jsonl:2:12: not JSON"),
        ("p.jsonl", '["a"]\n', "p.jsonl:1:1: not a JSON object"),
        ("p.jsonl", '{"prompt": "a", "prompt": "b"}\n', 'p.jsonl:1:1: the key "prompt" stands here twice'),
        ("p.jsonl", '{"prompt": "a", "n": NaN}\n', "p.jsonl:1:1: NaN is not JSON"),
        ("p.jsonl", '{"prompt": "\\ud800"}\n', "p.jsonl:1:1: half of a surrogate pair"),
        (
            "p.jsonl",
            '{"prompt": "a", ' + ", ".join(f'"{number}": 1' for number in range(1000)) + "}",
            "p.jsonl:1:1: 1001 keys, and at most 1000 are read; is this a list of prompts?",
        ),
        ("p.csv", "," * 300_000, "p.csv:1:1: 300001 columns, and at most 1000 are read; is this a list of prompts?"),
        ("p.jsonl", '{"prompt": "a", "n": ' + "9" * 5000 + "}\n", "p.jsonl:1:1: a number of 5000 digits is too wide"),
        ("p.jsonl", '{"prompt": "a", "n": 1e999}\n', "p.jsonl:1:1: a number must be finite"),
        ("p.jsonl", '{"prompt": ' + "[" * 100_000 + "\n", "p.jsonl:1:1: nested too deeply"),
    ],
)
def test_mistakes_are_named_with_their_place(name: str, content: str | bytes, expected: str, tmp_path: Path) -> None:
    _, problems = read(tmp_path, name, content)

    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_one_bad_row_does_not_hide_the_next(tmp_path: Path) -> None:
    rows, problems = read(tmp_path, "p.csv", "prompt,n\na\nb,1\nc,2,3\n")

    assert rows == [{"prompt": "b", "n": "1"}]
    assert [problem.split(": ")[0] for problem in problems] == ["p.csv:2:1", "p.csv:4:5"]


def test_cells_know_their_place_in_multi_line_records(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('prompt,n,m\n"a\nb",狐狐,3\n')
    table = tables.read(path, "p.csv", Problems())
    assert table is not None

    record = next(table.records)

    assert (str(record.place("prompt")), str(record.place("n")), str(record.place("m"))) == (
        "p.csv:2:1",
        "p.csv:3:4",
        "p.csv:3:7",
    )


@pytest.mark.parametrize("content", [b'prompt\n"' + b"x\n" * 1_000_000, b"x" * 2_000_000])
def test_an_endless_record_is_not_read_into_memory(content: bytes, tmp_path: Path) -> None:
    _, problems = read(tmp_path, "p.csv", content)

    assert len(problems) == 1


def test_a_flood_of_mistakes_is_counted_not_listed(tmp_path: Path) -> None:
    _, problems = read(tmp_path, "p.csv", "prompt,n\n" + "a\n" * 1000)

    assert len(problems) == 200
