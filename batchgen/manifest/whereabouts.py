"""Where a manifest's run directory is, without reading its prompts or judging the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from batchgen.errors import ManifestError, Problem
from batchgen.manifest import sections, tables, yamltext
from batchgen.manifest.problems import Problems
from batchgen.manifest.sections import OutputSpec
from batchgen.manifest.yamltext import Node


def whereabouts(path: Path) -> tuple[str, Path | None]:
    """Return a manifest's name and the run directory it names, None where it names none.

    Raises ManifestError where the file cannot be read or is no YAML.
    """
    return told_by(_keys(path), path)


def told_by(top: Mapping[str, Node], path: Path) -> tuple[str, Path | None]:
    """Return what `whereabouts` does, from the top keys of the manifest at `path`; a prompt list has none."""
    name = top["name"].value if "name" in top else None
    return (name if isinstance(name, str) and name else path.stem), _output(top, path).dir


def wants_sidecars(path: Path) -> bool:
    """Tell whether a manifest, or the snapshot of one, asks for sidecars. Raises ManifestError."""
    return _output(_keys(path), path).sidecar


def _output(top: Mapping[str, Node], path: Path) -> OutputSpec:
    return sections.output(top.get("output"), path.parent, Problems())


def _keys(path: Path) -> Mapping[str, Node]:
    problems = Problems()
    if path.suffix.lower() in tables.SUFFIXES:
        return {}
    try:
        content = path.read_bytes()[: yamltext.MAX_BYTES + 1]
    except OSError as error:
        raise ManifestError([Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from error
    root = yamltext.parse(content, str(path), problems)
    problems.raise_any()
    return root.value if root is not None and isinstance(root.value, dict) else {}
