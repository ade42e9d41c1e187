"""Where pictures come from and what they are called, whatever a server or a prompt says."""

from __future__ import annotations

import os
import pty
import unicodedata
from pathlib import Path, PurePosixPath

from PIL import Image
from support import sandboxed
from support.sandboxed import PATIENCE_S, Sandbox, Workplace

NASTY = [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\windows",
    "CON",
    "con.txt",
    "🦊🦊🦊",
    "x" * 300,
    "狐" * 300,
    "......",
    "a Fox",
    "A fOX",
    "é",
    "e\u0301",
    "-rf",
    "~",
    "$(touch owned) `id`",
    "right\u202eleft\x07bell\x1b[31m",
    "line\nbreak",
]


def test_names_stay_in_the_images_folder_and_never_meet(place: Workplace, quick: Sandbox) -> None:
    prompts = [{"text": prompt, "tags": {"what": prompt}} for prompt in NASTY]
    ended = place.run("run", place.manifest(prompts, output={"name": "{slug}/{what}"}), "-q")
    book = place.book()
    paths = [PurePosixPath(path) for path in book.files()]
    caseless = {unicodedata.normalize("NFD", str(path)).casefold() for path in paths}

    assert ended.code == 0, ended.err
    assert len(caseless) == len(paths) == len(NASTY)
    assert book.files() == book.named_files()
    assert {path.parts[0] for path in paths} == {"images"}
    assert {len(path.parts) for path in paths} == {3}
    assert all(len(part.encode()) <= 255 and part.isprintable() for path in paths for part in path.parts)
    assert not any(part.strip(". ") != part.lstrip(" ") for path in paths for part in path.parts)
    assert not any(PurePosixPath(part).stem.upper() == "CON" for path in paths for part in path.parts)
    assert sorted(line["prompt"] for line in book.lines("done")) == sorted(NASTY), "prompts are sent as they are"
    assert {path.name for path in place.folder.iterdir()} == {"home", "m.yaml", "runs"}


def test_an_output_at_a_foreign_host_fails_with_the_option_and_is_collected_without_a_post(tmp_path: Path) -> None:
    foreign = {"images": ["https://cdn.example.com/k%3D/x.png?signature=secret"]}
    faults = sandboxed.rules({"on": "result", "do": "output", "output": foreign})
    with sandboxed.sandbox(tmp_path / "server", "--service-time", "0.05", *faults) as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        manifest = place.manifest(["a fox abroad"])
        ended = place.run("run", manifest)
        (line,) = place.book().lines("failed")

        assert ended.code == 1, ended.err
        assert line["error"]["stage"] == "output"
        for text in (ended.err, line["error"]["message"]):
            assert "--allow-host cdn.example.com" in text
            assert "secret" not in text

        server.restart("--service-time", "0.05")
        assert place.run("run", manifest, "-q").code == 1
        assert place.run("run", manifest, "-q", "--retry-failed").code == 0
        assert (server.accepted(), place.book().count("submitting"), place.book().count("done")) == (1, 1, 1)
        place.close()


def test_a_picture_that_cannot_be_written_stops_the_run_and_stays_paid_for(place: Workplace, quick: Sandbox) -> None:
    """Trouble with this disk is no failure of the job: it stays in flight, and is collected once the way is free."""
    before = quick.accepted()
    manifest = place.manifest(["a fox"], output={"name": "{slug}/{index}"})
    in_the_way = place.book().path / "images" / "a-fox"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("not a folder", encoding="utf-8")
    stopped = place.run("run", manifest)

    assert stopped.code == 73, stopped.err
    assert "a-fox" in stopped.err
    assert [line["event"] for line in place.book().lines() if "job" in line] == ["submitting", "submitted"]
    in_the_way.unlink()
    assert place.run("run", manifest, "-q").code == 0
    assert (quick.accepted() - before, list(place.book().files())) == (1, ["images/a-fox/1.jpg"])


def test_several_pictures_of_one_request_have_one_stem(place: Workplace) -> None:
    manifest = place.manifest(["two foxes"], settings={"resolution": "0.5K", "output_format": "webp", "num_images": 2})
    ended = place.run("run", manifest, "-q")
    paths = list(place.book().files())

    assert ended.code == 0, ended.err
    assert len(paths) == 2
    assert len({path.rpartition("_")[0] for path in paths}) == 1
    for path in paths:
        with Image.open(place.book().path / path) as picture:
            assert (picture.format, path[-5:]) == ("WEBP", ".webp")


def test_a_terminal_shows_a_bar(place: Workplace) -> None:
    reader, writer = pty.openpty()
    manifest = place.manifest([f"a fox to watch {number}" for number in range(6)], limits={"submits_per_second": 20})
    place.environment["TERM"] = "xterm"
    process = place.start("run", manifest, stderr=writer)
    os.close(writer)
    seen = b""
    try:
        while piece := os.read(reader, 4096):
            seen += piece
    except OSError:
        pass  # This is how Linux says that nobody has the other end any more.
    finally:
        os.close(reader)

    text = seen.decode()
    assert process.wait(PATIENCE_S) == 0, text
    assert "\r" in text.replace("\r\n", "\n")
    assert "%" in text
    assert "/6 done" in text
    assert "6 of 6 jobs done" in text
    assert "\x1b[31m" not in text
