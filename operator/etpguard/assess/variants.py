"""The data planes that the signs leave possible, and the outcome where they lead to different ones. Pure."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from etpguard.assess.assessment import Assessment
from etpguard.assess.data_planes.interface import NodePlanes
from etpguard.assess.data_planes.mixed import Rules
from etpguard.assess.node_states import PortState, ServiceStates
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Key


class Variant(NamedTuple):
    """The rules of the nodes, and the node states under them that were computed so far: for external traffic, and
    for traffic to the cluster IPs."""

    rules: Rules
    states: dict[Key, ServiceStates]
    internal: dict[Key, tuple[PortState, ...]]


def variants_of(planes: NodePlanes) -> list[Variant]:
    """First the data planes that the signs show, then the others that they leave possible."""
    return [Variant(Rules(each), {}, {}) for each in (planes, *planes.otherwise)]


def agreed(
    assessment: Assessment | None, planes: NodePlanes, other: Assessment | None, others: NodePlanes
) -> Assessment | None:
    """The assessment, Unknown where it would be another one under the other data planes."""
    if other is None:
        return assessment and _not_known(assessment, assessment.outcome.name, planes, "not served", others)
    if assessment is None:
        return _not_known(other, "not served", planes, other.outcome.name, others)
    verdicts = tuple(
        mine
        if mine.outcome is theirs.outcome or mine.outcome is Outcome.Unknown
        else replace(
            mine,
            outcome=Outcome.Unknown,
            reason=_depends(mine.outcome.name, planes, theirs.outcome.name, others),
        )
        for mine, theirs in zip(assessment.consumers, other.consumers, strict=True)
    )
    assessment = replace(assessment, consumers=verdicts)
    if Outcome.Unknown is assessment.outcome or assessment.outcome is other.outcome:
        return assessment
    return _not_known(assessment, assessment.outcome.name, planes, other.outcome.name, others)


def _not_known(
    assessment: Assessment, mine: str, planes: NodePlanes, theirs: str, others: NodePlanes
) -> Assessment:
    reason = _depends(mine, planes, theirs, others)
    return replace(assessment, outcome=Outcome.Unknown, reason=reason)


def _depends(mine: str, planes: NodePlanes, theirs: str, others: NodePlanes) -> Reason:
    detail = (
        f"the data plane of the nodes is not certain. With {_named(planes)} the outcome is {mine}, with "
        f"{_named(others)} it is {theirs}. Name the data plane by --data-plane"
    )
    return Reason("DataPlaneNotKnown", detail)


def _named(planes: NodePlanes) -> str:
    return " and ".join(dict.fromkeys(group.plane.name.value for group in planes.groups))
