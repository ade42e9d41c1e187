"""The fault matrix as a page for readers: `PYTHONPATH=tests python -m faults.page > docs/faults.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby

from faults.matrix import ROWS
from faults.rows import Row
from support.faulty import Endpoint

HEAD = """# What every fault of the server comes to

Everything that is known to go wrong between batchgen and the API, and what comes of it. Each row is also a test, which
runs the real command against a server that does just this. Made from `tests/faults/`:
`PYTHONPATH=tests python -m faults.page > docs/faults.md`.

A row says what the server does, after which it works as it should, unless it says "always"; what batchgen does; how
often the server was asked; what the ledger says of each job, with an error's kind and the stage it happened in; the
exit code; and words that the command, or the ledger's error, says. `{id}` is the request's id, `{files}` the file host.

- **holds it as unknown**: it may be taken and paid for. Only a person sends it again: `attach`, `settle`,
  `--on-unknown resubmit`.
- **fails it**: the job is held, and `--retry-failed` sends it again.
- **fails it, made and paid for**: `fetch` and `--retry-failed` collect it, and nothing sends it again.
- **leaves it in flight**: the same command, or `fetch`, goes on asking for it.
- **stops**: sends nothing more. What was not taken stays new, and the same command goes on.

Nothing that may have been taken is ever sent twice. More than one POST is for several jobs, or follows a `refused`.
"""

TITLES = {
    Endpoint.SUBMIT: "Submitting: `POST /v1/models/{model_id}`",
    Endpoint.STATUS: "Polling: `GET /v1/requests/{id}/status`",
    Endpoint.RESULT: "The result: `GET /v1/requests/{id}/result`",
    Endpoint.FILE: "A file",
    Endpoint.CANCEL: "Cancelling: `POST /v1/requests/{id}/cancel`",
    Endpoint.CATALOG: "The catalog: `GET /v1/models/{model_id}`",
    Endpoint.BALANCE: "The balance, which `batchgen doctor` asks for",
}


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *map(section, Endpoint)])


def section(endpoint: Endpoint) -> str:
    """Return one endpoint's heading and table."""
    asked = "POSTs" if endpoint is Endpoint.SUBMIT else "asked"
    heads = ("The server", "batchgen", asked, "ledger", "exit", "you read")
    rows = [cells(row) for row in ROWS if row.endpoint is endpoint]
    return f"## {TITLES[endpoint]}\n\n{table([heads, ['---'] * len(heads), *rows])}"


def table(lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def cells(row: Row) -> tuple[str, ...]:
    """Return one row of a table."""
    server = f"{row.when}: {row.server}" if row.when else row.server
    asked = row.posts if row.endpoint is Endpoint.SUBMIT else row.asked
    times = "often" if asked is None else str(asked)
    return server, row.does, times, ledger(row), str(row.exit), f"`{row.told}`"


def ledger(row: Row) -> str:
    """Return the lines of all jobs, those that are the same counted."""
    texts = [text or "nothing" for text in row.ledger]
    if len(texts) == row.jobs == 1:
        return texts[0]
    if len(texts) == 1:
        return f"each: {texts[0]}"
    counted = [(text, len(list(same))) for text, same in groupby(texts)]
    return "; ".join(f"{count} jobs: {text}" if count > 1 else text for text, count in counted)


if __name__ == "__main__":
    sys.stdout.write(page())
