"""How a command fails: one line on stderr, nothing on stdout."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818  a message for the user, not an error of the program
    """Ends the command with exit code 2; `str()` is the one line."""
