"""The writer of outputs: names, temporary files, checking of what arrived, durable renames, and looking again later.

`writer.Store` saves outputs, `names` decides what they are called, `check` looks at them again, `clean_parts` sweeps up
what a crash left. This module stays light: reading a run directory needs neither Pillow nor aiofiles.
"""

from __future__ import annotations

from batchgen.store.parts import clean_parts

__all__ = ["clean_parts"]
