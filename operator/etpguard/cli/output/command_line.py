"""A line of output with a command to copy."""

from __future__ import annotations


class Command(str):
    """A line with a command to copy, which is never folded."""
