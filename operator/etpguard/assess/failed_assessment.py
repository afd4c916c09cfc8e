"""The assessment of a Service that etpguard failed to assess: Unknown, with the error as the reason. Pure."""

from __future__ import annotations

from etpguard.assess.assessment import Assessment
from etpguard.assess.internal import InternalAssessment
from etpguard.assess.outcome import Outcome, Reason
from etpguard.cluster import NodeTable
from etpguard.objects import Service
from etpguard.objects.text import describe


def failed(service: Service, nodes: NodeTable, error: Exception) -> Assessment:
    """For external traffic."""
    return Assessment(
        key=service.key,
        uid=service.uid,
        type=service.type,
        policy=service.policy,
        outcome=Outcome.Unknown,
        reason=_reason(error),
        ports=(),
        consumers=(),
        nodes=nodes.present,
        epoch=nodes.epoch,
    )


def failed_internal(service: Service, nodes: NodeTable, ready: int, error: Exception) -> InternalAssessment:
    """For clients in the cluster. `ready`: the nodes that are ready, each of which is then not known."""
    return InternalAssessment(
        service.key,
        service.uid,
        service.type,
        Outcome.Unknown,
        _reason(error),
        ports=(),
        eligible=ready,
        unknown=ready,
        epoch=nodes.epoch,
    )


def _reason(error: Exception) -> Reason:
    why = f"etpguard failed to assess this Service ({describe(error, 200)}); report this"
    return Reason("AssessmentFailed", why)
