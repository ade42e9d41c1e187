"""`batchgen doctor`: what a run needs, looked at one by one, with requests that cost nothing.

The token goes to the API's origin alone, here too: a balance that is kept elsewhere is not asked for.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import partial
from pathlib import Path

from batchgen import errors
from batchgen.catalog import schema
from batchgen.cli import assemble, console, loop, place
from batchgen.cli.choice import Choice, Loaded, load_manifest
from batchgen.cli.connect import Account, base_prices, connected, patiently
from batchgen.cli.exit_codes import ExitCode, code_of_error
from batchgen.cli.probe import probe_folder
from batchgen.manifest.overrides import Overrides
from batchgen.plan import Policy
from batchgen.report.models_text import aligned
from batchgen.report.money import dollars
from batchgen.report.text import counted, duration
from batchgen.runcomfy import base, token
from batchgen.runcomfy.client import Client

CLOCK_TOLERANCE_S = 120.0
LEAST_FREE_BYTES = 1024**3

_GIB = 1024**3
_WHERE_BALANCE = "look at your account on runcomfy.com"


class Status(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, and the fix; `code` is the exit code where it is wrong."""

    name: str
    status: Status
    found: str
    fix: str = ""
    code: int = ExitCode.OK

    @classmethod
    def wrong(cls, name: str, problem: errors.RunError) -> Check:
        """Return the check that found an error which a run would end with."""
        found, _, fix = errors.printable(str(problem)).partition("; ")
        return cls(name, Status.WRONG, found, fix, code_of_error(problem))


@dataclass(slots=True)
class _Heard:
    """What the API said. `prices` are by model, None where there is none; absent models were not asked for."""

    token: Check
    catalog: Check
    balance: Check
    clock: Check
    prices: dict[str, Decimal | None] = field(default_factory=dict)


def examine(manifest: Path | None, output_dir: Path | None, *, as_json: bool) -> int:
    """Check everything, print one line for each, and return the code of the first thing that is wrong."""
    checks = _checks(manifest, output_dir, os.environ)
    code = next((check.code for check in checks if check.status is Status.WRONG), ExitCode.OK)
    if as_json:
        shown = [{"check": one.name, "status": one.status.value, "found": one.found, "fix": one.fix} for one in checks]
        console.show_json({"checks": shown, "exit_code": int(code)})
    else:
        texts = [errors.printable("; ".join(filter(None, (one.found, one.fix)))) for one in checks]
        console.show(aligned([(one.status.value, one.name, text) for one, text in zip(checks, texts, strict=True)]))
    return code


def _checks(manifest: Path | None, output_dir: Path | None, environ: Mapping[str, str]) -> list[Check]:
    address, origin, url = _address(environ)
    found_token, secret = _token(environ)
    loaded, read = _manifest(manifest, output_dir)
    models = list(loaded.specs) if loaded is not None else [schema.bundled_ids()[0]]
    if secret and url:
        heard = loop.run(_ask(Account(origin, secret, url), models, found_token))
    else:
        heard = _unheard(found_token, "needs a token and an address")
    said = [heard.token, *_token_file(environ), address, heard.catalog, heard.balance, heard.clock]
    return [*said, _folder(manifest, output_dir), *read, _prices(heard.prices, models, loaded, environ)]


def _address(environ: Mapping[str, str]) -> tuple[Check, str, str]:
    """Return what is to be said of the API's address, its origin and its base; empty ones where it cannot be."""
    try:
        url = base.from_environ(environ)
    except errors.UsageError as problem:
        return Check.wrong("address", problem), "", ""
    why = f"by {base.VARIABLE}" if environ.get(base.VARIABLE) else "RunComfy's own"
    return Check("address", Status.OK, f"{url} ({why})"), str(url.origin()), str(url)


def _token(environ: Mapping[str, str]) -> tuple[Check, str]:
    try:
        secret = token.find(environ)
    except errors.TokenError as problem:
        return Check.wrong("token", problem), ""
    variable = next((name for name in token.VARIABLES if environ.get(name)), "the official tool's token file")
    return Check("token", Status.OK, f"found in {variable}"), secret


def _token_file(environ: Mapping[str, str]) -> Iterator[Check]:
    """Tell of a token file that others can read; of a sound one there is nothing to say."""
    for path in token.loose_files(environ):
        yield Check("token file", Status.WARNING, f"{path} can be read by others", f"chmod 600 {path}")


def _unheard(found_token: Check, why: str) -> _Heard:
    catalog, balance, clock = (Check(name, Status.NOT_CHECKED, why) for name in ("catalog", "balance", "clock"))
    return _Heard(found_token, catalog, balance, clock)


async def _ask(to: Account, models: list[str], found_token: Check) -> _Heard:
    """Ask for one model, which is the first, free, use of the token; then for the balance and the prices."""
    async with connected(to, Path()) as client:
        heard = _unheard(found_token, "the catalog is asked first")
        try:
            heard.catalog = await _catalog(client, models[0])
            heard.token = Check("token", Status.OK, f"{found_token.found}, accepted")
            heard.balance = await _balance(client)
            heard.prices = await base_prices(client, models)
        except errors.TokenError as problem:
            heard.token = Check.wrong("token", problem)
            heard.catalog = Check("catalog", Status.NOT_CHECKED, "the token is refused")
        except errors.UnavailableError as problem:
            heard.catalog = Check.wrong("catalog", problem)
            heard.token = Check(
                "token", Status.NOT_CHECKED, f"{found_token.found}; nobody answered who could accept it"
            )
        heard.clock = _clock(client.clock_skew)
        return heard


async def _catalog(client: Client, model: str) -> Check:
    try:
        await patiently(partial(client.model, model))
    except errors.ModelRejected as problem:
        return Check(
            "catalog", Status.WARNING, f"does not know {model}: {problem}", "batchgen models lists what it has"
        )
    return Check("catalog", Status.OK, f"answers, and knows {model}")


async def _balance(client: Client) -> Check:
    where = client.balance_base
    if where is None:
        found = "kept at another host than the API, which is not sent the token"
        return Check("balance", Status.NOT_CHECKED, found, _WHERE_BALANCE)
    try:
        dollars_left = await patiently(partial(client.balance, where))
    except (errors.RunError, errors.JobError) as problem:
        return Check("balance", Status.WARNING, f"cannot be read: {problem}", _WHERE_BALANCE)
    if dollars_left <= 0:
        return Check("balance", Status.WARNING, "nothing left", "top it up on runcomfy.com")
    return Check("balance", Status.OK, dollars(dollars_left))


def _clock(skew: float | None) -> Check:
    if skew is None:
        return Check("clock", Status.NOT_CHECKED, "no answer said the time")
    if abs(skew) <= CLOCK_TOLERANCE_S:
        return Check("clock", Status.OK, f"within {duration(max(1, abs(skew)))} of the server's")
    found = f"{duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the server's"
    return Check("clock", Status.WARNING, found, "set this machine's clock; the ledger's times come from it")


def _folder(manifest: Path | None, output_dir: Path | None) -> Check:
    try:
        run_dir = output_dir or (place.of_manifest(manifest) if manifest else Path("runs"))
    except errors.ManifestError:
        return Check("folder", Status.NOT_CHECKED, "the manifest that names it cannot be read")
    try:
        folder, free = probe_folder(run_dir)
    except errors.RunError as problem:
        return Check.wrong("folder", problem)
    found = f"{folder} can be written, synced and locked; {free / _GIB:.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return Check("folder", Status.WARNING, found, "free some space: a full disk stops a run")
    return Check("folder", Status.OK, found)


def _manifest(manifest: Path | None, output_dir: Path | None) -> tuple[Loaded | None, list[Check]]:
    """Read the manifest, if there is one, as a run would."""
    if manifest is None:
        return None, []
    try:
        loaded = load_manifest(Choice(manifest, Overrides(), Policy(), output_dir=output_dir))
    except errors.ManifestError as problem:
        first, *others = map(str, problem.problems)
        fix = f"batchgen plan {shlex.quote(str(manifest))} shows the other {len(others)}" if others else ""
        return None, [Check("manifest", Status.WRONG, first, fix, ExitCode.DATA)]
    except errors.RunError as problem:
        return None, [Check.wrong("manifest", problem)]
    found = f"{counted(loaded.manifest.count(), 'job')} with {', '.join(loaded.specs)}"
    return loaded, [Check("manifest", Status.OK, found)]


def _prices(
    prices: Mapping[str, Decimal | None], models: list[str], loaded: Loaded | None, environ: Mapping[str, str]
) -> Check:
    given = loaded.manifest.pricing.base_usd if loaded is not None else None
    if given is not None:
        return Check("prices", Status.OK, f"{dollars(given)} per output, by the manifest")
    if not prices:
        return Check("prices", Status.NOT_CHECKED, "the catalog was not asked")
    unknown = [model for model in models if prices.get(model) is None]
    if not unknown:
        known = ", ".join(
            f"{model} {dollars(price)} per output" for model, price in prices.items() if price is not None
        )
        return Check("prices", Status.OK, known)
    found, fix = f"no price per output for {', '.join(unknown)}", "give one in the manifest: pricing: {base_usd: 0.08}"
    try:
        limit = assemble.budget(loaded.manifest.limits, environ) if loaded is not None else None
    except errors.UsageError as problem:
        return Check.wrong("prices", problem)
    if limit is None:
        return Check("prices", Status.WARNING, found, fix)
    return Check("prices", Status.WRONG, f"{found}, and a limit of {dollars(limit)}", fix, ExitCode.DATA)
