"""Every mistake names its place and its fix, wherever it is made: in YAML, a table or JSONL, on the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from batchgen import errors
from batchgen.catalog.schema import bundled
from batchgen.manifest import media
from batchgen.manifest.loader import load
from batchgen.manifest.overrides import Overrides

MODEL = "google/nano-banana-2/text-to-image"
EDIT = "google/nano-banana-2/edit"
HEAD = f"model: {MODEL}\nprompts: [a fox]\n"
EDITING = f"model: {EDIT}\nprompts: [a fox]\n"
SEED = "a random seed could not be logged or made again"


@dataclass(frozen=True)
class Mistake:
    """One mistake made in one place: what is loaded, where the message must point, and what it must say."""

    name: str
    form: str
    text: str | bytes
    place: str
    message: str
    fix: str
    overrides: Overrides = field(default_factory=Overrides)

    @property
    def label(self) -> str:
        """The row's name in a test report."""
        return f"{self.form}-{self.name}"


def yaml(name: str, text: str | bytes, place: str, message: str, fix: str) -> Mistake:
    """A mistake in a whole manifest."""
    return Mistake(name, "yaml", text, f"m.yaml:{place}", message, fix)


def more(name: str, text: str, place: str, message: str, fix: str) -> Mistake:
    """A mistake from the third line on, after a model and a prompt."""
    return yaml(name, HEAD + text, place, message, fix)


def csv(name: str, text: str | bytes, place: str, message: str, fix: str, model: str = MODEL) -> Mistake:
    """A mistake in a table that is a manifest itself."""
    return Mistake(name, "csv", text, f"m.csv:{place}", message, fix, Overrides(model=model))


def jsonl(name: str, text: str | bytes, place: str, message: str, fix: str, model: str = MODEL) -> Mistake:
    """A mistake in a .jsonl that is a manifest itself."""
    return Mistake(name, "jsonl", text, f"m.jsonl:{place}", message, fix, Overrides(model=model))


def option(name: str, message: str, fix: str, overrides: Overrides, place: str = "--set", text: str = HEAD) -> Mistake:
    """A mistake on the command line of a sound manifest."""
    return Mistake(name, "option", text, place, message, fix, overrides)


def as_json(written: str) -> str:
    """Return the same in JSON: as it stands, or as text."""
    try:
        json.loads(written)
    except ValueError:
        return json.dumps(written)
    return written


def value(
    name: str, key: str, written: str, message: str, fix: str, *, cell: str | None = None, json_: str | None = None
) -> Iterator[Mistake]:
    """A wrong value of an input, in every place where one can be given.

    `written` is how YAML has it; `cell` and `json_` are how a cell, or `--set`, and JSON have it, an empty text where
    they cannot have it wrong. The item of a list has a place of its own in YAML.
    """
    head, model = (EDITING, EDIT) if key == "image_urls" else (HEAD, MODEL)
    cell = written if cell is None else cell
    json_ = as_json(written) if json_ is None else json_
    column = 14 + len(key) + (written.startswith("[") and key == "image_urls" and len(written) > 2)
    yield yaml(name, f"{head}settings: {{{key}: {written}}}", f"3:{column}", message, fix)
    if json_:
        yield jsonl(name, f'{{"prompt": "a", "{key}": {json_}}}', "1:17", message, fix, model)
    if cell:
        quoted = '"' + cell.replace('"', '""') + '"'
        yield csv(name, f"{key},prompt\n{quoted},a\n", "2:1", message, fix, model)
        overrides = Overrides(model=model, settings=(f"{key}={cell}",))
        yield option(name, message, fix, overrides, text=HEAD)


VALUES = [
    *value("a-value-not-offered", "resolution", "3K", 'resolution cannot be "3K"', "one of 0.5K, 1K, 2K, 4K"),
    *value("a-value-mistyped", "aspect_ratio", "16x9", 'aspect_ratio cannot be "16x9"', 'did you mean "16:9"?'),
    *value("a-value-in-the-wrong-case", "resolution", "2k", 'resolution cannot be "2k"', 'did you mean "2K"?'),
    *value("a-number-too-large", "num_images", "9", "num_images cannot be 9", "from 1 to 4"),
    *value("a-number-too-small", "num_images", "0", "num_images cannot be 0", "from 1 to 4"),
    *value("a-word-for-a-number", "num_images", "five", 'num_images cannot be "five"', "it must be a whole number"),
    *value("a-part-of-a-picture", "num_images", "1.5", "num_images cannot be", "it must be a whole number"),
    *value("a-flag-for-a-number", "num_images", "true", "num_images cannot be", "a whole number"),
    *value(
        "nothing-for-a-number", "num_images", "null", "num_images cannot be null", "whole number", cell="", json_=""
    ),
    *value("a-number-in-quotes", "safety_tolerance", '"4"', 'cannot be "4"', "write 4", cell=""),
    *value("a-number-not-offered", "safety_tolerance", "7", "cannot be 7", "one of 1, 2, 3, 4, 5, 6"),
    *value("a-word-for-a-flag", "enable_web_search", "yes", 'cannot be "yes"', "true or false"),
    *value("a-flag-in-quotes", "enable_web_search", '"true"', 'cannot be "true"', "true", cell=""),
    *value("a-number-for-text", "output_format", "7", "output_format cannot be", "one of jpeg, png, webp"),
    *value("a-list-for-one-value", "resolution", "[1K, 2K]", "cannot be", "one of 0.5K", cell=""),
    *value("a-negative-seed", "seed", "-1", "seed cannot be -1", SEED),
    *value("a-random-seed", "seed", "random", 'seed cannot be "random"', SEED, cell=""),
    *value("a-seed-in-parts", "seed", "1.5", "seed cannot be", "number"),
    *value("a-seed-too-wide", "seed", "9" * 30, "64 bits", "quotes", cell="", json_=""),
    *value("an-address-for-a-list", "image_urls", "https://a.b/c", "cannot be", 'write ["https', cell=""),
    *value("no-picture-in-the-list", "image_urls", "[]", "image_urls cannot be []", "a list of 1 or more"),
    *value("an-open-address", "image_urls", '["http://a.b/c"]', "http address", "write https://a.b/c"),
    *value("another-scheme", "image_urls", '["ftp://a.b/c"]', "ftp address", "https URL"),
    *value("an-address-without-host", "image_urls", '["https:///c"]', "no host", "https://host/"),
    *value("an-address-with-a-space", "image_urls", '["https://a.b/c d"]', "a space", "%20"),
    *value("a-password", "image_urls", '["https://u:p@a.b/c"]', "would stand in the log", "needs none"),
    *value("data-in-the-manifest", "image_urls", '["data:image/png;base64,x"]', "would fill the log", "as a file"),
    *value("a-file-mistyped", "image_urls", '["foz.png"]', "does not exist", 'did you mean "fox.png"?'),
    *value("a-folder-for-a-file", "image_urls", '["sub.txt"]', "is a folder", "name a file in it"),
    *value("a-home-folder", "image_urls", '["~/fox.png"]', "does not exist", "~ is not expanded"),
    *value("no-picture-in-the-file", "image_urls", '["words.png"]', "is no PNG", "save it as one"),
    *value("an-empty-file", "image_urls", '["empty.png"]', "is empty", "save it as one"),
    *value("a-file-too-large", "image_urls", '["large.png"]', "larger than 6 MiB", "smaller"),
    *value("an-empty-path", "image_urls", '[""]', "image_urls: is empty", "the path of a picture"),
]

PLACES = [
    csv("a-random-seed", "seed,prompt\nrandom,a\n", "2:1", 'seed cannot be "random"', "it must be a whole number"),
    option("a-random-seed", 'cannot be "random"', "it must be a whole number", Overrides(settings=("seed=random",))),
    # an input that there is not
    more(
        "an-input-mistyped", "settings: {resolutoin: 2K}", "3:12", 'no input "resolutoin"', 'did you mean "resolution"?'
    ),
    option(
        "an-input-mistyped",
        'no input "resolutoin"',
        'did you mean "resolution"?',
        Overrides(settings=("resolutoin=2K",)),
    ),
    option("an-input-mistyped", 'no input "seeds"', 'did you mean "seed"?', Overrides(grid=("seeds=1,2",)), "--grid"),
    more("an-input-unlike-any", "settings: {qqq: 1}", "3:12", 'no input "qqq"', "its inputs are prompt"),
    more(
        "a-prompt-as-a-setting", "settings: {prompt: a cat}", "3:12", "a prompt cannot be given here", "under prompts"
    ),
    option(
        "a-prompt-as-a-setting", "a prompt cannot be given here", "under prompts", Overrides(settings=("prompt=a cat",))
    ),
    # an input that must be there
    yaml("an-input-forgotten", EDITING, "2:11", "needs image_urls", "give it under settings"),
    csv("an-input-forgotten", "prompt\na\n", "2:1", "needs image_urls", "a column called image_urls", EDIT),
    csv("an-input-forgotten", "image_urls,prompt\n,a\n", "2:1", "needs image_urls", "under settings", EDIT),
    jsonl("an-input-forgotten", '{"prompt": "a"}', "1:1", "needs image_urls", "a column called image_urls", EDIT),
    # prompts
    yaml("an-empty-prompt", f"model: {MODEL}\nprompts: ['  ']", "2:11", "a prompt is empty", "write a text"),
    csv("an-empty-prompt", "prompt,note\n,x\n", "2:1", "an empty prompt", "write one, or remove the row"),
    jsonl("an-empty-prompt", '{"prompt": " "}', "1:2", "an empty prompt", "write one, or remove the row"),
    yaml("a-number-for-a-prompt", f"model: {MODEL}\nprompts: [7]", "2:11", "a prompt must be text", '"7" in quotes'),
    jsonl("a-number-for-a-prompt", '{"prompt": 7}', "1:2", "a prompt must be text", "put it in quotes"),
    yaml("no-prompts", f"model: {MODEL}", "1:1", "no prompts", "write prompts:"),
    csv("no-prompts", "prompt\n", "", "it holds no prompts", "an empty list makes no jobs"),
    jsonl("no-prompts", "\n", "", "it holds no prompts", "an empty list makes no jobs"),
    csv("no-prompt-column", "promt,note\na,b\n", "1:1", 'no column "prompt"', 'did you mean "promt"?'),
    jsonl("no-prompt-column", '{"promt": "a"}', "1:1", 'no "prompt" in this row', 'did you mean "promt"?'),
    csv("two-prompt-columns", "prompt,PROMPT\na,b\n", "1:1", "could all be the prompt", "name it with column:"),
    Mistake(
        "a-prompt-column-mistyped",
        "csv",
        "Text,note\na,b\n",
        "--prompt-column",
        'has no column "Txt"',
        'did you mean "Text"?',
        Overrides(model=MODEL, prompt_column="Txt"),
    ),
    option(
        "a-prompt-column-for-nothing",
        "names no prompt file",
        "remove the option",
        Overrides(prompt_column="x"),
        "--prompt-column",
    ),
    yaml(
        "prompts-not-a-list", f"model: {MODEL}\nprompts: a fox", "2:10", "prompts must be a list", "write - before each"
    ),
    yaml("an-empty-list", f"model: {MODEL}\nprompts: []", "2:10", "prompts is empty", "write a value"),
    yaml(
        "a-prompt-with-a-colon",
        f"model: {MODEL}\nprompts:\n  - a fox: red",
        "3:5",
        "unknown keys a fox",
        "put it in quotes",
    ),
    yaml(
        "neither-text-nor-file",
        f"model: {MODEL}\nprompts: [{{tags: {{}}}}]",
        "2:11",
        "neither text nor file",
        "one of them",
    ),
    yaml(
        "both-text-and-file",
        f"model: {MODEL}\nprompts: [{{text: a, file: b.txt}}]",
        "2:11",
        "both text and file",
        "one of them",
    ),
    yaml(
        "a-key-of-files",
        f"model: {MODEL}\nprompts: [{{text: a, limit: 3}}]",
        "2:21",
        "limit belongs to prompts with file",
        "remove",
    ),
    yaml(
        "a-key-of-texts",
        f"model: {MODEL}\nprompts: [{{file: good.csv, vars: {{}}}}]",
        "2:28",
        "vars belongs to",
        "remove it",
    ),
    yaml(
        "a-placeholder-without-value",
        f"model: {MODEL}\nprompts: [{{text: '{{a}} {{b}}', vars: {{a: [x]}}}}]",
        "2:18",
        "{b} has no value",
        "add it to vars",
    ),
    yaml(
        "a-placeholder-mistyped",
        f"model: {MODEL}\nprompts: [{{text: '{{fox}} {{foxx}}', vars: {{fox: [x]}}}}]",
        "2:18",
        "{foxx} has no value",
        'did you mean "fox"?',
    ),
    yaml(
        "a-placeholder-with-a-format",
        f"model: {MODEL}\nprompts: [{{text: '{{a:>3}}', vars: {{a: [x]}}}}]",
        "2:18",
        "{a} has a format",
        "write {a}",
    ),
    yaml(
        "a-value-without-placeholder",
        f"model: {MODEL}\nprompts: [{{text: x, vars: {{a: [x]}}}}]",
        "2:28",
        "vars.a is not in the text",
        "write {a}",
    ),
    yaml(
        "an-open-brace",
        f"model: {MODEL}\nprompts: [{{text: '{{a', vars: {{a: [x]}}}}]",
        "2:18",
        "the braces do not match",
        "write {{ and }}",
    ),
    yaml(
        "a-tag-taken",
        f"model: {MODEL}\nprompts: [{{text: '{{a}}', vars: {{a: [x]}}, tags: {{a: 1}}}}]",
        "2:47",
        "taken by vars",
        "rename it",
    ),
    # prompt files
    yaml(
        "a-list-mistyped",
        f"model: {MODEL}\nprompts: [{{file: god.csv}}]",
        "2:18",
        "god.csv does not exist",
        'did you mean "good.csv"?',
    ),
    yaml(
        "a-folder-for-a-list",
        f"model: {MODEL}\nprompts: [{{file: sub.txt}}]",
        "2:18",
        "sub.txt is a folder",
        "name a file in it",
    ),
    yaml(
        "a-list-of-no-kind",
        f"model: {MODEL}\nprompts: [{{file: fox.png}}]",
        "2:18",
        "no prompt list by its name",
        ".jsonl",
    ),
    yaml(
        "a-column-mistyped",
        f"model: {MODEL}\nprompts: [{{file: good.csv, column: Promt}}]",
        "2:36",
        'no column "Promt"',
        'did you mean "Prompt"?',
    ),
    yaml(
        "a-condition-mistyped",
        f"model: {MODEL}\nprompts: [{{file: good.csv, where: {{Categry: x}}}}]",
        "2:36",
        'no column "Categry"',
        'did you mean "Category"?',
    ),
    yaml(
        "a-condition-never-met",
        f"model: {MODEL}\nprompts: [{{file: good.csv, where: {{Category: x}}}}]",
        "2:18",
        "no row of it matches where",
        "an empty list",
    ),
    yaml(
        "a-limit-of-none",
        f"model: {MODEL}\nprompts: [{{file: good.csv, limit: 0}}]",
        "2:35",
        "limit cannot be 0",
        "1 or more",
    ),
    # what is no table
    csv("a-quote-left-open", 'prompt\n"a fox\nb\n', "2:1", "a quote opens here", "written twice"),
    csv("a-stray-quote", 'prompt\na "fox"\n', "2:3", "a quote inside a cell", "put the whole cell in quotes"),
    csv("text-after-a-quote", 'prompt\n"a" fox\n', "2:4", "text after a closing quote", "written twice"),
    csv("too-many-cells", "prompt,note\na,b,c\n", "2:5", "3 cells where the header has 2", "in quotes"),
    csv("too-few-cells", "prompt,note\na\n", "2:1", "1 cells where the header has 2", "give every column a cell"),
    csv("a-column-twice", "prompt,x,x\na,b,c\n", "1:10", 'two columns are called "x"', "rename one"),
    csv("a-column-without-name", "prompt,,x\na,b,c\n", "1:8", "column 2 has no name", "name it"),
    csv("not-utf-8", b"prompt\na \xe9\n", "2:3", "not UTF-8", "save the file as UTF-8"),
    jsonl("not-utf-8", b'{"prompt": "\xe9"}\n', "1:13", "not UTF-8", "save the file as UTF-8"),
    yaml("not-utf-8", HEAD.encode() + b"# \xe9", "3:3", "not UTF-8", "save the file as UTF-8"),
    csv("a-nul", b"prompt\na \0\n", "2:3", "a NUL character", "UTF-8 text"),
    yaml("a-nul", HEAD + "name: \0", "3:7", "U+0000 may not stand in YAML", "remove it"),
    csv("an-old-mac-file", "prompt\ra\n", "1:7", "a carriage return inside a line", "LF or CRLF"),
    # what is no JSON
    jsonl("not-json", '{"prompt": a}', "1:12", "not JSON", "each line is one JSON object"),
    jsonl("not-an-object", '["a"]', "1:1", "not a JSON object", 'write {"prompt": "..."}'),
    jsonl(
        "a-key-twice", '{"prompt": "a", "prompt": "b"}', "1:1", 'the key "prompt" stands here twice', "one JSON object"
    ),
    jsonl("not-finite", '{"prompt": "a", "n": NaN}', "1:1", "NaN is not JSON", "each line"),
    jsonl(
        "nested-too-deeply",
        '{"prompt": ' + "[" * 40 + "]" * 40 + "}",
        "1:1",
        "nested more than 32",
        "at most 32 levels",
    ),
    jsonl("half-a-character", '{"prompt": "\\ud800"}', "1:1", "half of a surrogate pair", "whole characters"),
    jsonl("a-number-too-wide", '{"prompt": "a", "n": ' + "9" * 50 + "}", "1:1", "a number of 50 digits", "JSON object"),
    option("half-a-character", "half of a surrogate pair", "must be UTF-8", Overrides(settings=("resolution=\udc80",))),
    # what is no YAML 1.2
    more("a-key-twice", "name: a\nname: b", "4:1", 'the key "name" stands here twice', "first on line 3"),
    more("a-tab", "settings:\n\tresolution: 2K", "4:1", "not YAML", "indent with spaces"),
    more("an-open-quote", 'name: "a', "3:9", "not YAML", "must be in quotes"),
    more("a-tag-of-yaml", "name: !!python/name:os.system x", "3:7", "has no meaning here", "remove it"),
    more("a-merge-key", "settings: {<<: {}}", "3:12", "merge keys (<<) are not YAML 1.2", "write the keys out"),
    more("an-alias-of-nothing", "name: *x", "3:7", "the alias *x names nothing", "must be in quotes"),
    more("a-second-document", "---\nname: b", "3:1", "a second document", "remove the line ---"),
    more("not-finite", "settings: {num_images: .nan}", "3:24", ".nan is not a finite number", "in quotes"),
    yaml("a-list-for-a-manifest", "- a\n- b\n", "1:1", "a manifest must be a mapping", "key: value"),
    # the manifest's own keys
    more("a-key-mistyped", "setings: {}", "3:1", 'unknown key "setings"', 'did you mean "settings"?'),
    more("a-key-unlike-any", "qqq: 1", "3:1", 'unknown key "qqq"', "the keys here are name, model"),
    more(
        "a-limit-mistyped", "limits: {concurency: 3}", "3:10", '"concurency" in limits', 'did you mean "concurrency"?'
    ),
    more("settings-not-a-mapping", "settings: [a]", "3:11", "settings must be a mapping", "key: value"),
    yaml("no-model", "prompts: [a]", "1:1", "no model", "write model:"),
    csv("no-model", "prompt\na\n", "", "no model", "write --model", model=""),
    yaml("a-model-mistyped", f"model: {MODEL[:-1]}\nprompts: [a]", "1:8", "unknown model", f'did you mean "{MODEL}"?'),
    option("a-model-mistyped", "unknown model", f'did you mean "{MODEL}"?', Overrides(model=MODEL[:-1]), "--model"),
    yaml(
        "a-model-without-id",
        f"model: [{{settings: {{}}}}, {MODEL}]\nprompts: [a]",
        "1:9",
        "a model without id",
        "write id:",
    ),
    yaml("a-number-for-a-model", "model: 7\nprompts: [a]", "1:8", "must be text", '"7" in quotes'),
    yaml(
        "a-model's-setting",
        f"model: [{{id: {MODEL}, settings: {{num_images: 9}}}}]\nprompts: [a]",
        "1:73",
        "num_images cannot be 9",
        "from 1 to 4",
    ),
    # grid, zip, exclude
    more("a-grid-of-one-value", "grid: {resolution: 2K}", "3:20", "grid.resolution must be a list", 'write ["2K"]'),
    more("a-grid-of-none", "grid: {resolution: []}", "3:20", "grid.resolution is empty", "remove the key"),
    more("a-grid-value", "grid: {resolution: [1K, 3K]}", "3:25", 'resolution cannot be "3K"', "one of 0.5K"),
    option("a-grid-value", 'resolution cannot be "3K"', "one of 0.5K", Overrides(grid=("resolution=1K,3K",)), "--grid"),
    more(
        "a-zip-of-two-lengths",
        "zip: {resolution: [1K], num_images: [1, 2]}",
        "3:6",
        "resolution has 1, num_images has 2",
        "equally long",
    ),
    more(
        "in-grid-and-zip",
        "grid: {resolution: [1K]}\nzip: {resolution: [2K]}",
        "4:7",
        "in grid and in zip",
        "keep it in one",
    ),
    more(
        "an-exclusion-mistyped",
        "exclude: [{resoluton: 2K}]",
        "3:12",
        "neither an input nor a tag",
        'did you mean "resolution"?',
    ),
    more("an-exclusion-of-no-value", "exclude: [{resolution: 3K}]", "3:24", 'resolution cannot be "3K"', "one of 0.5K"),
    more("an-exclusion-of-all", "exclude: [{}]", "3:11", "excludes everything", "name inputs or tags"),
    # seeds and repeats
    more("random-seeds", "seeds: random", "3:8", 'seeds cannot be "random"', "write a count"),
    option("random-seeds", 'seeds cannot be "random"', "write a count", Overrides(seeds="random"), "--seeds"),
    more("negative-seeds", "seeds: -1", "3:8", "seeds cannot be -1", "write a count"),
    option("negative-seeds", "seeds cannot be -1", "write a count", Overrides(seeds="-1"), "--seeds"),
    more("no-seeds", "seeds: 0", "3:8", "seeds cannot be 0", "write none"),
    more("a-listed-seed", "seeds: [7, -1]", "3:12", "a seed cannot be -1", "from 0 to"),
    more("seeds-of-nobody", "seeds: {per: model}", "3:14", 'cannot be "model"', "one of prompt, job, run"),
    more("seeds-of-two-kinds", "seeds: {start: 1, per: job}", "3:19", "per is for derived seeds", "remove it"),
    more(
        "seeds-in-two-places", "seeds: 3\nsettings: {seed: 4}", "4:12", "a seed is given here, and seeds at", "keep one"
    ),
    csv("seeds-in-two-places", "seed,prompt\n4,a\n", "2:1", "a seed is given here, and seeds at", "keep one"),
    jsonl("seeds-in-two-places", '{"seed": 4, "prompt": "a"}', "1:2", "a seed is given here, and seeds at", "keep one"),
    option("seeds-in-two-places", "a seed is given here", "keep one", Overrides(seeds="3", settings=("seed=4",))),
    more("no-repeats", "repeats: 0", "3:10", "repeats cannot be 0", "from 1 to 100000"),
    # limits, output, pricing, name
    more("a-time-in-words", "limits: {max_time: soon}", "3:20", 'cannot be "soon"', "write 90, 90s, 5m, 2h or 1d"),
    option("a-time-in-words", 'cannot be "soon"', "write 90, 90s", Overrides(max_time="soon"), "--max-time"),
    more("no-budget", "limits: {max_cost_usd: 0}", "3:24", "cannot be 0", "more than 0"),
    option("no-budget", "cannot be 0", "more than 0", Overrides(max_cost_usd="0"), "--max-cost"),
    more("too-many-at-once", "limits: {concurrency: 1001}", "3:23", "cannot be 1001", "from 1 to 1000"),
    option("too-many-at-once", "cannot be 1001", "from 1 to 1000", Overrides(concurrency="1001"), "--concurrency"),
    option("no-jobs", "cannot be 0", "1 or more", Overrides(max_jobs="0"), "--max-jobs"),
    more("a-word-for-a-switch", "output: {sidecar: yes}", "3:19", "must be true or false", "without quotes"),
    more("a-folder-for-each-day", "output: {dir: 'runs/{date}'}", "3:15", "one fixed folder", "one ledger"),
    more("a-name's-field", "output: {name: '{indx}'}", "3:16", "unknown field {indx}", 'did you mean "index"?'),
    more("a-name's-format", "output: {name: '{index:x5}'}", "3:16", "the format of {index:x5}", "such as {index:05}"),
    more("a-name's-braces", "output: {name: '{index'}", "3:16", "the braces do not match", "write {{ and }}"),
    more("a-name-with-a-slash", "name: a/b", "3:7", "name cannot be a folder's name", "no slashes"),
    more("a-price-in-words", "pricing: {base_usd: free}", "3:21", "an amount in USD", "such as 2.50"),
    more(
        "a-factor-for-no-value",
        "pricing: {times: {resolution: {3K: 2}}}",
        "3:32",
        '"3K" is no value of it',
        "one of 0.5K",
    ),
    more(
        "a-price-for-no-input",
        "pricing: {plus: {web_search: 1}}",
        "3:18",
        'has an input "web_search"',
        'did you mean "enable_web_search"?',
    ),
    more("a-price-for-a-second", "pricing: {per: second}", "3:16", 'cannot be "second"', "one of output"),
    more("no-pace", "limits: {submits_per_second: 0}", "3:30", "cannot be 0", "more than 0 and at most 1000"),
    more("an-empty-list-of-seeds", "seeds: []", "3:8", "seeds is empty", "write a value"),
    more("a-key-of-seeds", "seeds: {conut: 3}", "3:9", '"conut" in seeds', 'did you mean "count"?'),
    more(
        "a-number-format-for-text", "output: {name: '{resolution:03d}'}", "3:16", "does not fit", "such as {index:05}"
    ),
    more("a-name-too-wide", "output: {name: '{index:9999}'}", "3:16", "does not fit", "such as {index:05}"),
    more("a-name-wide-in-parts", "output: {name: '{slug:000000001000000000}'}", "3:16", "does not fit", "{index:05}"),
    more("a-name-of-endless-zeros", f"output: {{name: '{{slug:{'0' * 300}}}'}}", "3:16", "does not fit", "{index:05}"),
    more("a-name-of-a-character", "output: {name: '{seed:c}'}", "3:16", "does not fit", "such as {index:05}"),
    # the form of options
    option("no-pair", '"resolution" is not key=value', "write --set key=value", Overrides(settings=("resolution",))),
    option(
        "given-twice", "num_images is given twice", "keep one", Overrides(settings=("num_images=1", "num_images=2"))
    ),
    option(
        "set-and-grid",
        "given by --set too",
        "keep one",
        Overrides(grid=("resolution=1K",), settings=("resolution=2K",)),
        "--grid",
    ),
]

MISTAKES = [*VALUES, *PLACES]


def picture() -> bytes:
    """Return a small PNG."""
    file = io.BytesIO()
    Image.new("RGB", (4, 4), "orange").save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with lists and pictures, sound and otherwise; also the working directory, for the command line."""
    (tmp_path / "good.csv").write_text("Prompt,Category\na fox,Animals\n")
    (tmp_path / "near.csv").write_text("promt,num_images\na,9\n")
    (tmp_path / "sub.txt").mkdir()
    (tmp_path / "fox.png").write_bytes(picture())
    (tmp_path / "words.png").write_text("a picture of a fox")
    (tmp_path / "empty.png").touch()
    with (tmp_path / "large.png").open("wb") as stream:
        stream.write(picture())
        stream.truncate(media.MAX_FILE_BYTES + 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(folder: Path, name: str, text: str | bytes, overrides: Overrides) -> list[str]:
    """Load a manifest and return what is told of it, paths shortened."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    try:
        load(path, overrides, bundled)
    except errors.ManifestError as error:
        return [str(problem).replace(f"{folder}/", "") for problem in error.problems]
    return []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.label)
def test_a_mistake_names_its_place_and_its_fix(mistake: Mistake, folder: Path) -> None:
    overrides = mistake.overrides
    if mistake.form in ("csv", "jsonl") and mistake.name == "seeds-in-two-places":
        overrides = Overrides(model=MODEL, seeds="3")
    elif overrides.model == "":
        overrides = Overrides()
    suffix = "yaml" if mistake.form == "option" else mistake.form
    place = mistake.place.rstrip(":")

    (problem,) = told(folder, f"m.{suffix}", mistake.text, overrides)

    assert problem.startswith(f"{place}: ")
    message, _, fix = problem.removeprefix(f"{place}: ").partition("; ")
    assert mistake.message in message
    assert mistake.fix in fix


def test_there_are_sixty_mistakes_and_more() -> None:
    assert len({mistake.name for mistake in MISTAKES}) >= 60
    assert {mistake.form for mistake in MISTAKES} == {"yaml", "csv", "jsonl", "option"}
