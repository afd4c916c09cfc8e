"""Bounded lists of node names in a report. Pure."""

from __future__ import annotations

from etpguard.cluster import NodeTable

NO_NAMES = -1
"""As a bound of a list of names: -1 lists none. 0 lists all."""


def node_names(table: NodeTable, nodes: int, limit: int) -> list[str]:
    return [] if limit == NO_NAMES else table.names(nodes, limit)
