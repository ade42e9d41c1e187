"""Where the Model API is: the production origin, or what `RUNCOMFY_MODEL_API_BASE` says, with or without `/v1`.

yarl is imported by what reads a URL: most plans ask nobody, and the two origins here need no reading.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from batchgen import errors

if TYPE_CHECKING:
    from yarl import URL

VARIABLE = "RUNCOMFY_MODEL_API_BASE"
PRODUCTION = "https://model-api.runcomfy.net"

BALANCE = "https://api.runcomfy.net/prod/v2"
"""Where the account's balance is asked: another host of RunComfy's than the Model API."""

_TEXT = re.compile(r"[!-~]{1,2048}")
_AUTHORITY = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[^?#\\]*)?")


def from_environ(environ: Mapping[str, str]) -> URL:
    """Return the API's base from the environment, else production's. Raises UsageError."""
    return parse(environ.get(VARIABLE) or PRODUCTION)


def parse(text: str) -> URL:
    """Return the base that paths are appended to, ending in `/v1`; any other path before it is kept.

    Raises UsageError for what is no plain https URL (http is for loopback alone), because the token goes there.
    """
    from yarl import URL

    if not _TEXT.fullmatch(text) or not _AUTHORITY.fullmatch(text):
        raise _wrong(text, "it is not a plain http(s) URL without user, query and fragment")
    try:
        url = URL(text, encoded=True)
        secure = url.scheme == "https" or is_loopback(url)
        origin = str(url.origin())
    except ValueError:
        raise _wrong(text, "it is not a URL") from None
    if not secure:
        raise _wrong(text, "the token would travel unencrypted")
    path = url.raw_path.rstrip("/").removesuffix("/v1").rstrip("/")
    return URL(f"{origin}{path}/v1", encoded=True)


def of_balance(base: URL) -> str | None:
    """Return where the balance can be asked without sending the token to another origin; None where it cannot."""
    from yarl import URL

    own = base.origin()
    if is_loopback(own):
        return f"{own}{URL(BALANCE).path}"
    return BALANCE if own == URL(BALANCE).origin() else None


def is_loopback(url: URL) -> bool:
    """Tell whether a URL names this machine."""
    return is_this_machine(url.host or "")


def is_this_machine(host: str) -> bool:
    """Tell whether a host is localhost, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wrong(text: str, why: str) -> errors.UsageError:
    shown = errors.printable(text, 200)
    if "@" in shown:
        shown = "a URL with a user in it"
    return errors.UsageError(
        f"{VARIABLE}: {shown} cannot be the API's base: {why}; set it to an https URL such as {PRODUCTION}/v1, "
        "or to http on a loopback address, or unset it"
    )
