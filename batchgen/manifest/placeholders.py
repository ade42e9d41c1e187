"""Templates: `{names}` in a prompt with `vars`, and the fields of output names.

Braces follow Python's rules: `{{` and `}}` are braces.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

_PARSER = Formatter()


def fields(template: str) -> list[tuple[str, str, str | None]]:
    """Return (name, format spec, conversion) of each field in a template.

    Raises ValueError where the braces do not match.
    """
    parts = _PARSER.parse(template)
    return [(name, spec or "", conversion) for _, name, spec, conversion in parts if name is not None]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return a sound prompt template with every `{name}` replaced by its value."""
    parts = []
    for literal, name, _, _ in _PARSER.parse(template):
        parts.append(literal)
        if name is not None:
            parts.append(values[name])
    return "".join(parts)
