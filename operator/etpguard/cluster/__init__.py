"""The picture: everything that is known of the cluster, merged from lists and watch events in any order."""

from etpguard.cluster.nodes import NodeTable
from etpguard.cluster.picture import Picture, Touched
from etpguard.cluster.store import Change, Store

__all__ = ["Change", "NodeTable", "Picture", "Store", "Touched"]
