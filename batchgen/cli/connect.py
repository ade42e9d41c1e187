"""Reaching the API: the environment's token and address, or a sandbox of our own.

What a network needs is imported by who uses it: most plans need none, and it is half of their time.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import batchgen
from batchgen import errors
from batchgen.catalog.price import base_price_of
from batchgen.job import InputFile
from batchgen.runcomfy import base, token

if TYPE_CHECKING:
    from batchgen.runcomfy.client import Client

SANDBOX = "sandbox"
"""What the ledger names as `api` for the sandbox, whose port is another one every time."""

Answer = TypeVar("Answer")

BALANCE_S = 3.0
"""How long a plan or a run waits at most to hear the balance."""

_PAUSES = (0.5, 1.0)
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """Where requests go and who pays. For the sandbox the address is known once it runs."""

    origin: str
    token: str = "needs-no-account"  # noqa: S105 - the sandbox takes any
    base: str = ""

    @property
    def tells_balance(self) -> bool:
        """Whether the balance can be asked where the token may go."""
        return bool(self.base) and base.of_balance(base.parse(self.base)) is not None

    @property
    def is_sandbox(self) -> bool:
        """Whether nothing here costs anything."""
        return self.origin == SANDBOX


def account(sandbox: bool, environ: Mapping[str, str] = os.environ) -> Account:
    """Return the account that the environment names. Raises TokenError or UsageError."""
    if sandbox:
        return Account(SANDBOX)
    if not environ.get(base.VARIABLE):
        return Account(base.PRODUCTION, token.find(environ), f"{base.PRODUCTION}/v1")
    url = base.from_environ(environ)
    return Account(str(url.origin()), token.find(environ), str(url))


def api_origin(environ: Mapping[str, str] = os.environ) -> str:
    """Return the origin that the environment names, token or not. Raises UsageError."""
    return str(base.from_environ(environ).origin())


@asynccontextmanager
async def connected(
    to: Account,
    sandbox_folder: Path,
    allow_hosts: Iterable[str] = (),
    inputs: Mapping[InputFile, Path] = MappingProxyType({}),
) -> AsyncIterator[Client]:
    """Yield a client of the account's API; for the sandbox, one on `sandbox_folder` that is started and ended here.

    `inputs` are the local files that jobs may send.
    """
    from batchgen.runcomfy.client import Client

    if not to.is_sandbox:
        async with Client(
            base=to.base, token=to.token, allow_hosts=allow_hosts, inputs=inputs, version=batchgen.__version__
        ) as client:
            yield client
        return
    from batchgen.cli.sandbox_process import sandbox_process

    async with (
        sandbox_process(sandbox_folder) as origin,
        Client(base=origin, token=to.token, name=SANDBOX, allow_hosts=allow_hosts, inputs=inputs) as client,
    ):
        yield client


async def patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Return what a GET brings, repeated twice where no usable answer comes.

    Raises UnavailableError then; every other error is as `ask` raises it.
    """
    import asyncio

    for pause in _PAUSES:
        try:
            return await ask()
        except errors.Transient as problem:
            await asyncio.sleep(min(problem.retry_after or pause, _LONGEST_PAUSE))
    try:
        return await ask()
    except errors.Transient as problem:
        raise errors.UnavailableError(
            f"{problem}; look at the network and at RUNCOMFY_MODEL_API_BASE, then run the same command again"
        ) from None


async def base_prices(client: Client, models: Iterable[str]) -> dict[str, Decimal | None]:
    """Return the live base price of each model in USD, None where the API does not say.

    This is also the first, free, use of the token: raises TokenError where it is refused.
    """
    prices: dict[str, Decimal | None] = {}
    for model in models:
        try:
            prices[model] = base_price_of(await patiently(partial(client.model, model)), model)
        except (errors.UnavailableError, errors.JobError):
            prices[model] = None
    return prices


async def balance(client: Client) -> Decimal | None:
    """Return the account's balance in USD, None where it cannot be read: nothing is kept waiting for it."""
    import asyncio

    if client.balance_base is None:
        return None
    try:
        async with asyncio.timeout(BALANCE_S):
            return await client.balance(client.balance_base)
    except (TimeoutError, errors.BatchgenError):
        return None
