"""Nodes that cannot be read, and when one of them could change an outcome. Pure."""

from __future__ import annotations

from etpguard.assess.node_states import PortState
from etpguard.assess.outcome import Reason
from etpguard.cluster import Picture
from etpguard.objects import NODE


class UnreadableNodes:
    """The Nodes in the picture that cannot be decoded. Each may be one that a consumer sends traffic to."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.present = 0
        """The set of them; nodes without a name are in no set."""

    def reset(self) -> None:
        """Note the Nodes that cannot be read. Call it when they change, and when the node table deals new
        bits."""
        nodes = self._picture.nodes
        self.present = 0
        for reject in self._picture.store(NODE).rejects:
            self.present |= nodes.bit(reject.key.name) & nodes.present

    @property
    def first(self) -> Reason | None:
        """A reason that names the first of them; None if there is none."""
        return self._first_of(self.present)

    def reason(self, state: PortState, eligible: int, uncovered: int) -> Reason | None:
        """Why a Node that cannot be read could change the outcome: it may be eligible."""
        if not self.present or not state.usable:
            return None
        if not eligible:
            return self.first
        if not uncovered:
            return self._first_of(state.dropped(self.present))
        return self._first_of(self.present & state.forwarding) if uncovered == eligible else None

    def _first_of(self, nodes: int) -> Reason | None:
        if not nodes:
            return None
        name = self._picture.nodes.names(nodes, 1)[0]
        return Reason("UnreadableNode", f"Node {name} cannot be read, and may be one that gets traffic")
