"""Printing a report to standard output and remarks to standard error, wherever these lead."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable

from etpguard.cli.errors import Failure
from etpguard.objects.text import harmless


def deliver(show: Callable[[], None]) -> None:
    """Call `show`, which prints, to the last byte. A reader that has seen enough (`| head`) is no failure, and
    the exit code stays the report's; raises Failure where standard output takes no more, on a full disk say."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Not every encoding has every character: a redirected console of Windows, say.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        show()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain when it flushes at the end.
        sys.stdout = None
    except OSError as error:
        sys.stdout = None
        raise Failure(f"standard output: {error.strerror}") from None


def narrate(line: str) -> None:
    """Print a line about work that continues even if nobody reads it. If standard output accepts no more, later
    lines are not printed, and standard error names the cause, for example a full disk."""
    try:
        print(line, flush=True)  # nothing where there is no sys.stdout
    except OSError as error:
        sys.stdout = None
        if not isinstance(error, BrokenPipeError):
            complain(f"etpguard: standard output: {error.strerror}")


def complain(line: str) -> None:
    """A line on standard error, whether or not anybody reads it."""
    with contextlib.suppress(OSError):
        print(harmless(line), file=sys.stderr, flush=True)
