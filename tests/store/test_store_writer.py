"""Saving outputs: whole, checked and durable under the final name, or not there at all."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import File, Job
from batchgen.ledger.files import REAL_DISK, RealDisk
from batchgen.store import pictures
from batchgen.store.parts import clean_parts
from batchgen.store.writer import Limits, Store

JOB = "0123456789abcdef0123456789abcdef"
THE_JOB = Job(JOB, 1, "some/model", {"prompt": "a fox"})
Opener = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]


def picture(kind: str = "PNG", size: tuple[int, int] = (20, 10), colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def noise(side: int) -> bytes:
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(file, "PNG")
    return file.getvalue()


def opener(
    data: bytes, *, chunk: int = 65536, then: Exception | None = None, pause: Awaitable[object] | None = None
) -> Opener:
    """Return an opener of `data` in chunks, which at its end waits for `pause` or raises `then`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
        yield pieces()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), chunk):
            yield data[start : start + chunk]
        if pause:
            await pause
        if then:
            raise then

    return opened


def save(store: Store, *openers: Opener, name: str = "fox", attempt: int = 1) -> tuple[File, ...]:
    return asyncio.run(store.save(openers, job=THE_JOB, attempt=attempt, name=name))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path, disk=REAL_DISK) as opened:
        yield opened


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_one_output_gets_the_stem_and_what_it_is(store: Store, tmp_path: Path) -> None:
    data = picture()
    (file,) = save(store, opener(data))
    assert file == File("images/fox.png", len(data), hashlib.sha256(data).hexdigest(), "png", 20, 10)
    assert (tmp_path / file.path).read_bytes() == data
    assert files_in(tmp_path) == ["images/fox.png"]


def test_several_outputs_are_numbered_in_order(store: Store, tmp_path: Path) -> None:
    files = save(store, opener(picture("JPEG")), opener(picture("WEBP")), opener(picture("GIF")), name="a/b/fox")
    assert [file.path for file in files] == ["images/a/b/fox_1.jpg", "images/a/b/fox_2.webp", "images/a/b/fox_3.gif"]
    assert [file.format for file in files] == ["jpeg", "webp", "gif"]
    assert files_in(tmp_path) == [file.path for file in files]


def test_a_big_output_is_written_in_big_pieces_and_hashed_whole(tmp_path: Path) -> None:
    data = noise(1500)
    assert len(data) > 6_000_000
    with Store(tmp_path, disk=REAL_DISK) as store:
        (file,) = save(store, opener(data, chunk=10_000))
    assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (tmp_path / file.path).read_bytes() == data


@pytest.mark.parametrize(
    ("head", "found", "extension"),
    [
        (b"\x00\x00\x00\x18ftypmp42", "mp4", "mp4"),
        (b"\x00\x00\x00\x18ftypisom", "mp4", "mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "mov", "mov"),
        (b"\x00\x00\x00\x14ftypM4A ", "m4a", "m4a"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "webm", "webm"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", "mkv", "mkv"),
        (b"ID3\x04", "mp3", "mp3"),
        (b"\xff\xfb\x90", "mp3", "mp3"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "wav", "wav"),
        (b"OggS\x00", "ogg", "ogg"),
        (b"fLaC\x00", "flac", "flac"),
    ],
)
def test_videos_and_sounds_are_known_by_signature(store: Store, head: bytes, found: str, extension: str) -> None:
    (file,) = save(store, opener(head + b"\x00" * 100))
    assert (file.format, file.path, file.width) == (found, f"images/fox.{extension}", None)


@pytest.mark.parametrize(
    ("data", "words", "again"),
    [
        (b"", "an empty file", True),
        (b"<!DOCTYPE html><html>expired</html>", "an HTML page", False),
        (b"\n <HTML>", "an HTML page", False),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML text", False),
        (b'{"error": "no"}', "a JSON text", False),
        (b"not found", "a plain text", False),
        (b"\x00\x01\x02\x03", "bytes of no known format (00 01 02 03)", False),
        (picture()[:-20], "a damaged or cut png", True),
        (picture("JPEG")[:300], "a damaged or cut jpeg", True),
        (picture("WEBP")[:-10], "a damaged or cut webp", True),
        (b"\x89PNG\r\n\x1a\n", "a damaged or cut png", True),
        (b"\xff\xd8\xff" + b"\x00" * 100, "a damaged or cut jpeg", True),
    ],
)
def test_what_is_no_whole_output_is_told(store: Store, tmp_path: Path, data: bytes, words: str, again: bool) -> None:
    with pytest.raises(errors.FileError) as caught:
        save(store, opener(data))
    info = caught.value.info
    assert (info.kind, info.stage, caught.value.again) == ("bad_file", Stage.FILE, again)
    assert words in info.message
    assert files_in(tmp_path) == []


def test_a_picture_that_is_flipped_inside_is_found(store: Store) -> None:
    data = bytearray(noise(50))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(errors.FileError):
        save(store, opener(bytes(data)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_lacks_its_very_end_is_not_whole(store: Store, kind: str) -> None:
    with pytest.raises(errors.FileError) as caught:
        save(store, opener(picture(kind)[:-5]))
    assert caught.value.again


def test_a_bad_output_keeps_its_good_sisters_from_being_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(errors.FileError):
        save(store, opener(picture()), opener(picture()[:-20]))
    assert files_in(tmp_path) == []


def test_a_picture_with_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    with (
        Store(tmp_path, disk=REAL_DISK, limits=Limits(pixels=199)) as store,
        pytest.raises(errors.FileError, match="199") as caught,
    ):
        save(store, opener(picture(size=(20, 10))))
    assert not caught.value.again


def test_a_bomb_is_refused_by_its_header(store: Store) -> None:
    bomb = bytearray(picture())
    bomb[16:24] = (60_000).to_bytes(4) * 2
    with pytest.raises(errors.FileError):
        save(store, opener(bytes(bomb)))


@pytest.mark.parametrize("data", [picture(), b"ID3" + b"\x00" * 2000])
def test_an_output_over_its_cap_is_refused(tmp_path: Path, data: bytes) -> None:
    limits = Limits(image_bytes=len(picture()) - 1, bytes=2000)
    with Store(tmp_path, disk=REAL_DISK, limits=limits) as store, pytest.raises(errors.FileError) as caught:
        save(store, opener(data))
    assert caught.value.info.kind == "too_big"
    assert files_in(tmp_path) == []


def test_an_endless_body_is_left_after_the_cap(tmp_path: Path) -> None:
    read = 0

    @asynccontextmanager
    async def endless() -> AsyncIterator[AsyncIterator[bytes]]:
        async def pieces() -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 500_000
                yield b"ID3" + b"\x00" * 499_997

        yield pieces()

    with Store(tmp_path, disk=REAL_DISK, limits=Limits(bytes=3_000_000)) as store, pytest.raises(errors.FileError):
        save(store, endless)
    assert read < 6_000_000
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [
        errors.Transient(ErrorInfo("no_answer", Stage.FILE, "short")),
        errors.LinkExpired(ErrorInfo("link_expired", Stage.FILE, "gone")),
        errors.FileError(ErrorInfo("http", Stage.FILE, "206")),
    ],
)
def test_an_openers_error_passes_and_leaves_no_part(store: Store, tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        save(store, opener(picture()), opener(noise(700), then=error))
    assert caught.value is error
    assert files_in(tmp_path) == []


def test_cancellation_leaves_no_part(store: Store, tmp_path: Path) -> None:
    async def run() -> None:
        arrived = asyncio.Event()

        async def stall() -> None:
            arrived.set()
            await asyncio.Event().wait()

        openers = [opener(picture()), opener(noise(1300), pause=stall())]
        saving = asyncio.create_task(store.save(openers, job=THE_JOB, attempt=1, name="fox"))
        await arrived.wait()
        assert files_in(tmp_path) == [f"images/.{JOB}-1-1.part", f"images/.{JOB}-1-2.part"]
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving

    asyncio.run(run())
    assert files_in(tmp_path) == []


@dataclass
class Watched(RealDisk):
    """The real disk, which notes every call and may fail, or wait, at one of them."""

    root: Path
    fail: str = ""
    number: int = errno.ENOSPC
    hold: Callable[[], object] | None = None
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def _note(self, word: str, *paths: Path) -> None:
        self.calls.append((word, *(str(path.relative_to(self.root)) for path in paths)))
        if word == self.fail:
            if self.hold:
                self.hold()
            else:
                raise OSError(self.number, os.strerror(self.number))

    def fsync(self, descriptor: int) -> None:
        self._note("fsync", Path(f"/proc/self/fd/{descriptor}").resolve())
        super().fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._note("rename", source, target)
        super().rename(source, target)

    def sync_folder(self, path: Path) -> None:
        self._note("sync_folder", path)
        super().sync_folder(path)

    def mkdir(self, path: Path) -> None:
        self._note("mkdir", path)
        super().mkdir(path)

    def unlink(self, path: Path) -> None:
        self._note("unlink", path)
        super().unlink(path)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of descriptors come from /proc")


@needs_proc
def test_bytes_are_durable_before_names_and_names_before_the_return(tmp_path: Path) -> None:
    disk = Watched(tmp_path)
    first, second = f"images/.{JOB}-2-1.part", f"images/.{JOB}-2-2.part"
    with Store(tmp_path, disk=disk) as store:
        save(store, opener(picture()), opener(picture()), name="a/fox", attempt=2)
    assert disk.calls == [
        ("mkdir", "images"),
        ("sync_folder", "."),
        ("fsync", first),
        ("fsync", second),
        ("mkdir", "images/a"),
        ("sync_folder", "images"),
        ("rename", first, "images/a/fox_1.png"),
        ("rename", second, "images/a/fox_2.png"),
        ("sync_folder", "images/a"),
        ("sync_folder", "images"),
    ]


@needs_proc
def test_a_sidecar_is_durable_with_the_outputs_and_none_of_them(tmp_path: Path) -> None:
    disk = Watched(tmp_path)
    with Store(tmp_path, disk=disk, sidecar=lambda job, name: f"{job.prompt} {name}".encode()) as store:
        (file,) = save(store, opener(picture()), name="a/fox")
    first, beside = f"images/.{JOB}-1-1.part", f"images/.{JOB}-1-0.part"
    assert file.path == "images/a/fox.png"
    assert (tmp_path / "images/a/fox.json").read_text() == "a fox a/fox"
    assert disk.calls[2:] == [
        ("fsync", first),
        ("fsync", beside),
        ("mkdir", "images/a"),
        ("sync_folder", "images"),
        ("rename", first, "images/a/fox.png"),
        ("rename", beside, "images/a/fox.json"),
        ("sync_folder", "images/a"),
        ("sync_folder", "images"),
    ]


def test_outputs_that_do_not_arrive_leave_no_sidecar(tmp_path: Path) -> None:
    with Store(tmp_path, disk=REAL_DISK, sidecar=lambda job, name: b"{}") as store, pytest.raises(errors.FileError):
        save(store, opener(b"not found"))
    assert files_in(tmp_path) == []


@needs_proc
@pytest.mark.parametrize("fail", ["mkdir", "fsync", "rename", "sync_folder"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_trouble_with_the_disk_is_told_with_place_and_fix(tmp_path: Path, fail: str, number: int) -> None:
    with Store(tmp_path, disk=Watched(tmp_path, fail, number)) as store, pytest.raises(errors.DiskError) as caught:
        save(store, opener(picture()))
    assert str(tmp_path) in str(caught.value)
    assert os.strerror(number) in str(caught.value)
    assert "run the same command again" in str(caught.value)
    assert [name for name in files_in(tmp_path) if name.endswith(".part")] == []


@needs_proc
def test_a_rename_that_fails_leaves_no_part_and_only_whole_files(tmp_path: Path) -> None:
    disk = Watched(tmp_path)
    with Store(tmp_path, disk=disk) as store:
        (tmp_path / "images" / "fox_2.png").mkdir(parents=True)
        with pytest.raises(errors.DiskError):
            save(store, opener(picture()), opener(picture()))
    assert files_in(tmp_path) == ["images/fox_1.png"]


@needs_proc
def test_a_cancelled_commit_ends_whole(tmp_path: Path) -> None:
    """A thread cannot be stopped: the renames come to their end before the cancellation is felt."""

    async def run(store: Store, disk: Watched) -> None:
        loop = asyncio.get_running_loop()
        held = asyncio.Event()
        go = asyncio.run_coroutine_threadsafe
        disk.hold = lambda: (loop.call_soon_threadsafe(held.set), go(asyncio.sleep(0.05), loop).result())
        saving = asyncio.create_task(store.save([opener(picture())], job=THE_JOB, attempt=1, name="fox"))
        await held.wait()
        saving.cancel()
        await asyncio.sleep(0)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        assert files_in(tmp_path) == ["images/fox.png"]

    disk = Watched(tmp_path, fail="rename")
    with Store(tmp_path, disk=disk) as store:
        asyncio.run(run(store, disk))


def test_saving_again_replaces_the_same_attempts_files(store: Store, tmp_path: Path) -> None:
    save(store, opener(picture(colour="red")))
    (file,) = save(store, opener(picture(colour="blue")))
    assert hashlib.sha256((tmp_path / file.path).read_bytes()).hexdigest() == file.sha256
    assert files_in(tmp_path) == ["images/fox.png"]


def test_many_saves_at_once_do_not_disturb_each_other(store: Store, tmp_path: Path) -> None:
    async def run() -> list[tuple[File, ...]]:
        return await asyncio.gather(
            *(
                store.save(
                    [opener(picture())] * 2,
                    job=Job(f"{number:032x}", number, "some/model", {}),
                    attempt=1,
                    name=f"{number % 3}/{number}",
                )
                for number in range(20)
            )
        )

    saved = [file.path for files in asyncio.run(run()) for file in files]
    assert files_in(tmp_path) == sorted(saved)
    assert len(saved) == 40


@pytest.mark.parametrize("planted", ["images", "images/a", "images/a/b"])
def test_nothing_is_written_through_a_linked_folder(store: Store, tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / planted).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / planted).symlink_to(outside, target_is_directory=True)
    with pytest.raises(errors.DiskError, match="symbolic link"):
        save(store, opener(picture()), name="a/b/fox")
    assert files_in(outside) == []


def test_nothing_is_written_through_a_linked_file(store: Store, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "fox.png").symlink_to(victim)
    with pytest.raises(errors.DiskError, match="symbolic link"):
        save(store, opener(picture()))
    (tmp_path / "images" / "fox.png").unlink()
    (tmp_path / "images" / f".{JOB}-1-1.part").symlink_to(victim)
    save(store, opener(picture()))
    assert victim.read_bytes() == b"precious"


def test_a_file_in_a_folders_place_is_told(store: Store, tmp_path: Path) -> None:
    (tmp_path / "images").write_text("")
    with pytest.raises(errors.DiskError, match="not a folder"):
        save(store, opener(picture()))


@pytest.mark.parametrize("name", ["../fox", "a/../fox", "/fox", "a//fox", "", ".", "a/", "a\\fox", "fox\x00"])
def test_a_name_that_leads_out_of_the_folder_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.DiskError):
        save(store, opener(picture()), name=name)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("job", ["/../../../outside", "/" * 20 + "..", "\0", "a" * 300, ".."])
def test_a_job_id_of_a_hostile_ledger_leads_no_part_out_of_the_folder(tmp_path: Path, job: str) -> None:
    opened: list[Path] = []

    class Watched(RealDisk):
        def open(self, path: Path, flags: int) -> int:
            opened.append(path)
            return super().open(path, flags)

    async def run() -> None:
        with Store(tmp_path, disk=Watched()) as store:
            await store.save([opener(picture())], job=Job(job, 1, "some/model", {}), attempt=1, name="fox")

    asyncio.run(run())
    assert [path.parent for path in opened] == [tmp_path / "images"]
    assert opened[0].name.startswith(".")


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A few kilobytes can ask for a gigabyte of memory; four at once would ask for four."""
    inside, most = [0], [0]
    load = PngImageFile.load

    def counted(self: PngImageFile) -> object:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        inside[0] -= 1
        return load(self)

    async def run() -> None:
        with Store(tmp_path, disk=REAL_DISK) as store:
            await asyncio.gather(
                *(
                    store.save(
                        [opener(picture())], job=Job(f"{number:032x}", 1, "a/b", {}), attempt=1, name=f"{number}"
                    )
                    for number in range(8)
                )
            )

    monkeypatch.setattr(PngImageFile, "load", counted)
    asyncio.run(run())
    assert most[0] > 1
    most[0] = 0
    monkeypatch.setattr(pictures, "LARGE_PIXELS", 100)
    asyncio.run(run())
    assert most[0] == 1


def test_leftover_parts_are_swept_and_nothing_else(tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "a").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    keep = [outside / ".x-1-1.part", images / "fox.png", images / "visible.part", images / ".hidden"]
    gone = [images / f".{JOB}-1-1.part", images / "a" / f".{JOB}-1-2.part"]
    for path in keep + gone:
        path.write_bytes(b"x")
    (images / "linked").symlink_to(outside, target_is_directory=True)
    (images / ".link.part").symlink_to(outside / ".x-1-1.part")
    assert clean_parts(tmp_path, REAL_DISK) == 2
    assert [path for path in keep if not path.exists()] == []
    assert [path for path in gone if path.exists()] == []
    assert (images / ".link.part").is_symlink()


def test_sweeping_an_absent_or_linked_folder_does_nothing(tmp_path: Path) -> None:
    assert clean_parts(tmp_path, REAL_DISK) == 0
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".x.part").write_bytes(b"x")
    (tmp_path / "images").symlink_to(outside, target_is_directory=True)
    assert clean_parts(tmp_path, REAL_DISK) == 0
    assert (outside / ".x.part").exists()
