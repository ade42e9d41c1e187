"""What another user of a shared machine left in the run directory leads no write out of it, and holds no run up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.sandboxed import Sandbox, Workplace

from batchgen import errors
from batchgen.ledger.files import REAL_DISK
from batchgen.ledger.repair import repair
from batchgen.ledger.replay import Replay

VICTIM = b"what somebody else wrote\n"
Plant = Callable[[Path, Path], None]
PLANTS: dict[str, Plant] = {
    "symbolic link": lambda path, victim: path.symlink_to(victim),
    "dangling link": lambda path, victim: path.symlink_to(victim.with_name("not-there")),
    "hard link": lambda path, victim: path.hardlink_to(victim),
    "pipe": lambda path, victim: os.mkfifo(path),
}


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file outside of the run directory."""
    path = tmp_path / "outside" / "victim"
    path.parent.mkdir()
    path.write_bytes(VICTIM)
    return path


def assert_untouched(victim: Path) -> None:
    """Hold that nothing was written, made or removed outside of the run directory."""
    assert victim.read_bytes() == VICTIM
    assert [path.name for path in victim.parent.rglob("*")] == ["victim"]


@pytest.mark.parametrize("planted", ["images", "inputs", "sandbox"])
def test_a_planted_folder_ends_the_run_before_anything_is_sent(planted: str, place: Workplace, victim: Path) -> None:
    """A link to a folder elsewhere in place of one of the run directory's own."""
    manifest = place.manifest(["a fox"])
    run_dir = place.folder / "runs" / "m-sandbox"
    run_dir.mkdir(parents=True)
    (run_dir / planted).symlink_to(victim.parent, target_is_directory=True)
    ended = place.run("run", manifest, "--sandbox")
    assert ended.code == 73, ended.err
    assert f"runs/m-sandbox/{planted}" in ended.err
    assert "symbolic link" in ended.err
    assert_untouched(victim)


@pytest.mark.parametrize("planted", ["images", "inputs"])
def test_a_planted_folder_is_found_before_anything_is_paid_for(
    planted: str, place: Workplace, calm: Sandbox, victim: Path
) -> None:
    manifest = place.manifest(["a fox"])
    (place.folder / "runs" / "m").mkdir(parents=True)
    (place.folder / "runs" / "m" / planted).symlink_to(victim.parent, target_is_directory=True)
    before = calm.accepted()
    assert place.run("run", manifest).code == 73
    assert calm.accepted() == before


@pytest.mark.parametrize("kind", PLANTS)
def test_a_planted_file_is_replaced_and_never_written_through(kind: str, place: Workplace, victim: Path) -> None:
    """Where the run writes and then renames, and where it keeps room back."""
    manifest = place.manifest(["a fox"])
    run_dir = place.folder / "runs" / "m"
    run_dir.mkdir(parents=True)
    for name in (".catalog.json.part", ".summary.json.part", ".ballast"):
        PLANTS[kind](run_dir / name, victim)
    ended = place.run("run", manifest)
    assert ended.code == 0, ended.err
    assert place.book().summary()["done"] == 1
    assert_untouched(victim)


@pytest.mark.parametrize("name", ["catalog.json", "summary.json"])
def test_a_planted_link_in_place_of_a_result_is_replaced(name: str, place: Workplace, victim: Path) -> None:
    manifest = place.manifest(["a fox"])
    (place.folder / "runs" / "m").mkdir(parents=True)
    (place.folder / "runs" / "m" / name).symlink_to(victim.with_name("not-there"))
    assert place.run("run", manifest).code == 0
    assert not (place.folder / "runs" / "m" / name).is_symlink()
    assert_untouched(victim)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["symbolic link", "pipe"])
def test_a_torn_end_is_not_saved_through_what_was_planted(kind: str, tmp_path: Path, victim: Path) -> None:
    log, torn = tmp_path / "log.jsonl", tmp_path / "log.torn"
    log.write_bytes(b'{"v":1,"event":"x"}\n{"v":1,"ev')
    PLANTS[kind](torn, victim)
    descriptor = os.open(log, os.O_RDWR | os.O_APPEND)
    try:
        found = Replay(descriptor, log)
        list(found)
        with pytest.raises(errors.RunError, match=r"log\.(torn|jsonl)"):
            repair(REAL_DISK, descriptor, log, torn, found)
    finally:
        os.close(descriptor)
    assert_untouched(victim)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["lock", "requests.jsonl"])
def test_the_sandbox_writes_through_nothing_planted(name: str, place: Workplace, victim: Path) -> None:
    manifest = place.manifest(["a fox"])
    folder = place.folder / "runs" / "m-sandbox" / "sandbox"
    folder.mkdir(parents=True)
    (folder / name).symlink_to(victim)
    ended = place.run("run", manifest, "--sandbox")
    assert ended.code == 69, ended.err
    assert "symbolic link" in ended.err
    assert_untouched(victim)
