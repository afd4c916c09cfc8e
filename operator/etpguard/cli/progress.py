"""One line on stderr about a long read, if stderr is a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from functools import cache

FIRST_AFTER = 1.0
"""Seconds. A short read shows nothing."""
BETWEEN = 0.2
_CLEAR = "\r\x1b[K"


class Progress:
    """The reads of all clusters of this process together. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expected = self._ended = self._pages = 0
        self._next = 0.0
        self._shown = False

    def expect(self, kinds: int) -> None:
        """Add to the number of kinds to read."""
        with self._lock:
            if not self._expected:
                self._next = time.monotonic() + FIRST_AFTER
            self._expected += kinds

    def page(self) -> None:
        """Count a page that was read."""
        with self._lock:
            self._pages += 1
            self._show()

    def done(self, kinds: int = 1) -> None:
        """Record that this number of kinds was read, or could not be read. After the last kind the line
        disappears."""
        with self._lock:
            self._ended += kinds
            if self._ended == self._expected:
                self._write(_CLEAR if self._shown else "")
                self._expected = self._ended = self._pages = 0
                self._shown = False
            else:
                self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if now >= self._next and _terminal():
            self._next, self._shown = now + BETWEEN, True
            self._write(f"{_CLEAR}etpguard: reading: {self._ended} of {self._expected} kinds, {self._pages} pages")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            if text and sys.stderr:
                print(text, end="", file=sys.stderr, flush=True)


def _terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


@cache
def progress() -> Progress:
    """The Progress of this process."""
    return Progress()
