"""Words for messages: the name that was probably meant, and lists and values as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterable

_LONGEST = 80


def closest(word: str, options: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the option that `word` most resembles, or None when nothing is as near as `cutoff` (0 to 1)."""
    folded = {option.casefold(): option for option in options}
    wanted = word[:_LONGEST].strip().casefold()
    plain = wanted.replace(" ", "_").replace("-", "_")
    if plain in folded:
        return folded[plain]
    import difflib  # Only mistakes need it.

    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return `did you mean "x"?`, or nothing when no option is near."""
    near = closest(word, options)
    return f'did you mean "{near}"?' if near is not None else ""


def shown(value: object) -> str:
    """Return a value as JSON text, shortened for a message."""
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, int) else _integer(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def listed(options: Iterable[object]) -> str:
    """Return the options on one line, text without quotes."""
    return ", ".join(option if isinstance(option, str) else shown(option) for option in options)


def value_text(value: object) -> str:
    """Return a value as a key can spell it: text as it is, everything else as its JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _integer(value: int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value.bit_length() < 200 else "a number of more than 60 digits"
