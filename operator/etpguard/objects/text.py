"""Text from objects, made harmless for Events, statuses, logs and terminals. Pure.

What people write into objects may hold newlines that forge a log line, control characters that a terminal obeys,
and bidirectional marks that reorder what a reader sees.
"""

from __future__ import annotations

from collections.abc import Sequence


def harmless(text: str) -> str:
    """One line of printable characters: each other character is written as its escape, "\\n" or "\\u202e"."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def listed(names: Sequence[object], most: int, total: int | None = None, *, separator: str = ", ") -> str:
    """`a, b and 3 more`: at most `most` names, and how many there are beyond them. `total` counts all of them
    where `names` has only the first ones."""
    shown = separator.join(map(str, names[:most]))
    more = (len(names) if total is None else total) - len(names[:most])
    return f"{shown} and {more} more" if more > 0 else shown


def listed_nodes(names: Sequence[str], most: int = 5) -> str:
    """`node a`, or `nodes a, b and 3 more`."""
    return f"node{'s' if len(names) > 1 else ''} {listed(names, most)}"


def describe(error: BaseException, longest: int = 500) -> str:
    """The type and the message of an exception, in one line of at most `longest` characters."""
    return " ".join(f"{type(error).__name__}: {error}"[:longest].split())
