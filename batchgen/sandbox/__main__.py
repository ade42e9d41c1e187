"""`python -m batchgen.sandbox`: start the API stand-in, or print the account of one that ran."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn

from batchgen.sandbox.config import SandboxConfig, SandboxError
from batchgen.sandbox.server import offline_account, serve


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(64, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m batchgen.sandbox",
        description="A stand-in for RunComfy's Model API on loopback. It prints one line of JSON when it listens.",
        epilog="A prompt with [sandbox:fail] fails its run; one with [sandbox:moderated] loses one image.",
        argument_default=argparse.SUPPRESS,
    )
    default = SandboxConfig()
    add = parser.add_argument
    add("--dir", dest="directory", type=Path, help=f"where accepted requests are kept (default: {default.directory})")
    add("--host", help=f"loopback address to listen on (default: {default.host})")
    add("--port", type=int, help="port; 0 takes any free one (default: 0)")
    add("--service-time", type=float, help=f"mean seconds of a run (default: {default.service_time})")
    add("--service-spread", type=float, help=f"sigma of its lognormal factor (default: {default.service_spread})")
    add("--slots", type=int, help=f"requests run at once (default: {default.slots})")
    add("--price", type=_money, help=f"US dollars of one image at 1K (default: {default.price})")
    add("--balance", type=_money, help=f"US dollars in the wallet (default: {default.balance})")
    add("--token", help="the one bearer token to accept (default: any)")
    add("--retention", type=float, help="seconds that results stay (default: 7 days)")
    add("--faults", help="a profile (none, flaky, hostile, outage), JSON rules, or a file of them (default: none)")
    add("--seed", type=int, help="what the faults' shares are drawn from (default: 0)")
    add("--parent-pipe", action="store_true", help="end when standard input ends")
    add("--account", action="store_true", help="print the account of the log in --dir and exit")
    return parser


def _money(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount of US dollars") from None


def main() -> int:
    """Run the command line; returns the exit code."""
    options = vars(_parser().parse_args())
    account = options.pop("account", False)
    try:
        config = dataclasses.replace(SandboxConfig(), **options)
        if not account:
            return serve(config)
        sys.stdout.write(json.dumps(offline_account(config.directory, time.time())) + "\n")
    except SandboxError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
