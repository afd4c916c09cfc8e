"""Nodes by the number of endpoints on them. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable


def levels(nodes: Iterable[int]) -> tuple[int, ...]:
    """The nodes that come at least once, at least twice, and so on. Each item is one node, or 0 for none."""
    by_count: dict[int, int] = defaultdict(int)
    for node, count in Counter(nodes).items():
        by_count[count if node else 0] |= node
    found: list[int] = []
    members = 0
    for count in range(max(by_count, default=0), 0, -1):
        if count in by_count:
            members |= by_count[count]
        found.append(members)
    return tuple(reversed(found))


def crowded(ready: Iterable[int], terminating: Iterable[int]) -> tuple[int, ...]:
    """The nodes with at least two endpoints that get traffic, with at least three, and so on. The arguments have
    the node of each endpoint. Terminating endpoints count where a node has no ready one."""
    sets = list(ready)
    with_ready = 0
    for nodes in sets:
        with_ready |= nodes
    return levels([*sets, *(nodes & ~with_ready for nodes in terminating if nodes & ~with_ready)])[1:]
