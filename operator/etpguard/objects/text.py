"""Text from objects, made harmless for Events, statuses, logs and terminals. Pure.

What people write into objects may hold newlines that forge a log line, control characters that a terminal obeys,
and bidirectional marks that reorder what a reader sees.
"""

from __future__ import annotations


def harmless(text: str) -> str:
    """One line of printable characters: each other character is written as its escape, "\\n" or "\\u202e"."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def describe(error: BaseException, longest: int = 500) -> str:
    """The type and the message of an exception, in one line of at most `longest` characters."""
    return " ".join(f"{type(error).__name__}: {error}"[:longest].split())
