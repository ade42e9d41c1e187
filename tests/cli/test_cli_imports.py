"""What a command does not need it does not load: a plan or a status is over before the event loop would be there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MANIFEST = "model: google/nano-banana-2/text-to-image\nprompts: [a fox]\npricing: {base_usd: 0.08}\n"
NETWORK = {"asyncio", "aiohttp", "ssl", "concurrent.futures"}
HEAVY = {"PIL", "aiofiles", "tqdm", "uvloop", "multiprocessing"}
LANGUAGE = {"yaml", "jsonschema_rs"}


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--help"], NETWORK | HEAVY | LANGUAGE),
        (["plan", "m.yaml"], NETWORK | HEAVY),
        (["status", "run"], NETWORK | HEAVY | LANGUAGE),
        (["failures", "run"], NETWORK | HEAVY | LANGUAGE),
        (["export", "run"], NETWORK | HEAVY | LANGUAGE),
    ],
)
def test_a_command_loads_no_more_than_it_needs(arguments: list[str], unneeded: set[str], tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_bytes(b"")
    code = (
        "import atexit, sys; from batchgen.cli.main import main; "
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(
        command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60, env={"HOME": str(tmp_path)}
    )
    assert ended.returncode == 0, ended.stderr
    assert unneeded & set(ended.stderr.split()) == set()
