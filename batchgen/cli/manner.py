"""How the person wants a run carried out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from batchgen.cli.ping import Watch
from batchgen.engine.scheduler import Limits


@dataclass(frozen=True, slots=True)
class Manner:
    """How the person wants it: limits, interruption, and what is shown where."""

    limits: Limits
    max_time: float | None = None
    grace: float = 30.0
    on_interrupt: str = "drain"
    progress: str = "auto"
    quiet: bool = False
    verbose: bool = False
    as_json: bool = False
    log_file: Path | None = None
    watch: Watch | None = None

    @property
    def is_silent(self) -> bool:
        """Whether people are told nothing while all goes well."""
        return self.quiet or self.progress == "json"
