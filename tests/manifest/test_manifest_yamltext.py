"""YAML 1.2 core, with places, and nothing that can hurt."""

from __future__ import annotations

import pytest

from batchgen.job import Json
from batchgen.manifest import yamltext
from batchgen.manifest.problems import Problems
from batchgen.manifest.yamltext import Node


def read(text: str | bytes) -> tuple[Node | None, list[str]]:
    problems = Problems()
    data = text.encode() if isinstance(text, str) else text
    root = yamltext.parse(data, "m.yaml", problems)
    return root, [str(problem) for problem in problems.errors]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16:9", "16:9"),
        ("1:1", "1:1"),
        ("no", "no"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("0.5K", "0.5K"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("'7'", "7"),
        ('"true"', "true"),
        ("!!str 7", "7"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: Json) -> None:
    root, problems = read(f"a: {text}")

    assert problems == []
    assert root is not None
    assert yamltext.plain(root) == {"a": value}
    assert type(yamltext.plain(root)["a"]) is type(value)  # type: ignore[call-overload,index]


def test_keys_and_values_know_their_places() -> None:
    root, _ = read("\ufeffa: 1\nb:\n  - {c: 狐, d: x}\n")

    assert root is not None
    assert isinstance(root.value, dict)
    items = root.value["b"].value
    assert isinstance(items, list)
    inner = items[0].value
    assert isinstance(inner, dict)
    assert (root.value["a"].key_line, root.value["a"].key_column) == (1, 1)
    assert (inner["d"].key_line, inner["d"].key_column, inner["d"].line, inner["d"].column) == (3, 12, 3, 15)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", 'm.yaml:3:1: the key "a" stands here twice; first on line 1'),
        ("a: !!int 7", "m.yaml:1:4: the tag !!int has no meaning here"),
        ("a: !!python/object/apply:os.system [x]", "m.yaml:1:4: the tag !!python/object/apply:os.system"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "m.yaml:3:3: merge keys (<<) are not YAML 1.2"),
        ("a: 1\n---\nb: 1\n", "m.yaml:2:1: a second document"),
        ("a: *x\n", "m.yaml:1:4: the alias *x names nothing"),
        ("a: &x [*x]\n", "m.yaml:1:8: the alias *x names nothing that is complete"),
        ("? [a]\n: 1\n", "m.yaml:1:3: a key must be one line of text"),
        ("a: {b} c\n", "m.yaml:1:8: not YAML"),
        ("a:\n\tb: 1\n", "m.yaml:2:1: not YAML: found character that cannot start any token; indent with spaces"),
        ("a: x\x00y\n", "m.yaml:1:5: the character U+0000 may not stand in YAML"),
        ("a: x\u2028y\n", "m.yaml:1:5: the character U+2028 may not stand in YAML"),
        ("a: .nan\n", "m.yaml:1:4: .nan is not a finite number"),
        ("a: -.INF\n", "m.yaml:1:4: -.INF is not a finite number"),
        ("a: 99999999999999999999\n", "m.yaml:1:4: a whole number must fit in 64 bits"),
        ("%TAG !a! tag:x,2000:\n" * 65 + "---\na: 1\n", "m.yaml: more than 64 lines begin with %"),
        ("a: " + "9" * 5000, "m.yaml:1:4: a number of 5000 digits is too wide"),
        (b"a: 1\nb: x\xff\n", "m.yaml:2:5: not UTF-8"),
        (b"\xff\xfea\x00", "m.yaml:1:1: not UTF-8"),
        ("a: [1, 2\nb: 3\n", "not YAML"),
    ],
)
def test_what_is_refused_is_named_with_its_place(text: str | bytes, expected: str) -> None:
    _, problems = read(text)

    assert len(problems) == 1
    assert expected in problems[0]


@pytest.mark.parametrize("character", "\t \x7e\xa0\u2027\u202a\ud7ff\ue000\ufffd\U00010000\U0010ffff")
def test_the_last_characters_that_may_stand_in_yaml_are_kept(character: str) -> None:
    root, problems = read(f"'{character}x'")

    assert (root and root.value, problems) == (f"{character}x", [])


@pytest.mark.parametrize("character", "\0\x08\x0b\x0c\x0e\x1f\x7f\x9f\u2028\u2029\ufffe\uffff")
def test_the_first_characters_that_may_not_stand_in_yaml_are_named(character: str) -> None:
    _, problems = read(f"'{character}x'")

    assert len(problems) == 1
    assert f"m.yaml:1:2: the character U+{ord(character):04X} may not stand in YAML" in problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "- " * 50_000,
        "{a: " * 50_000,
        "a: &a [x]\n" + "\n".join(f"k{n}: &k{n} [*{'a' if n == 0 else f'k{n - 1}'}]" for n in range(1300)),
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    _, problems = read(text)

    assert len(problems) == 1
    assert "levels deep" in problems[0]


def test_alias_bombs_are_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20)
    )

    _, problems = read(bomb)

    assert len(problems) == 1
    assert f"more than {yamltext.MAX_NODES} values" in problems[0]


def test_ordinary_aliases_are_fine() -> None:
    root, problems = read("a: &x {b: 1}\nc: [*x, *x]\n")

    assert problems == []
    assert root is not None
    assert yamltext.plain(root) == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


def test_the_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltext, "MAX_BYTES", 1024 * 1024)

    _, problems = read(b"#" * (1024 * 1024 + 1))

    assert "larger than 1 MiB" in problems[0]


def test_several_mistakes_are_told_at_once() -> None:
    _, problems = read("a: !x 1\na: 2\nb: .inf\n")

    assert len(problems) == 3
