"""The data planes of the nodes in a report, how each is known, and which are only assumed. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etpguard.assess.data_planes.interface import KnownDataPlane, NodePlanes, PlaneGroup
from etpguard.assess.evidence import Evidence

MIXED = "mixed"
"""The name of the data plane of a cluster that has several."""

Json = dict[str, Any]
Names = Callable[[int], list[str]]
"""The names of a set of nodes, within the bound of the report."""


def data_plane_report(planes: NodePlanes, nodes: int, names: Names) -> Json:
    """`dataPlane` of a CoverageReport. `nodes` are all Nodes."""
    only = planes.only
    head = {"name": only.name.value, "how": only.how} if only else {"name": MIXED, "how": "see groups"}
    return {**head, "groups": [_group(group, nodes, names) for group in planes.groups]}


def _group(group: PlaneGroup, nodes: int, names: Names) -> Json:
    plane, members = group.plane, group.nodes & nodes
    details = {field: value for field, value in (("mode", plane.mode), ("version", plane.version)) if value}
    return {
        "name": plane.name.value,
        **details,
        "how": plane.how,
        "evidence": plane.evidence.value,
        "nodes": names(members),
        "count": members.bit_count(),
    }


def data_plane_sentences(planes: NodePlanes, nodes: int) -> list[str]:
    """A sentence for each group of nodes: its data plane, and how it is known."""
    return [_sentence(group, nodes, planes) for group in planes.groups]


def _sentence(group: PlaneGroup, nodes: int, planes: NodePlanes) -> str:
    if group.plane.evidence is Evidence.ASSUMED:
        return f"etpguard assumes that {_assumed(group, nodes, planes)}."
    return f"The data plane of {_where(group, nodes, planes)} is {_named(group.plane)}, by {group.plane.how}."


def assumed_data_planes(planes: NodePlanes, nodes: int) -> list[str]:
    """A sentence for each group of nodes whose data plane is only assumed."""
    return [_assumed(group, nodes, planes) for group in planes.groups if group.plane.evidence is Evidence.ASSUMED]


def assumed_of_services(planes: NodePlanes) -> list[str]:
    """`assumed_data_planes` for the report of one Service: without the number of nodes, which changes with each
    node."""
    assumed = [group.plane for group in planes.groups if group.plane.evidence is Evidence.ASSUMED]
    where = "every node" if planes.only else "some nodes"
    return list(dict.fromkeys(_taken_for(plane, where) for plane in assumed))


def _assumed(group: PlaneGroup, nodes: int, planes: NodePlanes) -> str:
    return _taken_for(group.plane, _where(group, nodes, planes))


def _taken_for(plane: KnownDataPlane, where: str) -> str:
    why = "" if plane.how == "assumed" else f" ({plane.how})"
    return f"the data plane of {where} is {plane.name.value}{why}; use --data-plane to name another one"


def _where(group: PlaneGroup, nodes: int, planes: NodePlanes) -> str:
    if planes.only:
        return "every node"
    count = (group.nodes & nodes).bit_count()
    return f"{count} {'node' if count == 1 else 'nodes'}"


def _named(plane: KnownDataPlane) -> str:
    return " ".join(filter(None, (plane.name.value, plane.mode, plane.version)))
