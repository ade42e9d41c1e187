"""What goes into a run from outside: local pictures, standard input, a first manifest, and sidecars of other runs."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from PIL import Image
from support import sandboxed
from support.sandboxed import Sandbox, Workplace

EDIT = "google/nano-banana-2/edit"
URL = "https://example.com/b.png"


def paint(path: Path, colour: str) -> bytes:
    """Save a small picture and return its bytes."""
    Image.new("RGB", (8, 8), colour).save(path, "PNG")
    return path.read_bytes()


def sent(server: Sandbox, prompt: str) -> list[str]:
    """Return the pictures that came with the submission of a prompt."""
    with urllib.request.urlopen(f"{server.origin}/sandbox/requests", timeout=10) as answer:
        inputs = [json.loads(line)["input"] for line in answer.read().splitlines()]
    (found,) = (one["image_urls"] for one in inputs if one["prompt"] == prompt)
    return list(found)


def test_a_local_picture_is_sent_whole_and_kept_by_its_hash(place: Workplace, quick: Sandbox) -> None:
    content = paint(place.folder / "fox.png", "orange")
    manifest = place.manifest(
        ["edit a fox"], model=EDIT, settings={"resolution": "0.5K", "image_urls": ["fox.png", URL]}
    )
    ended = place.run("run", manifest, "-q")
    (line,) = place.book().lines("submitting")
    file, url = line["settings"]["image_urls"]

    assert ended.code == 0, ended.err
    assert (file["bytes"], file["media_type"], url) == (len(content), "image/png", URL)
    assert sent(quick, "edit a fox") == ["data:image/png;base64," + base64.b64encode(content).decode(), URL]
    assert (place.book().path / f"inputs/files/{file['sha256']}.png").read_bytes() == content
    assert "base64" not in place.book().log.read_text()

    (place.folder / "fox.png").rename(place.folder / "moved.png")
    place.manifest(["edit a fox"], model=EDIT, settings={"resolution": "0.5K", "image_urls": ["moved.png", URL]})
    plan = place.run("plan", manifest, "--json").json
    assert (plan["done"], plan["new"]) == (1, 0), "a job knows a file by content, not by path"


def test_a_picture_exchanged_during_the_run_fails_unsent(tmp_path: Path) -> None:
    options = ("--service-time", "0.05", "--service-spread", "0")
    with sandboxed.sandbox(tmp_path / "server", *options) as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        paint(place.folder / "fox.png", "orange")
        manifest = place.manifest(
            ["first", "second"],
            model=EDIT,
            settings={"resolution": "0.5K", "image_urls": ["fox.png"]},
            limits={"submits_per_second": 0.5},
        )
        process = place.start("run", manifest)
        place.book().wait_for(process, "submitted")
        paint(place.folder / "fox.png", "red")
        ended = place.end_of(process)
        (line,) = place.book().lines("failed")

        assert ended.code == 1, ended.err
        assert (line["error"]["kind"], line["error"]["stage"]) == ("input_changed", "input")
        assert "fox.png" in line["error"]["message"]
        assert (server.accepted(), place.book().count("submitting"), place.book().count("done")) == (1, 2, 1)
        assert place.book().summary()["cost_usd"] == sandboxed.PRICE

        plan = place.run("plan", manifest, "--json").json
        assert (plan["new"], plan["removed"]) == (2, 2), "another picture makes other jobs"
        place.close()


def test_a_manifest_may_come_from_standard_input(place: Workplace) -> None:
    text = (place.folder / place.manifest(["a fox from a pipe"], name="x")).read_bytes()
    text = text.replace(b'"name": "x", ', b"")

    def piped(command: str) -> subprocess.CompletedProcess[bytes]:
        arguments = [sys.executable, "-m", "batchgen", command, "-", "--json"]
        return subprocess.run(
            arguments, cwd=place.folder, env=place.environment, input=text, capture_output=True, timeout=60, check=True
        )

    assert json.loads(piped("run").stdout)["done"] == 1
    assert json.loads(piped("plan").stdout)["done"] == 1
    (kept,) = (place.folder / "runs/stdin/inputs").glob("*/manifest.yaml")
    assert kept.read_bytes() == text


def test_the_first_manifest_runs_as_it_is(place: Workplace) -> None:
    written = place.run("init", "first.yaml")
    assert written.code == 0, written.err
    assert "plan first.yaml --sandbox" in written.out
    first, *_ = (place.folder / "first.yaml").read_text().splitlines()
    schema = Path(first.removeprefix("# yaml-language-server: $schema=file://"))
    assert "prompts" in json.loads(schema.read_text())["properties"]

    plan = place.run("plan", "first.yaml", "--json", "--set", "resolution=0.5K").json
    assert (plan["new"], plan["warnings"]) == (6, [])
    ended = place.run("run", "first.yaml", "-q", "--set", "resolution=0.5K", "--limit", "2")
    assert ended.code == 0, ended.err
    assert len(place.book("first").files()) == 2


def test_init_never_overwrites(place: Workplace) -> None:
    (place.folder / "manifest.yaml").write_text("mine")
    ended = place.run("init")

    assert ended.code == 64
    assert "init manifest-2.yaml" in ended.err
    assert (place.folder / "manifest.yaml").read_text() == "mine"
    assert place.run("init", "prompts.csv").code == 64
    assert place.run("init", "nowhere/m.yaml").code == 73


def test_a_sidecar_stands_beside_each_picture_and_makes_the_same_job(place: Workplace) -> None:
    paint(place.folder / "fox.png", "orange")
    manifest = place.manifest(
        [{"text": "a fox, beside", "tags": {"set": "x"}}],
        model=EDIT,
        settings={"resolution": "0.5K", "image_urls": ["fox.png"], "number_of_images": 2},
        output={"name": "{set}/{slug}", "sidecar": True},
    )
    ended = place.run("run", manifest, "-q")
    book = place.book()
    (done,) = book.lines("done")
    (sidecar,) = book.path.rglob("images/**/*.json")

    assert ended.code == 0, ended.err
    assert sidecar == book.path / "images/x/a-fox-beside.json"
    assert [file["path"] for file in done["files"]] == [f"images/x/a-fox-beside_{n}.png" for n in (1, 2)]
    assert sandboxed.TOKEN not in sidecar.read_text()
    plan = place.run("plan", str(sidecar.relative_to(place.folder)), "--json").json
    assert [job["job"] for job in plan["first"]] == [done["job"]]
    assert plan["first"][0]["tags"] == {"set": "x"}
    assert place.run("verify", manifest).code == 0


def test_fetch_writes_the_sidecars_that_the_run_would_have_written(tmp_path: Path) -> None:
    options = ("--service-time", "0.6", "--service-spread", "0")
    with sandboxed.sandbox(tmp_path / "server", *options) as server:
        place = Workplace.at(tmp_path / "place", server.origin)
        manifest = place.manifest(["a fox, later"], output={"sidecar": True, "name": "{slug}"})
        process = place.start("run", manifest, "-q", "--on-interrupt", "leave")
        place.book().wait_for(process, "submitted")
        process.kill()
        place.end_of(process)

        assert place.run("fetch", manifest, "-q").code == 0
        assert sorted(path.name for path in (place.book().path / "images").iterdir()) == [
            "a-fox-later.jpg",
            "a-fox-later.json",
        ]
        place.close()
