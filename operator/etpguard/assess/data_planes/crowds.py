"""Nodes by the number of endpoints on them. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def levels(nodes: Iterable[int]) -> tuple[int, ...]:
    """The nodes that are in at least one of these sets, in at least two, and so on."""
    found: list[int] = []
    for carried in nodes:
        for level, members in enumerate(found):
            found[level] = members | carried
            carried &= members
            if not carried:
                break
        else:
            found.append(carried)
    return tuple(found)


def crowded(ready: Iterable[int], terminating: Iterable[int]) -> tuple[int, ...]:
    """The nodes with at least two endpoints that get traffic, with at least three, and so on. The arguments have
    the node of each endpoint. Terminating endpoints count where a node has no ready one."""
    sets = list(ready)
    with_ready = 0
    for nodes in sets:
        with_ready |= nodes
    return levels([*sets, *(nodes & ~with_ready for nodes in terminating if nodes & ~with_ready)])[1:]
