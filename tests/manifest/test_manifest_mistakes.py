"""Mistakes together, in lists, in files that are not there or damaged, and what is only a warning."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen import errors
from batchgen.catalog.schema import bundled
from batchgen.manifest import keys
from batchgen.manifest.loader import load
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.overrides import Overrides

MODEL = "google/nano-banana-2/text-to-image"
HEAD = f"model: {MODEL}\nprompts: [a fox]\n"
LISTS = {
    "good.csv": "Prompt,Category,num_images\na fox,Animals,2\na car,Vehicles,\n",
    "typed.csv": "prompt,num_images,seed\na fox,five,1\na car,9,-1\n",
    "empty.csv": "prompt,note\n,x\n",
    "two.csv": "prompt,PROMPT\na,b\n",
    "near.csv": "promt,note\na,b\n",
    "bare.txt": "\n\n",
    "rows.jsonl": '{"prompt": 4}\n{"text": "a"}\n{"prompt": "a", "num_images": "2"}\n',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in LISTS.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "sub.txt").mkdir()
    return tmp_path


def mistakes(folder: Path, text: str, overrides: Overrides | None = None) -> list[str]:
    path = folder / "m.yaml"
    path.write_text(text)
    try:
        load(path, overrides or Overrides(), bundled)
    except errors.ManifestError as error:
        return [str(problem).replace(f"{folder}/", "") for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "typed.csv",
            ["typed.csv:2:7: num_images cannot be", "typed.csv:3:7: num_images", "typed.csv:3:9: seed cannot be -1"],
        ),
        ("empty.csv", ["empty.csv:2:1: an empty prompt"]),
        ("two.csv", ["two.csv:1:1: the columns prompt, PROMPT could all be the prompt"]),
        ("near.csv", ['near.csv:1:1: no column "prompt"; did you mean "promt"?']),
        (
            "rows.jsonl",
            [
                "rows.jsonl:1:2: a prompt must be text",
                'rows.jsonl:2:1: no "prompt"',
                "rows.jsonl:3:17: num_images cannot be",
            ],
        ),
    ],
)
def test_mistakes_in_lists_name_the_cell(name: str, expected: list[str], folder: Path) -> None:
    told = mistakes(folder, f"model: {MODEL}\nprompts: [{{file: {name}}}]")

    assert len(told) == len(expected)
    for text, start in zip(told, expected, strict=True):
        assert text.startswith(start)


def test_nothing_hides_another_mistake(folder: Path) -> None:
    told = mistakes(
        folder,
        "nmae: x\nmodel: no/such\nprompts: [7, {file: typo.csv}, {file: near.csv}]\n"
        "settings: {prompt: x}\nseeds: random\nlimits: {wait: soon}\noutput: {name: '{'}\npricing: {per: x}\n",
        Overrides(settings=("x",), max_jobs="0"),
    )

    assert [text.split(": ")[0] for text in told] == [
        "--max-jobs",
        "--set",
        "m.yaml:1:1",
        "m.yaml:2:8",
        "m.yaml:3:11",
        "m.yaml:3:21",
        "m.yaml:4:12",
        "m.yaml:5:8",
        "m.yaml:6:16",
        "m.yaml:7:16",
        "m.yaml:8:16",
        "near.csv:1:1",
    ]


def test_a_file_that_cannot_be_read_hides_no_name(folder: Path) -> None:
    """The field may be a column of the missing file, and the message says so."""
    told = mistakes(
        folder,
        f"model: {MODEL}\nprompts: [{{file: typo.csv}}]\nexclude: [{{Kategory: x}}]\noutput: {{name: '{{indx}}'}}\n",
    )

    assert [text.split(": ")[0] for text in told] == ["m.yaml:2:18", "m.yaml:3:12", "m.yaml:4:16"]
    assert all("unless what could not be read has it" in text for text in told[1:])


def test_an_unknown_model_hides_no_misspelt_field_and_accuses_no_input(folder: Path) -> None:
    told = mistakes(folder, "model: no/such\nprompts: [a]\noutput: {name: '{indx}_{resolution}'}\n")

    assert [text.split(": ")[0] for text in told] == ["m.yaml:1:8", "m.yaml:3:16"]
    assert "unknown field {indx}" in told[1]


def test_a_misspelt_key_hides_nothing_inside_and_is_not_missing_too(folder: Path) -> None:
    told = mistakes(folder, f"modle: {MODEL}\npromts: [{{text: a, setings: {{num_images: 9}}}}]\n")

    assert [text.split(": ")[0] for text in told] == ["m.yaml:1:1", "m.yaml:2:1", "m.yaml:2:20", "m.yaml:2:42"]


@pytest.mark.parametrize("value", ["5", "4000000000", "'{x}'", "[]", "{}", "[{}]", "null"])
def test_a_misspelt_key_is_told_whatever_stands_there(value: str, folder: Path) -> None:
    for key in keys.TABLE:
        *parents, last = key.path.split(".")
        line = f"{last[:-2]}{last[-1]}{last[-2]}: {value}"
        for parent in reversed(parents):
            line = f"{parent[:-2]}: [{{{line}}}]" if parent.endswith("[]") else f"{parent}: {{{line}}}"
        told = mistakes(folder, line)

        assert any("unknown key" in text for text in told)
        assert all(text.startswith("m.yaml:") for text in told)


def test_a_row_without_a_prompt_hides_no_other_cell(folder: Path) -> None:
    """Neither does a table without the column."""
    rows = "prompt,num_images,resolution\n,9,3K\na,8,1K\n"
    (folder / "rows.csv").write_text(rows)
    (folder / "promt.csv").write_text(rows.replace("prompt", "promt"))

    told = mistakes(folder, f"model: {MODEL}\nprompts: [{{file: rows.csv}}, {{file: promt.csv}}]")

    assert [text.split(": ")[0] for text in told] == [
        "promt.csv:1:1",
        "promt.csv:2:2",
        "promt.csv:2:4",
        "promt.csv:3:3",
        "rows.csv:2:1",
        "rows.csv:2:2",
        "rows.csv:2:4",
        "rows.csv:3:3",
    ]


def test_every_file_of_a_list_is_told_of_at_its_own_place(folder: Path) -> None:
    told = mistakes(
        folder,
        "model: google/nano-banana-2/edit\nprompts: [{text: a, file: b.csv, settings: {num: 1}}]\nsettings:\n"
        "  image_urls:\n  - no.png\n  - http://a.b/c\n",
    )

    assert [text.split(": ")[0] for text in told] == ["m.yaml:2:11", "m.yaml:2:45", "m.yaml:5:5", "m.yaml:6:5"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m.yml", 'm.yml: does not exist; did you mean "m.yaml"?'),
        ("", "is a folder"),
        ("good.pdf", "is no manifest by its name"),
    ],
)
def test_a_missing_manifest_is_told_helpfully(name: str, expected: str, folder: Path) -> None:
    (folder / "m.yaml").write_text(HEAD)
    (folder / "good.pdf").write_text("")

    with pytest.raises(errors.ManifestError) as caught:
        load(folder / name, Overrides(), bundled)

    assert expected in str(caught.value)


@pytest.mark.parametrize("content", ["", "# only a comment\n", "---\n"])
def test_an_empty_manifest_is_told(content: str, folder: Path) -> None:
    assert len(mistakes(folder, content)) >= 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "grid: {resolution: [1K, 1K]}", 'm.yaml:3:25: resolution has "1K" twice; it is made once'),
        (HEAD + "seeds: [2147483648]", "m.yaml:3:9: seed 2147483648 is wider than 31 bits"),
        (HEAD + "settings: {seed: 2147483648}", "m.yaml:3:18: seed 2147483648 is wider than 31 bits"),
    ],
)
def test_what_may_be_a_mistake_is_a_warning(text: str, expected: str, folder: Path) -> None:
    path = folder / "m.yaml"
    path.write_text(text)

    told = [str(warning).replace(f"{folder}/", "") for warning in load(path, Overrides(), bundled).warnings]

    assert len(told) == 1
    assert told[0].startswith(expected)


def test_a_column_nearly_named_like_an_input_gets_a_warning(folder: Path) -> None:
    path = folder / "p.csv"
    path.write_text("prompt,aspect ratio,Note\na,1:1,x\n")

    manifest: Manifest = load(path, Overrides(model=MODEL), bundled)

    assert [str(warning) for warning in manifest.warnings] == [
        f'{path}:1:8: the column "aspect ratio" is nearly an input; '
        'rename it if you mean the input "aspect_ratio"; else it is a tag'
    ]


PIECES = [
    "{",
    "}",
    "[",
    "]",
    ": ",
    "\n",
    "- ",
    "'",
    '"',
    "&a ",
    "*a",
    "~",
    "-1",
    "1e999",
    ".nan",
    "\t",
    "!x ",
    "none",
    "\0",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 8), st.sampled_from(PIECES)), min_size=1, max_size=3)
)
def test_a_damaged_manifest_is_told_of_and_never_crashes(cuts: list[tuple[int, int, str]], folder: Path) -> None:
    text = HEAD + (
        "settings: {safety_tolerance: 4}\ngrid: {aspect_ratio: [1:1, 16:9]}\nzip: {num_images: [1, 2]}\n"
        "seeds: {count: 2}\nexclude: [{num_images: 2}]\nlimits: {wait: 30m}\noutput: {name: '{index:05}'}\n"
        "pricing: {base_usd: 0.08}\n"
    )
    for at, length, piece in cuts:
        text = text[:at] + piece + text[at + length :]

    assert all(mistakes(folder, text))
