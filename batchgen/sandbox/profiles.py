"""The named fault tables, and reading one from a name, JSON text or a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from batchgen.sandbox.config import SandboxError
from batchgen.sandbox.faults import ENDPOINTS, Rule, parse_rules

_HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"


def _rule(on: str, do: str, share: float, **more: object) -> dict[str, object]:
    return {"on": on, "do": do, "share": share, **more}


def _flaky_reads(on: str) -> list[dict[str, object]]:
    return [
        _rule(on, "status", 0.015, status=503),
        _rule(on, "status", 0.01, status=502, body=_HTML),
        _rule(on, "drop_after", 0.015),
        _rule(on, "rate_limit", 0.01, retry_after=1),
    ]


def _flaky() -> list[dict[str, object]]:
    """About 5 % of everything. A submission meets only a 429, the one refusal that no client can doubt."""
    rules = [_rule("submit", "rate_limit", 0.025, retry_after=1), _rule("submit", "rate_limit", 0.025)]
    for on in ("status", "result", "cancel", "models", "balance"):
        rules += _flaky_reads(on)
    return [
        *rules,
        _rule("file", "status", 0.02, status=503),
        _rule("file", "truncate", 0.02),
        _rule("file", "drop_before", 0.01),
    ]


def _hostile() -> list[dict[str, object]]:
    """About 5 % of everything, and nothing is ruled out: submissions whose fate the client cannot know too."""
    return [
        _rule("submit", "rate_limit", 0.01),
        _rule("submit", "drop_before", 0.005),
        _rule("submit", "drop_after", 0.01),
        _rule("submit", "no_id", 0.005),
        _rule("submit", "empty", 0.005),
        _rule("submit", "status", 0.005, status=502, body=_HTML),
        _rule("submit", "status", 0.005, status=500, accept=True),
        _rule("submit", "fail", 0.01, error={"type": "upstream", "message": "the run failed"}),
        *_flaky_reads("status"),
        _rule("status", "error_code", 0.005, status=200, spelling="message"),
        _rule("status", "empty", 0.005),
        *_flaky_reads("result"),
        _rule("result", "truncate", 0.01),
        _rule("result", "output", 0.01, output="{url}"),
        _rule("result", "output", 0.01, output={"items": [{"url": "{url}"}]}),
        _rule("file", "html_file", 0.01),
        _rule("file", "truncate", 0.01),
        _rule("file", "wrong_format", 0.01),
        _rule("file", "redirect", 0.005),
        _rule("file", "slow_file", 0.01, seconds=3),
        _rule("file", "status", 0.01, status=503),
        *_flaky_reads("cancel"),
        *_flaky_reads("models"),
        *_flaky_reads("balance"),
    ]


def _outage() -> list[dict[str, object]]:
    return [_rule(on, "status", 1.0, status=503) for on in ENDPOINTS]


def profiles() -> Mapping[str, tuple[Rule, ...]]:
    """The named tables."""
    tables = {"none": [], "flaky": _flaky(), "hostile": _hostile(), "outage": _outage()}
    return {name: parse_rules(table) for name, table in tables.items()}


def read_rules(text: str) -> tuple[Rule, ...]:
    """The table that `--faults TEXT` means. Raises SandboxError (64) with the way out."""
    known = profiles()
    if text in known:
        return known[text]
    try:
        if not text.lstrip().startswith("["):
            text = Path(text).read_text(encoding="utf-8")
        return parse_rules(json.loads(text))
    except FileNotFoundError:
        names = ", ".join(known)
        message = f"--faults {text}: no such profile or file; use {names}, a JSON list, or the path of one"
        raise SandboxError(message, 64) from None
    except (OSError, ValueError) as error:
        raise SandboxError(f"--faults: {error}", 64) from None
