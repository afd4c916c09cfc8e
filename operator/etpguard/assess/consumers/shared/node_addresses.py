"""Which node has an address, from the picture's index: consumers that read it are found again when it changes."""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.assess.consumers.view import View
from etpguard.objects import NODE, Key, Node
from etpguard.objects.records import index_key


def address_key(address: str) -> Key:
    return index_key("NodeAddress", address)


def addresses_of(node: Node) -> Iterable[Key]:
    """The keys under which the picture finds the node; for `refers` of a family."""
    return {address_key(a.address) for a in (node.status and node.status.addresses) or () if a.type != "Hostname"}


def holders(address: str, view: View) -> frozenset[str]:
    """The names of the nodes with that address: one, except where clusters of nodes share one."""
    return frozenset(node.metadata.name for node in view.referring(NODE, address_key(address)))
