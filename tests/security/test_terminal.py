"""No text from outside moves a terminal's cursor, sets its title, or turns its writing direction, in any command."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import unicodedata
from decimal import Decimal
from pathlib import Path

import pytest
from support.sandboxed import MODEL, Workplace
from support.scripted import Scripted

from batchgen import events
from batchgen.cli import console
from batchgen.errors import ErrorInfo, Stage
from batchgen.job import File
from batchgen.ledger import lines, lock

EVIL = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202egnp\u2066\x08\x7f\u200b\U000e0041"
TIME = "2025-11-22T12:00:00.000Z"
COMMANDS = (
    ["status"],
    ["failures"],
    ["verify"],
    ["export"],
    ["status", "--json"],
    ["failures", "--json"],
    ["verify", "--json"],
)


def unsafe(text: str) -> set[str]:
    """Return the characters of a command's output that a terminal may act on."""
    return {one for one in text if one != "\n" and (unicodedata.category(one)[0] == "C" or one in "\u2028\u2029")}


def hostile_ledger(folder: Path) -> Path:
    """Make a run directory whose every text is hostile."""
    (folder / "images").mkdir(parents=True)
    error = ErrorInfo(EVIL, Stage.RUN, EVIL)
    intent = events.Submitting(
        time=EVIL, job="a" + EVIL, attempt=1, index=1, name=EVIL, model=EVIL, prompt=EVIL, settings={EVIL: EVIL},
        tags={EVIL: [EVIL]}, repeat=1,
    )  # fmt: skip
    done = events.Done(
        time=EVIL, job="b" + EVIL, attempt=1, request_id=EVIL, model=EVIL, prompt=EVIL, settings={EVIL: EVIL},
        tags={EVIL: EVIL}, files=(File(f"images/{EVIL}.png", 1, "0" * 64, EVIL),),
    )  # fmt: skip
    history = [
        events.RunStarted(
            time=EVIL, version=EVIL, name=EVIL, manifest=EVIL, api="sandbox", counts={EVIL: 1}, host=EVIL, pid=10**12,
            boot_id=EVIL, command_line=f"batchgen run '{EVIL}",
        ),
        intent,
        events.Failed(time=EVIL, job=intent.job, attempt=1, error=error),
        events.Unknown(time=EVIL, job="c" + EVIL, attempt=1, error=error),
        events.Lost(time=EVIL, job="d" + EVIL, attempt=1, request_id=EVIL),
        done,
        events.RunFinished(time=EVIL, counts={}, exit_code=0, reason=EVIL, cost_usd=Decimal(1)),
    ]  # fmt: skip
    (folder / "log.jsonl").write_bytes(b"".join(map(lines.encode, history)))
    return folder


def on_a_terminal(place: Workplace, *arguments: str) -> str:
    """Return what a command writes where its standard output is a terminal."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "batchgen", *arguments]
    process = subprocess.Popen(
        command, cwd=place.folder, env=place.environment, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower
    )
    os.close(follower)
    said = bytearray()
    try:
        while piece := os.read(leader, 65536):
            said += piece
    except OSError:
        pass
    finally:
        os.close(leader)
        process.wait(45)
    assert b"Traceback" not in said, said.decode()
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_hostile_ledger_is_shown_as_harmless_text(command: list[str], place: Workplace) -> None:
    hostile_ledger(place.folder / "r")
    said = on_a_terminal(place, command[0], "r", *command[1:])
    assert "pwned" in said or command[0] == "status"
    assert unsafe(said) == set()


def test_a_piped_export_keeps_every_text_as_it_is(place: Workplace) -> None:
    hostile_ledger(place.folder / "r")
    assert EVIL in place.run("export", "r").out


@pytest.mark.parametrize(
    "command", [["plan"], ["plan", "--json"], ["run", "-v"], ["run", "--json", "--progress", "json"]], ids=" ".join
)
def test_a_hostile_manifest_is_shown_as_harmless_text(command: list[str], place: Workplace) -> None:
    prompts = [{"text": f"a fox {EVIL} [sandbox:fail]", "tags": {f"set{EVIL}": EVIL}}, f"a fox {EVIL}"]
    content = json.loads((place.folder / place.manifest([])).read_text())
    # Beyond U+FFFF, YAML does not read JSON's escapes.
    said_in_yaml = json.dumps({**content, "prompts": prompts}).replace("\\udb40\\udc41", "\\U000e0041")
    (place.folder / "m.yaml").write_text(said_in_yaml)
    said = on_a_terminal(place, command[0], "m.yaml", *command[1:])
    assert "fox" in said
    assert unsafe(said) == set()


@pytest.mark.parametrize(
    "command",
    [["models"], ["models", MODEL], ["models", "--json"], ["models", MODEL, "--json"], ["doctor"]],
    ids=" ".join,
)
def test_a_hostile_catalog_is_shown_as_harmless_text(command: list[str], place: Workplace) -> None:
    with Scripted() as api:
        words = ("name", "display_name", "category", "pricing_note", "price_unit")
        properties = {"prompt": {"type": "string"}, EVIL: {"enum": [EVIL], "default": EVIL}}
        api.models[MODEL] = {
            **dict.fromkeys(words, EVIL),
            "model_id": MODEL,
            "categories": [EVIL],
            "base_price_usd": 0.1,
            "input_schema": {"properties": properties, "required": [EVIL]},
        }
        place.use(api.origin)
        assert unsafe(on_a_terminal(place, *command)) == set()


def test_a_mistake_shows_hostile_names_as_harmless_text(place: Workplace) -> None:
    (place.folder / f"{EVIL}.yaml").write_text(f'"{EVIL!r}": 1\n')
    for arguments in (
        ["run", f"{EVIL}.yaml"],
        ["status", f"{EVIL}"],
        ["run", "x", f"--{EVIL}"],
        [f"{EVIL}"],
        ["init", f"{EVIL}/x.yaml"],
    ):
        assert unsafe(on_a_terminal(place, *arguments)) == set(), arguments


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_folder_whose_name_is_no_text_is_shown(command: list[str], place: Workplace) -> None:
    """A file name is bytes; one that is not UTF-8 comes in as half surrogates, which no stream can write."""
    folder = hostile_ledger(Path(os.fsdecode(os.fsencode(place.folder) + b"/run-\xff")))
    ended = place.run(command[0], str(folder), *command[1:])
    assert ended.code in (0, 1), ended.err


@pytest.mark.parametrize("pid", [10**30, -(10**30), 0, -1])
def test_a_process_number_that_cannot_be_is_of_no_process(pid: int, place: Workplace) -> None:
    started = events.RunStarted(
        time=TIME, version="1", name="m", manifest="", api="sandbox", counts={}, host=lock.host_name(), pid=pid,
        boot_id=lock.boot_id(),
    )  # fmt: skip
    (place.folder / "r").mkdir()
    (place.folder / "r" / "log.jsonl").write_bytes(lines.encode(started))
    assert place.run("status", "r", "--json").json["running"] is False


def test_every_line_is_made_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever makes a line may forget about it; line breaks of our own stay."""
    console.show([f"one\ntwo {EVIL}"])
    console.say(f"three {EVIL}")
    said = capsys.readouterr()
    assert unsafe(said.out + said.err) == set()
    assert said.out.startswith("one\ntwo ")
