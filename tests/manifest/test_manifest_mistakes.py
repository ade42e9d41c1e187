"""Every mistake of a manifest: its place, what is wrong, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen import errors
from batchgen.catalog.schema import bundled
from batchgen.manifest import Manifest, Overrides, load

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
    ("text", "place", "words"),
    [
        # the manifest's own keys
        (HEAD + "setings: {}", "3:1", ['unknown key "setings"', 'did you mean "settings"?']),
        (HEAD + "limits: {concurency: 3}", "3:10", ['"concurency" in limits', 'did you mean "concurrency"?']),
        (HEAD + "qqq: 1", "3:1", ["the keys here are name, model"]),
        (f"model: {MODEL}", "1:1", ["no prompts", "write prompts:"]),
        ("prompts: [a]", "1:1", ["no model", "write model:"]),
        ("- a\n- b\n", "1:1", ["a manifest must be a mapping"]),
        # models
        (
            "model: google/nano-banana-2/text-to-imag\nprompts: [a]",
            "1:8",
            ["unknown model", f'did you mean "{MODEL}"?'],
        ),
        (f"model: [{{settings: {{}}}}, {MODEL}]\nprompts: [a]", "1:9", ["a model without id"]),
        (f"model: [{{id: {MODEL}, settings: {{num_images: 9}}}}]\nprompts: [a]", "1:73", ["from 1 to 4"]),
        ("model: 7\nprompts: [a]", "1:8", ["must be text"]),
        ("model: google/nano-banana-2/edit\nprompts: [a]", "2:11", ["needs image_urls", "give it under settings"]),
        # prompts
        (f"model: {MODEL}\nprompts: a fox", "2:10", ["prompts must be a list"]),
        (f"model: {MODEL}\nprompts: []", "2:10", ["prompts is empty"]),
        (f"model: {MODEL}\nprompts: [7]", "2:11", ["a prompt must be text", '"7" in quotes']),
        (f"model: {MODEL}\nprompts: ['  ']", "2:11", ["a prompt is empty"]),
        (f"model: {MODEL}\nprompts:\n  - a fox: red", "3:5", ["if this is one prompt, put it in quotes"]),
        (f"model: {MODEL}\nprompts: [{{tags: {{}}}}]", "2:11", ["neither text nor file"]),
        (f"model: {MODEL}\nprompts: [{{text: a, file: b.txt}}]", "2:11", ["both text and file"]),
        (f"model: {MODEL}\nprompts: [{{text: a, tag: {{}}}}]", "2:21", ['did you mean "tags"?']),
        (f"model: {MODEL}\nprompts: [{{text: a, limit: 3}}]", "2:21", ["limit belongs to prompts with file"]),
        (f"model: {MODEL}\nprompts: [{{text: '{{a}} {{b}}', vars: {{a: [x]}}}}]", "2:18", ["{b} has no value in vars"]),
        (
            f"model: {MODEL}\nprompts: [{{text: '{{fox}} {{foxx}}', vars: {{fox: [x]}}}}]",
            "2:18",
            ['did you mean "fox"?'],
        ),
        (f"model: {MODEL}\nprompts: [{{text: 'x', vars: {{a: [x]}}}}]", "2:30", ["vars.a is not in the text"]),
        (f"model: {MODEL}\nprompts: [{{text: '{{a', vars: {{a: [x]}}}}]", "2:18", ["the braces do not match"]),
        (f"model: {MODEL}\nprompts: [{{text: '{{a}}', vars: {{a: []}}}}]", "2:35", ["vars.a is empty"]),
        (f"model: {MODEL}\nprompts: [{{text: '{{a}}', vars: {{a: [[x]]}}}}]", "2:36", ["must be text or a number"]),
        (f"model: {MODEL}\nprompts: [{{text: '{{a}}', vars: {{a: [x]}}, tags: {{a: 1}}}}]", "2:47", ["taken by vars"]),
        (
            f"model: {MODEL}\nprompts: [{{file: god.csv}}]",
            "2:18",
            ["god.csv does not exist", 'did you mean "good.csv"?'],
        ),
        (f"model: {MODEL}\nprompts: [{{file: sub.txt}}]", "2:18", ["sub.txt is a folder"]),
        (f"model: {MODEL}\nprompts: [{{file: m.yaml}}]", "2:18", ["no prompt list by its name", ".jsonl"]),
        (f"model: {MODEL}\nprompts: [{{file: good.csv, column: Promt}}]", "2:36", ['did you mean "Prompt"?']),
        (f"model: {MODEL}\nprompts: [{{file: good.csv, where: {{Categry: x}}}}]", "2:36", ['did you mean "Category"?']),
        (
            f"model: {MODEL}\nprompts: [{{file: good.csv, where: {{Category: x}}}}]",
            "2:18",
            ["no row of it matches where"],
        ),
        (f"model: {MODEL}\nprompts: [{{file: good.csv, limit: 0}}]", "2:35", ["1 or more"]),
        (f"model: {MODEL}\nprompts: [{{file: bare.txt}}]", "2:18", ["it holds no prompts"]),
        # inputs
        (HEAD + "settings: {resolutoin: 2K}", "3:12", ['did you mean "resolution"?']),
        (HEAD + "settings: {aspect_ratio: 16x9}", "3:26", ['did you mean "16:9"?', "one of auto"]),
        (HEAD + 'settings: {safety_tolerance: "4"}', "3:30", ["write 4, a whole number"]),
        (HEAD + "settings: {num_images: true}", "3:24", ["must be a whole number"]),
        (HEAD + "settings: {prompt: a cat}", "3:12", ["prompts go under prompts"]),
        (HEAD + "settings: [a]", "3:11", ["settings must be a mapping"]),
        (HEAD + "settings: {seed: -1}", "3:18", ["a random seed could not be logged"]),
        (HEAD + "grid: {resolution: 2K}", "3:20", ["grid.resolution must be a list", 'write ["2K"]']),
        (HEAD + "grid: {resolution: []}", "3:20", ["grid.resolution is empty"]),
        (HEAD + "grid: {resolution: [1K, 3K]}", "3:25", ["one of 0.5K, 1K, 2K, 4K"]),
        (HEAD + "zip: {resolution: [1K], num_images: [1, 2]}", "3:6", ["resolution has 1, num_images has 2"]),
        (HEAD + "grid: {resolution: [1K]}\nzip: {resolution: [2K]}", "4:7", ["in grid and in zip"]),
        (HEAD + "exclude: [{resoluton: 2K}]", "3:12", ["neither an input nor a tag", 'did you mean "resolution"?']),
        (HEAD + "exclude: [{resolution: 3K}]", "3:24", ["one of 0.5K"]),
        (HEAD + "exclude: [{}]", "3:11", ["excludes everything"]),
        # seeds
        (HEAD + "seeds: random", "3:8", ["random seeds could not be logged"]),
        (HEAD + "seeds: -1", "3:8", ["random seeds could not be logged"]),
        (HEAD + "seeds: 0", "3:8", ["write none to send no seed"]),
        (HEAD + "seeds: [7, -1]", "3:12", ["a seed cannot be -1"]),
        (HEAD + "seeds: []", "3:8", ["seeds is empty"]),
        (HEAD + "seeds: {start: 1, per: job}", "3:19", ["per is for derived seeds"]),
        (HEAD + "seeds: {per: model}", "3:14", ["one of prompt, job, run"]),
        (HEAD + "seeds: {conut: 3}", "3:9", ['did you mean "count"?']),
        (HEAD + "seeds: 3\nsettings: {seed: 4}", "4:12", ["a seed is given here, and seeds at m.yaml:3:1"]),
        (HEAD + "seeds: 3\ngrid: {seed: [4]}", "4:8", ["a seed is given here, and seeds at m.yaml:3:1"]),
        # the rest
        (HEAD + "repeats: 0", "3:10", ["a number from 1 to 100000"]),
        (HEAD + "limits: {max_time: 2 hours}", "3:20", ["is not a duration", "write 90, 90s, 5m, 2h or 1d"]),
        (HEAD + "limits: {max_cost_usd: -1}", "3:24", ["cannot be -1", "more than 0"]),
        (HEAD + "limits: {concurrency: 1001}", "3:23", ["a number from 1 to 1000"]),
        (HEAD + "limits: {submits_per_second: 0}", "3:30", ["more than 0 and at most 1000"]),
        (HEAD + "output: {sidecar: yes}", "3:19", ["must be true or false"]),
        (HEAD + "output: {dir: 'runs/{date}'}", "3:15", ["one manifest has one ledger"]),
        (HEAD + "output: {name: '{indx}'}", "3:16", ["unknown field {indx}", 'did you mean "index"?']),
        (HEAD + "output: {name: '{index:x5}'}", "3:16", ["the format of {index:x5} does not fit"]),
        (HEAD + "output: {name: '{resolution:03d}'}", "3:16", ["does not fit"]),
        (HEAD + "output: {name: '{index'}", "3:16", ["the braces do not match"]),
        (HEAD + "output: {name: '{index:9999}'}", "3:16", ["does not fit"]),
        (HEAD + "name: a/b", "3:7", ["no slashes"]),
        (HEAD + "pricing: {per: second}", "3:16", ["one of output"]),
        (HEAD + "pricing: {base_usd: free}", "3:21", ["an amount in USD"]),
        (HEAD + "pricing: {times: {resolution: {3K: 2}}}", "3:32", ['"3K" is no value of it']),
        (HEAD + "pricing: {plus: {web_search: 1}}", "3:18", ['did you mean "enable_web_search"?']),
    ],
)
def test_each_mistake_names_its_place_and_its_fix(text: str, place: str, words: list[str], folder: Path) -> None:
    told = mistakes(folder, text)

    assert len(told) == 1
    assert told[0].startswith(f"m.yaml:{place}: ")
    for word in words:
        assert word in told[0]


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


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (Overrides(model="no/such"), '--model: unknown model "no/such"'),
        (Overrides(settings=("resolution",)), '--set: "resolution" is not key=value'),
        (Overrides(settings=("resolutoin=2K",)), 'did you mean "resolution"?'),
        (Overrides(settings=("num_images=9",)), "--set: num_images cannot be 9; from 1 to 4"),
        (Overrides(settings=("num_images=x",)), '--set: num_images cannot be "x"; it must be a whole number'),
        (Overrides(settings=("num_images=1", "num_images=2")), "--set: num_images is given twice"),
        (Overrides(settings=("resolution=\udc80",)), "--set: half of a surrogate pair"),
        (Overrides(grid=("resolution=1K,3K",)), '--grid: resolution cannot be "3K"'),
        (Overrides(grid=("resolution=1K",), settings=("resolution=2K",)), "--grid: resolution is given by --set too"),
        (Overrides(seeds="random"), '--seeds: seeds cannot be "random"'),
        (Overrides(seeds="3", settings=("seed=4",)), "--set: a seed is given here, and seeds at --seeds"),
        (Overrides(prompt_column="text"), "--prompt-column: this manifest names no prompt file"),
        (Overrides(concurrency="many"), "--concurrency: limits.concurrency must be a whole number"),
        (Overrides(max_cost_usd="0"), "--max-cost: limits.max_cost_usd cannot be 0"),
        (Overrides(max_time="soon"), "--max-time: limits.max_time cannot be"),
    ],
)
def test_mistakes_on_the_command_line_name_the_option(overrides: Overrides, expected: str, folder: Path) -> None:
    told = mistakes(folder, HEAD, overrides)

    assert len(told) == 1
    assert expected in told[0]


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
