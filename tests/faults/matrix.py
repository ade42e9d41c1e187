"""The fault matrix: every fault of every endpoint that batchgen asks, and what comes of it."""

from __future__ import annotations

from faults import on_balance, on_cancel, on_catalog, on_file, on_result, on_status, on_submit
from faults.rows import Row

ROWS: tuple[Row, ...] = (
    *on_submit.ROWS,
    *on_status.ROWS,
    *on_result.ROWS,
    *on_file.ROWS,
    *on_cancel.ROWS,
    *on_catalog.ROWS,
    *on_balance.ROWS,
)
