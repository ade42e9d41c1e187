"""Whether something stands under a name already."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.store.standing import Standing


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "images" / "a").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("fox.png", "fox"),
        ("fox.PNG", "fox"),
        ("Fox.jpg", "fox"),
        ("fox.json", "fox"),
        ("fox_1.webp", "fox"),
        ("fox_1.webp", "fox_1"),
        ("a/heron.png", "a/heron"),
        ("f\u00f6x.png", "fo\u0308x"),
    ],
)
def test_a_name_is_occupied_by_whatever_stands_under_it(run_dir: Path, file: str, name: str) -> None:
    (run_dir / "images" / file).write_bytes(b"")
    assert Standing(run_dir)(name)


@pytest.mark.parametrize("file", ["fox.txt", "fox", "foxes.png", "fox_2.png", ".fox-1-1.part"])
def test_a_name_is_free_of_what_could_not_be_its_file(run_dir: Path, file: str) -> None:
    (run_dir / "images" / file).write_bytes(b"")
    assert not Standing(run_dir)("fox")
    assert not Standing(run_dir)("missing/fox")
