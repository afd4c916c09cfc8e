"""Nodes that cannot be read, and when one of them could change an outcome. Pure."""

from __future__ import annotations

from etpguard.assess.node_states import PortState
from etpguard.assess.outcome import (
    Reason,
)
from etpguard.cluster import Picture
from etpguard.objects import NODE


class UnreadableNodes:
    """The Nodes in the picture that cannot be decoded. Each may be one that a consumer sends traffic to."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._nodes = 0

    def reset(self) -> None:
        """Note the Nodes that cannot be read. Call it when they change, and when the node table deals new
        bits."""
        self._nodes = 0
        for reject in self._picture.store(NODE).rejects:
            self._nodes |= self._picture.nodes.bit(reject.key.name)

    @property
    def present(self) -> int:
        """Those that exist now."""
        return self._nodes & self._picture.nodes.present

    @property
    def first(self) -> Reason | None:
        """A reason that names the first of them; None if there is none."""
        names = self._nodes and self._picture.nodes.names(self.present, 1)
        return self._named(names[0]) if names else None

    def reason(self, state: PortState, eligible: int, uncovered: int) -> Reason | None:
        """Why a Node that cannot be read could change the outcome: it may be eligible."""
        if not self._nodes or not state.usable:
            return None
        if not eligible:
            hidden = self._nodes
        elif not uncovered:
            hidden = state.dropped(self._nodes)
        elif uncovered == eligible:
            hidden = self._nodes & state.forwarding
        else:
            return None
        if not hidden:
            return None
        name = self._picture.nodes.names(hidden & self._picture.nodes.present, 1)[0]
        return self._named(name)

    @staticmethod
    def _named(name: str) -> Reason:
        return Reason("UnreadableNode", f"Node {name} cannot be read, and may be one that gets traffic")
