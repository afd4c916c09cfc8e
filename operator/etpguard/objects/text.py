"""Text from objects, made harmless for Events, statuses, logs and terminals. Pure.

What people write into objects may hold newlines that forge a log line, control characters that a terminal obeys,
and bidirectional marks that reorder what a reader sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

_COMPARED = 5000
"""Names that are compared with a misspelt one."""


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


def did_you_mean(name: str, known: Iterable[object]) -> str:
    """`; did you mean NAME?` with the most similar of these names, or "". A table may have shown a node without
    its domain."""
    from difflib import get_close_matches

    names = [str(each) for each in islice(known, _COMPARED)]
    domains = (each for each in names if each.startswith(f"{name}."))
    found = next(domains, None) or next(iter(get_close_matches(name, names, n=1, cutoff=0.8)), None)
    return f"; did you mean {found}?" if found else ""


def listed_nodes(names: Sequence[str], most: int = 5) -> str:
    """`node a`, or `nodes a, b and 3 more`."""
    return f"node{'s' if len(names) > 1 else ''} {listed(names, most)}"


def describe(error: BaseException, longest: int = 500) -> str:
    """The type and the message of an exception, in one line of at most `longest` characters."""
    return " ".join(f"{type(error).__name__}: {error}"[:longest].split())
