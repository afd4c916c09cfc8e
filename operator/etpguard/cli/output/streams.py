"""Print a report to standard output, and remarks to standard error."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Sequence

from etpguard.cli.errors import Failure


def deliver(show: Callable[[], None]) -> None:
    """Call `show`, which prints, and flush.

    If the reader closes the pipe (`| head`), that is not a failure, and the exit code stays that of the report.
    Raises Failure if standard output cannot be written, for example on a full disk.
    """
    _take_any_character()
    try:
        show()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would print an error when it flushes at the end.
        sys.stdout = None
    except OSError as error:
        sys.stdout = None
        raise Failure(f"standard output: {error.strerror}") from None


def narrate(line: str) -> None:
    """Print a line about work that continues even if nobody reads the line. If standard output fails, later lines
    are not printed, and standard error names the cause, for example a full disk."""
    from etpguard.objects.text import harmless  # as in complain

    _take_any_character()
    try:
        print(harmless(line), flush=True)  # prints nothing if sys.stdout is None
    except OSError as error:
        sys.stdout = None
        if not isinstance(error, BrokenPipeError):
            complain(f"etpguard: standard output: {error.strerror}")


def _take_any_character() -> None:
    """Some encodings lack characters, for example that of a redirected console on Windows."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def complain(line: str) -> None:
    """Print a line to standard error, even if nobody can read it."""
    from etpguard.objects.text import (
        harmless,
    )  # `etpguard --help` would load msgspec for it: 17 ms (-X importtime)

    with contextlib.suppress(OSError):
        print(harmless(line), file=sys.stderr, flush=True)


def warn(lines: Sequence[str], cluster: str = "") -> None:
    """Print warnings to standard error, one line each."""
    about = f"{cluster}: " if cluster else ""
    for line in lines:
        complain(f"etpguard: warning: {about}{' '.join(line.split())}")
