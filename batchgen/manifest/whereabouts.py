"""Where a manifest's run directory is, without reading its prompts or judging the rest of it."""

from __future__ import annotations

from pathlib import Path

from batchgen.errors import ManifestError, Problem
from batchgen.manifest import sections, tables, yamltext
from batchgen.manifest.problems import Problems


def whereabouts(path: Path) -> tuple[str, Path | None]:
    """Return a manifest's name and the run directory it names, None where it names none.

    Raises ManifestError where the file cannot be read or is no YAML.
    """
    if path.suffix.lower() in tables.SUFFIXES:
        return path.stem, None
    problems = Problems()
    try:
        root = yamltext.parse(path.read_bytes()[: yamltext.MAX_BYTES + 1], str(path), problems)
    except OSError as error:
        raise ManifestError([Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from error
    problems.raise_any()
    top = root.value if root is not None and isinstance(root.value, dict) else {}
    name = top["name"].value if "name" in top else None
    output = sections.output(top.get("output"), path.parent, Problems())
    return (name if isinstance(name, str) and name else path.stem), output.dir
