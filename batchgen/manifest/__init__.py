"""The manifest language: text with positions into a validated Manifest, and a Manifest into a lazy stream of Jobs."""

from __future__ import annotations

from batchgen.manifest.expand import Expansion
from batchgen.manifest.loader import load
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.overrides import Overrides

__all__ = ["Expansion", "Manifest", "Overrides", "load"]
