"""What all Nodes show about their data planes, updated node by node. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from etpguard.assess.data_planes.interface import Detector
from etpguard.objects import Node


class SignsOfNodes:
    """The set of nodes with each value of `Detector.signs`."""

    def __init__(self) -> None:
        self.nodes: dict[Hashable, int] = {}
        self._of_node: dict[str, Hashable] = {}

    def reset(self, detector: Detector, nodes: Iterable[Node], bit: Callable[[str], int]) -> None:
        self.nodes.clear()
        self._of_node.clear()
        for node in nodes:
            self.update(detector, node.metadata.name, node, bit(node.metadata.name))

    def update(self, detector: Detector, name: str, node: Node | None, bit: int) -> bool:
        """A node appeared, changed, or (None) went away. True if the sets changed."""
        before = self._of_node.get(name, _ABSENT)
        after = _ABSENT if node is None else detector.signs(node)
        if before == after:
            return False
        if before is not _ABSENT:
            self.nodes[before] &= ~bit
            if not self.nodes[before]:
                del self.nodes[before]
            del self._of_node[name]
        if after is not _ABSENT:
            self.nodes[after] = self.nodes.get(after, 0) | bit
            self._of_node[name] = after
        return True


_ABSENT: Hashable = object()
