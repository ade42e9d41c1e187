"""Where a manifest's run directory is, without reading its prompts or judging the rest of it."""

from __future__ import annotations

from pathlib import Path

from batchgen.errors import ManifestError, Problem
from batchgen.manifest import sections, tables, yamltext
from batchgen.manifest.problems import Problems
from batchgen.manifest.sections import OutputSpec


def whereabouts(path: Path, text: bytes | None = None) -> tuple[str, Path | None]:
    """Return a manifest's name and the run directory it names, None where it names none.

    `text` stands for the file's content, as from standard input. Raises ManifestError where the file cannot be read or
    is no YAML.
    """
    name, output = _outline(path, text)
    return name, output.dir


def wants_sidecars(path: Path) -> bool:
    """Tell whether a manifest, or the snapshot of one, asks for sidecars. Raises ManifestError."""
    return _outline(path, None)[1].sidecar


def _outline(path: Path, text: bytes | None) -> tuple[str, OutputSpec]:
    problems = Problems()
    if text is None and path.suffix.lower() in tables.SUFFIXES:
        return path.stem, sections.output(None, path.parent, problems)
    try:
        content = path.read_bytes()[: yamltext.MAX_BYTES + 1] if text is None else text
    except OSError as error:
        raise ManifestError([Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from error
    root = yamltext.parse(content, str(path), problems)
    problems.raise_any()
    top = root.value if root is not None and isinstance(root.value, dict) else {}
    name = top["name"].value if "name" in top else None
    output = sections.output(top.get("output"), path.parent, Problems())
    return (name if isinstance(name, str) and name else path.stem), output
