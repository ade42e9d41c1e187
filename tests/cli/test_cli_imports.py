"""What a command does not need it does not load: a plan or a status is over before the event loop would be there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MANIFEST = "model: google/nano-banana-2/text-to-image\nprompts: [a fox]\npricing: {base_usd: 0.08}\n"
NETWORK = {"asyncio", "aiohttp", "ssl", "concurrent.futures", "yarl", "batchgen.runcomfy.client"}
HEAVY = {"PIL", "aiofiles", "tqdm", "uvloop", "multiprocessing"}
LANGUAGE = {"yaml", "jsonschema_rs", "batchgen.catalog", "batchgen.plan"}
WRITER = {"batchgen.engine", "batchgen.ledger.journal", "batchgen.store.formats", "batchgen.store.parts"}
VOCABULARY = {"batchgen.job", "batchgen.events", "batchgen.state", "batchgen.ledger", "batchgen.report", "orjson"}
HASHING = {"hashlib"}
NAMES = {"batchgen.store.names", "batchgen.cli.verdict", "batchgen.report.summary"}
SURVEY = {"batchgen.report.survey", "batchgen.cli.verdict", "batchgen.report.summary"}
LEDGER = {"msgspec", "batchgen.ledger.replay"}
MISTAKES = {"difflib"}

NOTHING_YET = NETWORK | HEAVY | LANGUAGE | WRITER | VOCABULARY | HASHING | NAMES | MISTAKES
READING = NETWORK | HEAVY | LANGUAGE | WRITER | MISTAKES


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--version"], NOTHING_YET),
        (["--help"], NOTHING_YET),
        (["run", "--help"], NOTHING_YET),
        (["plan", "m.yaml"], NETWORK | HEAVY | WRITER | SURVEY | LEDGER | MISTAKES),
        (["status", "run"], READING | HASHING | NAMES),
        (["failures", "run"], READING),
        (["export", "run"], READING),
    ],
)
def test_a_command_loads_no_more_than_it_needs(arguments: list[str], unneeded: set[str], tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_bytes(b"")
    assert unneeded & set(at_exit(arguments, "*sys.modules", tmp_path)) == set()


def test_at_its_end_a_command_looks_for_no_cycles(tmp_path: Path) -> None:
    code = "gc.get_freeze_count(), len(gc.get_objects())"
    frozen, looked_through = map(int, at_exit(["--version"], code, tmp_path))

    assert frozen > 10 * looked_through


def at_exit(arguments: list[str], values: str, folder: Path) -> list[str]:
    """Return the words that Python makes of `values` when a command of these arguments is over."""
    code = (
        "import atexit, gc, sys; from batchgen.cli.main import main; "
        f"atexit.register(lambda: print({values}, file=sys.stderr)); main()"
    )
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(
        command, check=False, cwd=folder, capture_output=True, text=True, timeout=60, env={"HOME": str(folder)}
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr.split()
