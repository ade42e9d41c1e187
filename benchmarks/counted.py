"""`batchgen` as it is, which at its end also says how often it synced its ledger, and for how many lines.

python benchmarks/counted.py COUNTS run MANIFEST ...
"""

from __future__ import annotations

import sys
from pathlib import Path

from batchgen.__main__ import main
from batchgen.ledger.journal import Journal

if __name__ == "__main__":
    counts = Path(sys.argv.pop(1))
    release = Journal.release

    def released(journal: Journal) -> None:
        """Note the counts, then let go."""
        counts.write_text(f"{journal.syncs} {journal.appends}")
        release(journal)

    Journal.release = released  # type: ignore[method-assign]
    main()
