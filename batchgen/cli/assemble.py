"""From the command line's options, and the environment, to the objects that the commands work with."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchgen import errors
from batchgen.cli.choice import Choice
from batchgen.manifest.overrides import Overrides
from batchgen.manifest.sections import Limits as ManifestLimits
from batchgen.manifest.yamltext import MAX_BYTES
from batchgen.plan import Policy

if TYPE_CHECKING:
    from batchgen.cli.manner import Manner
    from batchgen.engine.scheduler import Limits

BUDGET = "BATCHGEN_MAX_COST_USD"


def choice(manifest: Path, given: Mapping[str, Any]) -> Choice:
    """Return what the options choose; `-` is a manifest on standard input, which is read here, once."""
    retried = frozenset(filter(None, (kind.strip() for kind in (given["retry"] or "").split(","))))
    from_stdin = manifest == Path("-")
    return Choice(
        manifest=Path("stdin") if from_stdin else manifest,
        overrides=Overrides(
            model=given["model"],
            settings=given["settings"],
            grid=given["grid"],
            seeds=given["seeds"],
            prompt_column=given["prompt_column"],
            concurrency=given["concurrency"],
            max_cost_usd=given["max_cost"],
            max_jobs=given["max_jobs"],
            max_time=given["max_time"],
            allow_unknown=given["allow_unknown"],
            validate=not given["no_validate"],
        ),
        policy=Policy(
            retry_failed=given["retry_failed"], retry=retried, resubmit_unknown=given["on_unknown"] == "resubmit"
        ),
        output_dir=given["output_dir"],
        sandbox=given["sandbox"],
        allow_hosts=tuple(given.get("allow_host", ())),
        where=given["where"],
        limit=given["limit"],
        refresh_schema=given["refresh_schema"],
        text=sys.stdin.buffer.read(MAX_BYTES + 1) if from_stdin else None,
    )


def manner(given: Mapping[str, Any], limits: ManifestLimits | None, environ: Mapping[str, str] = os.environ) -> Manner:
    """Return how to carry the batch out. `limits` are the manifest's, None where there is none (fetch).

    Raises UsageError for a `BATCHGEN_MAX_COST_USD` that is not an amount.
    """
    from batchgen.cli.manner import Manner  # With the engine, which a plan does without.
    from batchgen.engine.scheduler import Limits

    return Manner(
        limits=Limits() if limits is None else _engine_limits(limits, environ),
        max_time=None if limits is None else limits.max_time,
        grace=given["grace"],
        on_interrupt=given["on_interrupt"],
        progress=given["progress"],
        quiet=given["quiet"],
        verbose=given["verbose"],
        as_json=given["as_json"],
        log_file=given["log_file"],
        watch=given["ping"],
    )


def _engine_limits(limits: ManifestLimits, environ: Mapping[str, str]) -> Limits:
    from batchgen.engine.scheduler import Limits

    return Limits(
        concurrency=limits.concurrency,
        downloads=limits.downloads,
        submits_per_second=limits.submits_per_second,
        max_cost_usd=budget(limits, environ),
        max_jobs=limits.max_jobs,
        wait=limits.wait,
    )


def budget(limits: ManifestLimits, environ: Mapping[str, str]) -> Decimal | None:
    """Return what the run directory may cost at most: the manifest's limit, else the environment's.

    Raises UsageError for a `BATCHGEN_MAX_COST_USD` that is not an amount.
    """
    if limits.max_cost_usd is not None:
        return limits.max_cost_usd
    text = environ.get(BUDGET, "")
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise errors.UsageError(f"{BUDGET} is not an amount in US dollars; set it to one such as 5 or 0.50")
    return amount
