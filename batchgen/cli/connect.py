"""Reaching the API: the environment's token and address, or a sandbox of our own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import batchgen
from batchgen import errors
from batchgen.catalog.price import base_price_of
from batchgen.cli.sandbox_process import sandbox_process
from batchgen.runcomfy import base, token
from batchgen.runcomfy.client import Client

SANDBOX = "sandbox"
"""What the ledger names as `api` for the sandbox, whose port is another one every time."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where requests go and who pays. For the sandbox the address is known once it runs."""

    origin: str
    token: str = "needs-no-account"  # noqa: S105 - the sandbox takes any
    base: str = ""

    @property
    def is_sandbox(self) -> bool:
        """Whether nothing here costs anything."""
        return self.origin == SANDBOX


def account(sandbox: bool, environ: Mapping[str, str] = os.environ) -> Account:
    """Return the account that the environment names. Raises TokenError or UsageError."""
    if sandbox:
        return Account(SANDBOX)
    url = base.from_environ(environ)
    return Account(str(url.origin()), token.find(environ), str(url))


def api_origin(environ: Mapping[str, str] = os.environ) -> str:
    """Return the origin that the environment names, token or not. Raises UsageError."""
    return str(base.from_environ(environ).origin())


@asynccontextmanager
async def connected(to: Account, sandbox_folder: Path, allow_hosts: Iterable[str] = ()) -> AsyncIterator[Client]:
    """Yield a client of the account's API; for the sandbox, one on `sandbox_folder` that is started and ended here."""
    if not to.is_sandbox:
        async with Client(
            base=to.base, token=to.token, allow_hosts=allow_hosts, version=batchgen.__version__
        ) as client:
            yield client
        return
    async with (
        sandbox_process(sandbox_folder) as origin,
        Client(base=origin, token=to.token, name=SANDBOX, allow_hosts=allow_hosts) as client,
    ):
        yield client


async def base_prices(client: Client, models: Iterable[str]) -> dict[str, Decimal | None]:
    """Return the live base price of each model in USD, None where the API does not say.

    This is also the first, free, use of the token: raises TokenError where it is refused.
    """
    prices: dict[str, Decimal | None] = {}
    for model in models:
        try:
            prices[model] = base_price_of(await client.model(model))
        except (errors.Transient, errors.JobError):
            prices[model] = None
    return prices
