"""A text stream that may go away under a run: from then on nothing is written, and nobody is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TextIO

PLAIN_COLUMNS = 80


class Outlet:
    """Wraps the stream progress is written to.

    A broken pipe, a closed file or a full disk switches it off for good; a character that the stream's encoding lacks
    is written as its escape. `stamp` makes what each line begins with; `stream` may be None, which is what Python makes
    of a standard error closed at start.
    """

    def __init__(self, stream: TextIO | None, stamp: Callable[[], str] = str) -> None:
        self._stream = stream
        self._stamp = stamp

    @property
    def is_open(self) -> bool:
        """Whether writing may still reach somebody."""
        return self._stream is not None

    @property
    def encoding(self) -> str:
        """The stream's encoding; ASCII where it has none."""
        return getattr(self._stream, "encoding", None) or "ascii"

    def write(self, text: str) -> int:
        """Write the text, or nothing if the stream is gone."""
        if self._stream is None:
            return 0
        try:
            return self._write(self._stream, text)
        except (OSError, ValueError):
            self._stream = None
            return 0

    def _write(self, stream: TextIO, text: str) -> int:
        try:
            return stream.write(text)
        except UnicodeEncodeError:
            return stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))

    def flush(self) -> None:
        """Flush the stream, if it is still there."""
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None

    def line(self, text: str) -> None:
        """Write one line and flush it."""
        self.write(f"{self._stamp()}{text}\n")
        self.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def columns(self) -> int:
        """Return how wide the terminal is now; `PLAIN_COLUMNS` where there is none, or it does not say."""
        if self._stream is None:
            return PLAIN_COLUMNS
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or PLAIN_COLUMNS
        except (OSError, ValueError):
            return PLAIN_COLUMNS
