"""Which schema a model's inputs are checked against: the run directory's pinned one, the bundled one, or the live one.

The live catalog is asked only for models that are neither pinned nor bundled, or where `--refresh-schema` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen import errors
from batchgen.catalog import pin, schema
from batchgen.catalog.schema import ModelSpec
from batchgen.catalog.words import did_you_mean, listed
from batchgen.cli.connect import account, connected, patiently

if TYPE_CHECKING:
    from batchgen.runcomfy.client import Client


@dataclass(slots=True)
class Specs:
    """Finds the schema of a model by its id, each once; None for a model that nobody knows.

    `catalog` is the path of the run directory's pinned schemas. Raises TokenError where the live catalog is needed
    and there is no token, UnavailableError where it does not answer, and LedgerError for pinned schemas that cannot be
    read.
    """

    catalog: Path
    sandbox: bool = False
    refresh: bool = False
    _pinned: Mapping[str, ModelSpec] | None = field(default=None, init=False)
    _found: dict[str, ModelSpec | None] = field(default_factory=dict, init=False)

    def __call__(self, model: str) -> ModelSpec | None:
        """Return the schema to check the model's inputs against."""
        if model not in self._found:
            self._found[model] = self._find(model)
        return self._found[model]

    @property
    def pinned(self) -> Mapping[str, ModelSpec]:
        """What the run directory pins; nothing where it cannot be read but is to be refreshed anyway."""
        if self._pinned is None:
            try:
                self._pinned = pin.read(self.catalog)
            except errors.LedgerError:
                if not self.refresh:
                    raise
                self._pinned = {}
        return self._pinned

    def _find(self, model: str) -> ModelSpec | None:
        if not self.refresh and model in self.pinned:
            return self.pinned[model]
        known = schema.bundled(model)
        if self.sandbox or (known is not None and not self.refresh):
            return known
        return live_spec(model, refresh=self.refresh)


def live_spec(model: str, *, refresh: bool = False) -> ModelSpec | None:
    """Ask the live catalog for a model's schema; None where it does not know the model.

    Raises TokenError and UnavailableError.
    """
    try:
        to = account(sandbox=False)
    except errors.TokenError as problem:
        raise errors.TokenError(needs_token(model, str(problem), refresh=refresh)) from None

    async def ask() -> ModelSpec | None:
        async with connected(to, Path()) as client:
            return await spec_at(client, model)

    from batchgen.cli import loop  # With asyncio, which few manifests need.

    return loop.run(ask())


async def spec_at(client: Client, model: str) -> ModelSpec | None:
    """Return the schema that the catalog of this client gives; None where it does not know the model.

    Raises UnavailableError where it does not answer, or not with a schema, and TokenError.
    """
    try:
        return schema.from_live(model, await patiently(partial(client.model, model)))
    except errors.ModelRejected:
        return None
    except ValueError as problem:
        raise errors.UnavailableError(f"{problem}; batchgen can use no model without one") from None


def needs_token(model: str, why: str, *, refresh: bool = False) -> str:
    """Return the message for who has no token (`why`) and wants what only the live catalog knows."""
    if refresh:
        return f"--refresh-schema asks the live catalog, which needs a token: {why}"
    ids = schema.bundled_ids()
    near = did_you_mean(model, ids) or f"without one batchgen knows {listed(ids)}"
    return f'the inputs of "{model}" stand in the live catalog, which needs a token ({near}): {why}'
