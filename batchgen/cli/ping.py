"""Telling a monitor that a run began and how it ended, in the protocol of healthchecks.io and its like.

What is sent is the summary: neither the token nor a prompt. Nothing here can fail a run, and a monitor that does not
answer holds it up for `PATIENCE_S` at most: sending is done by threads that nobody waits for any longer.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

import batchgen
from batchgen import errors
from batchgen.cli import console
from batchgen.cli.exit_codes import GOES_ON, ExitCode, code_of_error

Work = Callable[[], int]
"""A command's work, and its exit code."""

VARIABLE = "BATCHGEN_PING_URL"
"""Where the address is better kept than on a command line: who knows it can speak for the schedule."""

PATIENCE_S = 10.0
TIMEOUT_S = 4.0
TRIES = 3
PAUSE_S = 0.5

_TEXT = re.compile(r"[!-~]{1,2048}")
_REDIRECTS = 300
_TOO_MANY = 429
_THEIR_FAULT = 500


def address(text: str) -> SplitResult:
    """Return a ping address. Raises ValueError, which does not show it, where it is none."""
    from batchgen.runcomfy.base import is_this_machine  # Few commands ping, and every one would wait for it.

    try:
        url = urlsplit(text)
        sound = bool(url.hostname) and url.username is None and url.port != 0 and _TEXT.fullmatch(text) is not None
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("this is no address such as https://hc-ping.com/ and what follows for your check")
    if url.scheme != "https" and not (url.scheme == "http" and is_this_machine(url.hostname or "")):
        raise ValueError("a ping goes over https (http on loopback only)")
    return url


class Watch:
    """One run as the monitor sees it; all its pings carry one `rid`, so that a run beside it is told apart."""

    def __init__(self, url: SplitResult, *, patience: float = PATIENCE_S) -> None:
        self._url = url
        self._patience = patience
        self._rid = uuid.uuid4()
        self._over = threading.Event()
        self._starting: threading.Thread | None = None
        self._summary: Mapping[str, object] | None = None

    def began(self) -> None:
        """Say that the run has begun, without waiting for it to be heard."""
        self._starting = _started(lambda: self._deliver("/start", b"", self._over.wait))

    def hear(self, summary: Mapping[str, object]) -> None:
        """Take the run's summary, to be sent with its end."""
        self._summary = summary

    def ended(self, code: int) -> str:
        """Say how the run ended; return what kept it from being said, empty where nothing did.

        Where all is well by a run that never began, another one holds the directory and speaks for itself.
        """
        if self._starting is None and code in GOES_ON:
            return ""
        deadline = time.monotonic() + self._patience
        self._over.set()
        if self._starting is not None:
            self._starting.join(self._patience / 2)
        summary = self._summary or {"exit_code": code, "goes_on": False}
        path = "" if summary["goes_on"] else f"/{code}"
        answers: list[str] = []
        last = _started(lambda: answers.append(self._deliver(path, json.dumps(summary).encode(), time.sleep)))
        last.join(max(0.0, deadline - time.monotonic()))
        return answers[0] if answers else "no answer in time"

    def _deliver(self, path: str, body: bytes, pause: Callable[[float], object]) -> str:
        """Send, again where that may help and `pause`, which waits, does not return true; return what is wrong."""
        problem, again = self._send(path, body)
        for number in range(1, TRIES):
            if not again or pause(PAUSE_S * number):
                break
            problem, again = self._send(path, body)
        return problem

    def _send(self, path: str, body: bytes) -> tuple[str, bool]:
        """Send once; return what is wrong, empty for nothing, and whether sending again may help."""
        import http.client  # with TLS, a fifth of a command's start

        url = self._url
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        target = f"{url.path.rstrip('/')}{path}" or "/"
        query = "&".join(filter(None, (url.query, f"rid={self._rid}")))
        headers = {"Content-Type": "application/json", "User-Agent": f"batchgen/{batchgen.__version__}"}
        try:
            with contextlib.closing(kind(url.hostname or "", url.port, timeout=TIMEOUT_S)) as connection:
                connection.request("POST", f"{target}?{query}", body, headers)
                status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__, True
        if status < _REDIRECTS:
            return "", False
        return f"HTTP {status}", status >= _THEIR_FAULT or status == _TOO_MANY


def watched(watch: Watch | None, work: Work) -> int:
    """Return the code of `work`, or raise what it raises, and tell the watch either way."""
    if watch is None:
        return work()
    code: int = ExitCode.SOME_FAILED  # What Python makes of an error that nobody expected.
    try:
        code = work()
    except errors.RunError as error:
        code = code_of_error(error)
        raise
    except OSError:
        code = ExitCode.CANNOT_WRITE
        raise
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPT
        raise
    finally:
        if problem := watch.ended(code):
            console.say(f"warning: the ping could not be delivered ({problem}); look at {VARIABLE}")
    return code


def _started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
