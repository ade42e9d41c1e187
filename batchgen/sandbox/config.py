"""The sandbox's settings and the one error that keeps it from starting."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

WEEK = 7 * 24 * 3600.0


class SandboxError(Exception):
    """The sandbox cannot start or its log cannot be read; `exit_code` is what its process ends with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Everything one sandbox is started with. Seconds and US dollars; raises SandboxError (64) on a bad value.

    `faults` is a profile's name, JSON text or the path of a JSON file; `token` None accepts every bearer token.
    `parent_pipe` ends the server when its standard input does.
    """

    directory: Path = Path("sandbox")
    host: str = "127.0.0.1"
    port: int = 0
    service_time: float = 2.0
    service_spread: float = 0.3
    slots: int = 64
    price: Decimal = Decimal("0.08")
    balance: Decimal = Decimal(1000)
    token: str | None = None
    retention: float = WEEK
    faults: str = "none"
    seed: int = 0
    parent_pipe: bool = False

    def __post_init__(self) -> None:
        for wrong, message in (
            (not _is_loopback(self.host), f"--host {self.host}: not a loopback address; use 127.0.0.1 or ::1"),
            (not 0 <= self.port <= 65535, f"--port {self.port}: use 0 (any free port) to 65535"),
            (not _within(self.service_time), f"--service-time {self.service_time}: use 0 seconds or more"),
            (not 0 <= self.service_spread <= 3, f"--service-spread {self.service_spread}: use 0 to 3"),
            (self.slots < 1, f"--slots {self.slots}: use 1 or more"),
            (not _within(self.price), f"--price {self.price}: use 0 US dollars or more"),
            (not _within(self.balance), f"--balance {self.balance}: use 0 US dollars or more"),
            (not _within(self.retention), f"--retention {self.retention}: use 0 seconds or more"),
            (self.token == "", "--token is empty: give a token, or leave the option out to accept any"),
        ):
            if wrong:
                raise SandboxError(message, 64)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _within(amount: float | Decimal) -> bool:
    return math.isfinite(amount) and amount >= 0
