"""Which URLs an output may be fetched from.

The rule is checked on the very `yarl.URL` that is then fetched, parsed without re-encoding: two parsers that read one
text differently would make the check worth nothing, and a rewritten `%3D` the link dead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from yarl import URL

from batchgen import errors
from batchgen.errors import ErrorInfo, Stage
from batchgen.runcomfy.base import is_loopback

MAX_LENGTH = 8192
_OWN_DOMAINS = (".runcomfy.net", ".runcomfy.com")

# Printable ASCII without the backslash, which some parsers read as a slash.
_TEXT = re.compile(r"[!-\[\]-~]+")
_AUTHORITY = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_HOST = re.compile(r"(?!-)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def parse_entry(entry: str) -> str:
    """Return an `--allow-host` entry in the form that is compared.

    `cdn.example.com` allows this host alone; `.example.com` allows example.com and all its subdomains. Raises
    UsageError for a scheme, port, path, wildcard, or a suffix of a single label such as `.com`.
    """
    host = entry.lower()
    if not _HOST.fullmatch(host.removeprefix(".")) or (host.startswith(".") and host.count(".") < 2):
        raise errors.UsageError(
            f"--allow-host {errors.printable(entry, 200)}: not a host; name one such as cdn.example.com, or "
            ".example.com with its subdomains, without scheme, port and path"
        )
    return host


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The allow rule of one run: `entries` as `parse_entry` returns them, `own` the API's origin if it is loopback."""

    entries: tuple[str, ...] = _OWN_DOMAINS
    own: URL | None = None

    @classmethod
    def of(cls, base: URL, entries: Iterable[str] = ()) -> AllowedHosts:
        """Return the rule for an API base and the user's `--allow-host` entries. Raises UsageError."""
        own = base.origin() if is_loopback(base) else None
        return cls((*_OWN_DOMAINS, *map(parse_entry, entries)), own)

    def check(self, text: str) -> URL:
        """Return the URL to fetch, exactly as written. Raises FileError where the rule refuses it."""
        authority = _AUTHORITY.match(text)
        if len(text) > MAX_LENGTH or not _TEXT.fullmatch(text) or authority is None or "@" in authority[1]:
            raise _refused(text, "is not a plain https URL")
        try:
            url = URL(text, encoded=True)
            host, port, origin = (url.host or "").lower(), url.port, url.origin()
        except ValueError:
            raise _refused(text, "is not a URL") from None
        if origin == self.own:
            return url
        if url.scheme != "https" or port != 443 or not _HOST.fullmatch(host):
            raise _refused(text, "is not https on port 443 of a named host")
        if not any(_matches(host, entry) for entry in self.entries):
            raise _refused(text, f"is at {host}, where outputs are not expected", f"--allow-host {host}")
        return url


def _matches(host: str, entry: str) -> bool:
    return host == entry.removeprefix(".") or (entry.startswith(".") and host.endswith(entry))


def _refused(text: str, why: str, option: str = "--allow-host") -> errors.FileError:
    # A query may hold a signature, so the message names the place alone.
    place = errors.printable(re.split(r"[?#]", text, maxsplit=1)[0], 200)
    return errors.FileError(
        ErrorInfo(
            "host",
            Stage.OUTPUT,
            f"the output {place} {why}; nothing was fetched: outputs come over https from runcomfy.net and "
            f"runcomfy.com; if you trust another host, name it with {option}",
        )
    )
