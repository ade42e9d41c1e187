"""The disk fills up, breaks, refuses or moves: nothing is paid for twice or lost, and people are told."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from support.sandboxed import Ended, Sandbox, Workplace

Bent = Callable[..., Ended]


def hold_to_the_promise(desk: Workplace, calm: Sandbox, manifest: str, before: int, jobs: int) -> None:
    """Run again on a sound disk: everything arrives, and what the server took is what was wanted, once each."""
    again = desk.run("run", manifest, "-q")
    assert again.code == 0, again.err
    assert calm.accepted() - before == jobs
    assert desk.book().summary()["done"] == jobs
    assert desk.book().files().keys() == desk.book().named_files().keys()
    assert not (desk.book().path / ".ballast").exists()


def test_a_disk_full_at_any_write_ends_in_73_and_resumes(desk: Workplace, calm: Sandbox, bent: Bent) -> None:
    """From each write on in turn: what the server took is in the ledger, by the room kept back."""
    full_runs = 0
    for number in count(1):
        name = f"m{number}"
        before = calm.accepted()
        manifest = desk.manifest([f"a full fox {number}", f"a full heron {number}"], name=name)
        ended = bent("run", manifest, "-q", full_from=number)
        if ended.code == 0:
            break
        full_runs += 1
        book = desk.book(name)
        assert ended.code == 73, [number, ended.err]
        assert "space" in ended.err, ended.err
        taken = calm.accepted() - before
        written = {line["request_id"] for line in book.lines("submitted")}
        told = set(re.findall(r"request ([\w-]+), which could not be written", ended.err))
        assert len(written | told) == taken, [number, ended.err]
        assert not told, "two lines fit into the room kept back"
        again = desk.run("run", manifest, "-q")
        assert (again.code, calm.accepted() - before) == (0, 2), [number, again.err]
        assert book.files().keys() == book.named_files().keys()
    assert full_runs >= 9


def test_an_id_that_cannot_be_written_goes_to_standard_error_even_if_quiet(
    desk: Workplace, calm: Sandbox, bent: Bent
) -> None:
    """A failed fsync ends all trust in the file: each one in turn, until it is that of the `submitted` line."""
    for number in count(1):
        before = calm.accepted()
        manifest = desk.manifest(["a fox told"], name=f"m{number}", seeds=[number])
        ended = bent("run", manifest, "-q", fsync_fails=number)
        assert ended.code == 73, [number, ended.err]
        if calm.accepted() > before:
            break
    book = desk.book(f"m{number}")
    (told,) = re.findall(r"request ([\w-]+), which could not be written", ended.err)
    assert told in calm.account()["accepted_ids"]
    # Nobody knows whether the line reached the disk. Say it did not.
    damage(book.log, torn)
    assert desk.run("run", manifest, "-q").code == 4
    assert desk.run("attach", str(book.path), book.lines("submitting")[0]["job"], told).code == 0
    assert desk.run("run", manifest, "-q").code == 0
    assert (calm.accepted() - before, book.count("done")) == (1, 1)


def test_a_file_size_limit_ends_in_73_and_resumes(desk: Workplace, calm: Sandbox, bent: Bent) -> None:
    """Pictures of the sandbox are larger than the limit; the ledger still takes its lines."""
    before = calm.accepted()
    manifest = desk.manifest(["a large fox"], settings={"resolution": "2K", "output_format": "png"})
    ended = bent("run", manifest, size_limit=300 * 1024)
    assert ended.code == 73, ended.err
    assert "ulimit -f" in ended.err or "large" in ended.err.lower(), ended.err
    assert [line["event"] for line in desk.book().lines() if "job" in line] == ["submitting", "submitted"]
    hold_to_the_promise(desk, calm, manifest, before, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
def test_a_read_only_folder_is_named_before_anything_is_sent(desk: Workplace, calm: Sandbox) -> None:
    before = calm.accepted()
    manifest = desk.manifest(["a fox behind glass"])
    (desk.folder / "runs").mkdir(mode=0o500)
    ended = desk.run("run", manifest)
    assert (ended.code, "runs" in ended.err, calm.accepted()) == (73, True, before), ended.err


def test_a_moved_run_directory_goes_on_where_it_is(desk: Workplace, calm: Sandbox) -> None:
    before = calm.accepted()
    manifest = desk.manifest(["a fox that moves", "a heron that moves"])
    assert desk.run("run", manifest, "--max-jobs", "1", "-q").code == 3
    shutil.move(desk.folder / "runs" / "m", desk.folder / "elsewhere")
    assert desk.run("run", manifest, "-o", "elsewhere", "-q").code == 0
    assert calm.accepted() - before == 2
    assert desk.run("status", "elsewhere", "--json").json["missing"] == 0


def damage(book: Path, change: Callable[[list[bytes]], None]) -> bytes:
    """Change the lines of a ledger, and return its bytes."""
    lines = book.read_bytes().splitlines(keepends=True)
    change(lines)
    book.write_bytes(b"".join(lines))
    return b"".join(lines)


def newer(lines: list[bytes]) -> None:
    """Have the last line be of a later format."""
    lines[-1] = json.dumps({**json.loads(lines[-1]), "v": 2}).encode() + b"\n"


def torn(lines: list[bytes]) -> None:
    """Take the last line away."""
    del lines[-1]


def broken(lines: list[bytes]) -> None:
    """Cut a line in the middle."""
    lines[2] = lines[2][:40] + b"\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [(newer, ["format 2", "batchgen that wrote it"]), (broken, ["log.jsonl:3:", "good lines after it"])],
    ids=["newer", "damaged"],
)
def test_a_ledger_that_cannot_be_trusted_is_left_alone(
    desk: Workplace, calm: Sandbox, change: Callable[[list[bytes]], None], words: list[str]
) -> None:
    """No command that writes goes on with it: 65, the place is named, and not a byte changes."""
    manifest = desk.manifest(["a fox", "a heron"])
    assert desk.run("run", manifest, "-q").code == 0
    accepted, log = calm.accepted(), desk.book().log
    job = desk.book().lines("submitting")[0]["job"]
    content = damage(log, change)
    for arguments in (["run", manifest], ["fetch", "runs/m"], ["settle", "runs/m", job, "--lost"]):
        ended = desk.run(*arguments)
        assert ended.code == 65, ended.err
        assert [word for word in words if word not in ended.err] == [], ended.err
        assert log.read_bytes() == content
    assert not (desk.book().path / "log.torn").exists()
    assert calm.accepted() == accepted


def test_a_newer_ledger_can_still_be_read(desk: Workplace, calm: Sandbox) -> None:
    desk.run("run", desk.manifest(["a fox of the future"]), "-q")
    damage(desk.book().log, newer)
    status = desk.run("status", "runs/m", "--json")
    assert (status.code, status.json["done"]) == (0, 1)


def test_a_ledger_behind_a_link_is_refused(desk: Workplace, calm: Sandbox) -> None:
    """Whoever could place a link could have two directories share one ledger, or a foreign file written to."""
    manifest = desk.manifest(["a fox behind a link"])
    target = desk.folder / "elsewhere.jsonl"
    target.write_bytes(b"")
    (desk.folder / "runs" / "m").mkdir(parents=True)
    (desk.folder / "runs" / "m" / "log.jsonl").symlink_to(target)
    accepted = calm.accepted()
    ended = desk.run("run", manifest)
    assert (ended.code, "symbolic link" in ended.err) == (73, True), ended.err
    assert (target.read_bytes(), calm.accepted()) == (b"", accepted)
