"""Nodes as bits: a set of nodes is one integer, so that set arithmetic over 5,000 nodes takes no time."""

from __future__ import annotations

_MOST_LISTED = 32


class NodeTable:
    """Names to bit positions. A name gets its bit when first seen, on a Node or on an endpoint. Not for several
    threads: even `names` writes. Another thread gets a `copy`.

    `present` is the set of names with a Node object. `epoch` grows whenever names get new
    positions: sets of another epoch are not valid.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.present = 0
        self._names: list[str] = []
        self._position: dict[str, int] = {}
        self._in_order = True
        self._listed: dict[tuple[int, int], list[str]] = {}

    def copy(self) -> NodeTable:
        """The table as it is now."""
        made = NodeTable()
        made.epoch, made.present, made._in_order = self.epoch, self.present, self._in_order
        made._names, made._position = self._names.copy(), self._position.copy()
        return made

    def bit(self, name: str) -> int:
        """The set of just this node."""
        position = self._position.get(name)
        if position is None:
            position = self._position[name] = len(self._names)
            self._in_order &= not position or self._names[-1] < name
            self._names.append(name)
            self._listed.clear()
        return 1 << position

    def add(self, name: str) -> None:
        self.present |= self.bit(name)

    def discard(self, name: str) -> None:
        self.present &= ~self.bit(name)

    def names(self, nodes: int, limit: int = 0) -> list[str]:
        """Sorted names of a set; the first `limit` of them, all with 0."""
        if not nodes:
            return []
        # The ports and consumers of a Service have the same few sets, and many Services the same eligible nodes,
        # or the same first ones of them.
        if limit and self._in_order and nodes > 0:
            first = nodes & ((1 << 2 * limit) - 1)
            if first.bit_count() >= limit:
                nodes = first
        if limit >= nodes.bit_count():
            limit = 0
        found = self._listed.get((nodes, limit))
        if found is None:
            if len(self._listed) >= _MOST_LISTED:
                self._listed.clear()
            found = self._listed[nodes, limit] = self._sorted(nodes, limit)
        return found.copy()

    def _sorted(self, nodes: int, limit: int) -> list[str]:
        if self._in_order:
            return [self._names[position] for position in positions(nodes, limit)]
        found = sorted(self._names[position] for position in positions(nodes))
        return found[:limit] if limit else found

    def compact(self, slack: int = 1024) -> bool:
        """Give new positions once more than `slack` and half of them belong to no Node, as the names of a
        cluster that scales up and down pile up for months. True if it did: every set must then be computed
        again."""
        live = self.present.bit_count()
        if len(self._names) <= 2 * live + slack:
            return False
        kept = self.names(self.present)
        self._names, self._position, self.present, self._in_order = [], {}, 0, True
        self._listed.clear()
        for name in kept:
            self.add(name)
        self.epoch += 1
        return True


_BITS = tuple(tuple(offset for offset in range(8) if byte >> offset & 1) for byte in range(256))
"""Which bits each byte has."""
_NO_BITS = bytes(16)
_FEW = 128
"""So few members are found one by one. Each takes a pass over the rest of the integer."""


def positions(nodes: int, limit: int = 0) -> list[int]:
    """The positions of the set bits, lowest first; the first `limit` of them, all with 0. A negative set, one that
    holds every node there may ever be, has no end: ValueError; intersect it first."""
    if nodes < 0:
        raise ValueError("an unbounded set of nodes; intersect it with those present first")
    found: list[int] = []
    if nodes.bit_count() <= _FEW:  # the nodes of the endpoints of one Service
        while nodes:
            highest = nodes.bit_length() - 1
            found.append(highest)
            nodes ^= 1 << highest
        found.reverse()
        return found[:limit] if limit else found
    data = nodes.to_bytes((nodes.bit_length() + 7) // 8, "little")
    for start in range(0, len(data), 16):
        part = data[start : start + 16]
        if part == _NO_BITS:
            continue
        for index, byte in enumerate(part, start):
            if byte:
                found += [index * 8 + offset for offset in _BITS[byte]]
        if limit and len(found) >= limit:
            return found[:limit]
    return found
