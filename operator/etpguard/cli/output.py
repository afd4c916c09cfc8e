"""Printing a report to standard output and remarks to standard error, wherever these lead."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable

from etpguard.cli.errors import Failure


def deliver(show: Callable[[], None]) -> None:
    """Call `show`, which prints, to the last byte. A reader that has seen enough (`| head`) is no failure, and
    the exit code stays the report's; raises Failure where standard output takes no more, on a full disk say."""
    try:
        show()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain when it flushes at the end.
        sys.stdout = None
    except OSError as error:
        sys.stdout = None
        raise Failure(f"standard output: {error.strerror}") from None


def complain(line: str) -> None:
    """A line on standard error, whether or not anybody reads it."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
