"""The ledger: the one append-only file of a run directory, its lock, its repair and its reading back."""
