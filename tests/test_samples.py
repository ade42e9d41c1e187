"""The sample manifests do what their comments say, and the first one prints what the README shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
SAMPLES = sorted(path.name for path in (ROOT / "sample_manifests").iterdir() if path.is_file())
SMALL = ("--limit", "3", "-j", "4")
MODEL = "google/nano-banana-2/text-to-image"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the samples alone, to run in."""
    shutil.copytree(ROOT / "sample_manifests", tmp_path / "sample_manifests", ignore=shutil.ignore_patterns("runs"))
    return tmp_path


def batchgen(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program in `folder` with nothing of ours in its environment."""
    command = [sys.executable, "-m", "batchgen", *arguments]
    return subprocess.run(
        command, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=100, check=False
    )


def shown_by_readme() -> list[str]:
    """Return what the README shows of the quickstart's run, without the bar: only a terminal has it."""
    blocks = re.findall(r"^```\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (block,) = (block for block in blocks if block.startswith("quickstart: "))
    return [_timeless(line) for line in block.splitlines() if "█" not in line]


def _timeless(line: str) -> str:
    return re.sub(r"after \d+ s", "after N s", line)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_has_jobs_and_no_warnings(name: str, copy: Path) -> None:
    model = () if name.endswith(".yaml") else ("--model", MODEL)
    done = batchgen(copy, "plan", f"sample_manifests/{name}", "--sandbox", "--json", *model)
    assert done.returncode == 0, done.stderr

    plan = json.loads(done.stdout)
    assert plan["jobs"] == plan["new"] > 0
    assert (plan["duplicates"], plan["warnings"]) == (0, [])
    assert plan["cost_usd"] is not None
    claimed = re.search(r"(\d+) pictures", (copy / "sample_manifests" / name).read_text("utf-8").partition("\n\n")[0])
    assert claimed is None or int(claimed[1]) == plan["jobs"]


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in ("quickstart.yaml", "styles.tsv")])
def test_every_sample_runs_in_the_sandbox(name: str, copy: Path) -> None:
    model = () if name.endswith(".yaml") else ("--model", MODEL)
    done = batchgen(copy, "run", f"sample_manifests/{name}", "--sandbox", "-q", "--json", *SMALL, *model)
    assert done.returncode == 0, done.stderr

    summary = json.loads(done.stdout)
    assert summary["done"] == 3
    assert list((copy / "sample_manifests/runs").rglob("images/**/*.png"))


def test_the_quickstart_makes_four_pictures_and_prints_what_the_readme_shows(copy: Path) -> None:
    command = ("run", "sample_manifests/quickstart.yaml", "--sandbox")
    done = batchgen(copy, *command)
    assert done.returncode == 0, done.stderr

    run_directory = copy / "sample_manifests/runs/quickstart-sandbox"
    pictures = sorted((run_directory / "images").iterdir())
    sizes = set()
    for path in pictures:
        with Image.open(path, formats=["PNG"]) as picture:
            picture.load()
            sizes.add(picture.size)
    assert (len(pictures), len(sizes)) == (4, 2)

    printed = [_timeless(line) for line in done.stderr.splitlines()]
    shown = shown_by_readme()
    assert printed[:3] + printed[-3:] == shown

    assert batchgen(copy, *command).returncode == 0
    words = [json.loads(line)["event"] for line in (run_directory / "log.jsonl").read_text().splitlines()]
    assert words.count("submitting") == words.count("done") == 4
