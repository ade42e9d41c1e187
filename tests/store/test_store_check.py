"""Whether a saved file is still there."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.store.check import Look
from batchgen.store.check import whole as looked_at_alone


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "run" / "images" / "a").mkdir(parents=True)
    (tmp_path / "run" / "images" / "a" / "fox.png").write_bytes(b"12345")
    (tmp_path / "outside.png").write_bytes(b"12345")
    return tmp_path / "run"


def whole(run_dir: Path, path: str, size: int) -> bool:
    """Look at a file both ways: alone, and as one of many."""
    look = Look(run_dir)
    alone = looked_at_alone(run_dir, path, size)
    assert look(path, size) == look(path, size) == alone
    return alone


def test_a_regular_file_of_the_size_is_whole(run_dir: Path) -> None:
    assert whole(run_dir, "images/a/fox.png", 5)
    assert not whole(run_dir, "images/a/fox.png", 4)
    assert not whole(run_dir, "images/a/heron.png", 5)
    assert not whole(run_dir, "images/a", 5)


@pytest.mark.parametrize("path", ["../outside.png", "images/../../outside.png", "", ".", "images/a/fox.png/x", "a\0b"])
def test_nothing_outside_the_run_directory_counts(run_dir: Path, path: str) -> None:
    assert not whole(run_dir, path, 5)


def test_an_absolute_path_does_not_count(run_dir: Path) -> None:
    assert not whole(run_dir, str(run_dir.parent / "outside.png"), 5)


def test_a_file_beside_the_folders_counts_and_one_of_the_root_does_not(run_dir: Path) -> None:
    (run_dir / "fox.png").write_bytes(b"12345")
    assert whole(run_dir, "fox.png", 5)
    assert not whole(run_dir, "/fox.png", 5)


def test_a_link_does_not_count(run_dir: Path) -> None:
    (run_dir / "images" / "link.png").symlink_to(run_dir.parent / "outside.png")
    (run_dir / "images" / "b").symlink_to(run_dir / "images" / "a", target_is_directory=True)
    assert not whole(run_dir, "images/link.png", 5)
    assert not whole(run_dir, "images/b/fox.png", 5)


def test_the_run_directory_itself_may_be_reached_by_a_link(run_dir: Path) -> None:
    linked = run_dir.parent / "linked"
    linked.symlink_to(run_dir, target_is_directory=True)
    assert whole(linked, "images/a/fox.png", 5)
