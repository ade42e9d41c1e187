"""What is installed is whole, and calls itself what the changelog says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import batchgen

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "batchgen"


def test_the_version_is_that_of_the_newest_heading_of_the_changelog() -> None:
    headings = re.findall(
        r"^## (\S+)( \(unreleased\)| \(\d{4}-\d\d-\d\d\))$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )

    assert headings[0][0] == batchgen.__version__
    assert all(kind != " (unreleased)" for _, kind in headings[1:])


def test_every_data_file_of_the_package_is_named_for_installation() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["batchgen"]
    named = {path.relative_to(PACKAGE) for pattern in declared for path in PACKAGE.glob(pattern)}
    data = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
    }

    assert {Path("py.typed"), Path("catalog/schemas.json")} <= data
    assert data - named == set()
