"""Printing a report to standard output, wherever that leads."""

from __future__ import annotations

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
