"""The page of mornings shows what the program says, and each night is mended as the page tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nights.page import HEAD, PAGE, section
from nights.scenes import SCENES, Scene

PARTS = re.split(r"(?=\n## )", PAGE.read_text("utf-8"))


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.play.__name__)
def test_a_morning_is_as_the_page_shows_it(scene: Scene, tmp_path: Path) -> None:
    played = section(scene, tmp_path)
    shown = next((part for part in PARTS if part.startswith(f"\n## {scene.title}\n")), "")

    assert played == shown, "python tests/nights/page.py > docs/mornings.md"


def test_the_page_has_these_scenes_and_no_others() -> None:
    titles = [part.splitlines()[1].removeprefix("## ") for part in PARTS[1:]]

    assert PARTS[0] == HEAD
    assert titles == [scene.title for scene in SCENES]
