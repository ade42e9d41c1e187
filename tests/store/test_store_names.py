"""Names: inside the folder, portable, and never the same for two attempts on any file system."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.store.names import MAX_COMPONENT, MAX_SLUG, Names, component, field_names, render, slug

JOB = "0123456789abcdef0123456789abcdef"
FIELDS: dict[str, object] = {
    "index": 7, "slug": "A red fox, in fresh snow!", "job": JOB, "seed": 42, "model": "google/nano-banana-2/edit",
    "date": "2026-11-22", "aspect_ratio": "16:9", "enable_web_search": True, "strength": 0.5, "Set name": "a/b",
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "stem"),
    [
        ("{index:05}_{slug}_{job:.6}", "00007_a-red-fox-in-fresh-snow_012345"),
        ("{slug}_{seed}", "a-red-fox-in-fresh-snow_42"),
        ("{model}/{aspect_ratio}/{index}", "google-nano-banana-2-edit/16-9/7"),
        ("{Set name}", "a-b"),
        ("{strength:.2f} {enable_web_search}", "0.50 true"),
        ("{date}/{slug:.5}", "2026-11-22/a-red"),
        ("{{x}}", "{x}"),
        ("{missing}", "_"),
        ("{missing}/{index}", "_/7"),
        ("a//b/", "a/_/b/_"),
        ("/etc/{index}", "_/etc/7"),
        ("../{index}/..", "_/7/_"),
        (".{slug}", "a-red-fox-in-fresh-snow"),
        ("a:b*c", "a-b-c"),
    ],
)
def test_a_template_makes_a_stem(template: str, stem: str) -> None:
    assert render(template, FIELDS) == stem


@pytest.mark.parametrize(
    ("value", "stem"),
    [
        ("../../etc/passwd", "-..-etc-passwd"),
        ("a/b\\c", "a-b-c"),
        ('<>:"|?*', "-------"),
        (" .hidden. ", "hidden"),
        ("..", "_"),
        ("", "_"),
        ("CON", "_CON"),
        ("字" * 300, "字" * 40),
        ("nul.txt", "_nul.txt"),
        ("Lpt1", "_Lpt1"),
        ("com¹", "_com¹"),
        ("console", "console"),
        ("a\x00b\x1b[31m\u202ec", "a-b-[31m-c"),
        ("two\nlines", "two lines"),
        ("e\u0301", "é"),
        ("\ud800x", "-x"),
        (None, "_"),
        ({"b": 1, "a": [True]}, "{-a--[true],-b--1}"),
    ],
)
def test_a_value_is_made_safe_by_itself(value: object, stem: str) -> None:
    assert render("{tag}", {"tag": value}) == stem


@pytest.mark.parametrize(
    "template",
    ["{", "}", "{}", "{0.x}", "{job.__class__}", "{job[0]}", "{job!r}", "{index:{seed}}", "{index:1000000000}",
     "{index:.99999999999}", "a/" * 20, "{slug:d}", "{index:q}", "{slug:000000001000000000}", "{index:٩٩٩}",
     "{index:" + "0" * 5000 + "}"],
)  # fmt: skip
def test_a_template_that_cannot_be_rendered_is_a_value_error(template: str) -> None:
    with pytest.raises(ValueError):
        render(template, FIELDS)


def test_a_format_that_only_some_values_fit_is_a_value_error_for_the_others() -> None:
    assert render("{seed:c}", {"seed": 97}) == "a"
    with pytest.raises(ValueError, match="does not fit"):
        render("{seed:c}", {"seed": 2**31 - 1})


def test_the_fields_of_a_template_are_told_in_order() -> None:
    assert field_names("{index:05}_{{x}}_{Set name}/{index}") == ("index", "Set name", "index")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A Red Fox", "a-red-fox"),
        ("", "prompt"),
        ("!!! ???", "prompt"),
        ("ＦＯＸ №１", "fox-no1"),
        ("雪の中の狐", "雪の中の狐"),
        ("हिन्दी में", "हिन्दी-में"),
        ("word " * 20, "word-" * 8 + "word"),
        ("x" * 100, "x" * 48),
        ("x" * 47 + " yy", "x" * 47),
        ("{animal} in \t snow", "animal-in-snow"),
    ],
)
def test_a_slug_is_the_prompts_words(prompt: str, expected: str) -> None:
    assert slug(prompt) == expected
    assert slug(slug(prompt)) == expected


@given(st.text())
def test_every_slug_is_short_and_there(prompt: str) -> None:
    assert 1 <= len(slug(prompt)) <= MAX_SLUG
    assert "/" not in slug(prompt)


@given(st.text())
def test_every_component_is_portable(text: str) -> None:
    safe = component(text)
    assert 1 <= len(safe.encode()) <= MAX_COMPONENT
    assert not set(safe) & set('/\\:*?"<>|')
    assert safe == safe.strip(". ")
    assert safe.isprintable()
    assert unicodedata.is_normalized("NFC", safe)
    assert component(safe) == safe


@given(st.text(), st.text(), st.integers())
def test_no_value_makes_or_leaves_a_folder(tag: str, prompt: str, seed: int) -> None:
    stem = render("a/{tag}_{slug}/{seed}{tag}", {"tag": tag, "slug": prompt, "seed": seed})
    parts = stem.split("/")
    assert len(parts) == 3
    assert all(part not in ("", ".", "..") and not part.startswith(".") for part in parts)


def test_a_name_is_the_stem_as_long_as_it_is_free() -> None:
    names = Names()
    assert names.reserve("fox", JOB, 1) == "fox"
    assert names.reserve("fox", JOB, 1) == "fox_01234567"
    assert names.reserve("fox", JOB, 1) == f"fox_{JOB}"
    assert names.reserve("fox", JOB, 2) == "fox-2"
    assert names.reserve("FOX", "f" * 32, 1) == "FOX_ffffffff"


def test_names_of_the_ledger_are_taken() -> None:
    assert Names(["a/Fo\u0301x"]).reserve("A/f\u00f3X", JOB, 1) == "A/f\u00f3X_01234567"


def test_a_stem_never_meets_a_numbered_output_of_another() -> None:
    names = Names(["fox", "heron_2"])
    assert names.reserve("fox_1", JOB, 1) == "fox_1_01234567"
    assert names.reserve("heron", JOB, 1) == "heron_01234567"
    assert names.reserve("fox_01", JOB, 1) == "fox_01"


def test_stems_that_end_in_seeds_come_out_clean() -> None:
    names = Names()
    assert [names.reserve(f"fox_{seed}", JOB, 1) for seed in (1, 2, 42, 2100383321)] == [
        "fox_1", "fox_2", "fox_42", "fox_2100383321",
    ]  # fmt: skip


STEMS = st.sampled_from(
    ["fox", "Fox", "FOX", "fox_1", "fox_2", "fox_1_2", "fox-2", "fox_01234567", "straße", "STRASSE", "é", "e\u0301",
     "É", "a/fox", "A/Fox", "ﬁ", "fi", "ǰ", "J\u030c", "ΐ", "\u0390", f"fox_{JOB}"]
)  # fmt: skip
RESERVATIONS = st.lists(st.tuples(STEMS | st.text(min_size=1, max_size=4), st.integers(0, 2), st.integers(1, 3)))


@given(RESERVATIONS, st.lists(STEMS))
def test_no_two_attempts_files_meet_on_a_case_insensitive_file_system(
    wanted: list[tuple[str, int, int]], earlier: list[str]
) -> None:
    """The disk folds case and normalises; every attempt may have one output or several."""
    names = Names(earlier)
    reserved = [names.reserve(component(stem), f"{job:x}" * 32, attempt) for stem, job, attempt in wanted]
    disk: dict[str, str] = {}
    for name in [*earlier, *reserved]:
        for path in (f"{name}.png", *(f"{name}_{number}.png" for number in (1, 2, 7, 42))):
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
            assert disk.setdefault(folded, name) == name or name in earlier
    assert len({*earlier, *reserved}) == len({*earlier}) + len(reserved)
