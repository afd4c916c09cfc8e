"""The data planes of a report."""

from __future__ import annotations

from etpguard.assess.data_planes.interface import KnownDataPlane, NodePlanes, PlaneGroup


def planes_of(plane: KnownDataPlane) -> NodePlanes:
    return NodePlanes((PlaneGroup(plane, -1),))
