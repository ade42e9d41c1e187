"""Finding the token: the environment first, then a systemd credential, then the official tool's token file.

The token is never part of a message.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import orjson

from batchgen import errors

VARIABLES = ("RUNCOMFY_TOKEN", "RUNCOMFY_API_TOKEN", "RUNCOMFY_API_KEY")
"""The first that is set and not empty wins."""

CREDENTIAL = "runcomfy-token"
"""The systemd credential (LoadCredential=), a file in `CREDENTIALS_FOLDER`: a token alone, or a token file."""

CREDENTIALS_FOLDER = "CREDENTIALS_DIRECTORY"
"""Set by systemd for the services it hands credentials to (systemd.exec(5))."""

MAX_LENGTH = 8192
_MAX_FILE = 256 * 1024
_TOKEN = re.compile(rf"[!-~]{{1,{MAX_LENGTH}}}")
_WAYS_OUT = "set RUNCOMFY_TOKEN to a token from your profile page on runcomfy.com, or try without an account: --sandbox"


def find(environ: Mapping[str, str]) -> str:
    """Return the token. Raises TokenError where there is none, or where the first one found cannot be one."""
    for variable in VARIABLES:
        if value := environ.get(variable):
            return _checked(value, variable)
    for path in files(environ):
        if (value := _from_file(path)) is not None:
            return _checked(value, str(path))
    raise errors.TokenError(f"there is no API token; {_WAYS_OUT}")


def _checked(value: str, place: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise errors.TokenError(
            f"{errors.printable(place)} does not hold a token: a token is 1 to {MAX_LENGTH} printable ASCII characters "
            f"without spaces or line breaks; {_WAYS_OUT}"
        )
    return value


def files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that may hold the token, in their order.

    After the credential, where the official tool (runcomfy-cli, config.rs) looks for its token file.
    """
    if folder := environ.get(CREDENTIALS_FOLDER):
        yield Path(folder) / CREDENTIAL
    if folder := environ.get("RUNCOMFY_CONFIG_DIR"):
        yield Path(folder) / "token.json"
        return
    if folder := environ.get("XDG_CONFIG_HOME"):
        yield Path(folder) / "runcomfy" / "token.json"
        return
    if home := environ.get("HOME"):
        yield Path(home) / ".config" / "runcomfy" / "token.json"
        if sys.platform == "darwin":
            yield Path(home) / "Library" / "Application Support" / "runcomfy" / "token.json"


def loose_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the token files that others than their owner may read or change; a credential is systemd's own business."""
    for path in files(environ):
        with suppress(OSError):
            if path.name != CREDENTIAL and path.stat().st_mode & 0o077:
                yield path


def _from_file(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE)
        if path.name == CREDENTIAL and not text.lstrip().startswith(b"{"):
            return text.decode("ascii", "replace").strip()
        content = orjson.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not JSON"
        raise errors.TokenError(f"{errors.printable(str(path))} cannot be read: {why}; {_WAYS_OUT}") from None
    value = content.get("access_token") if isinstance(content, dict) else None
    return value if isinstance(value, str) else ""
