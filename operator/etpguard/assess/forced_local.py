"""The annotation by which kube-router takes the policy of a Service for Local, whatever the policy is. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.assessment import Assessment
from etpguard.assess.data_planes.interface import DataPlane, NodePlanes
from etpguard.assess.data_planes.kube_router import SERVICE_LOCAL
from etpguard.objects import Service

_MADE_LOCAL = f"kube-router follows the annotation {SERVICE_LOCAL}, which makes the policy Local"


def made_local(service: Service, planes: NodePlanes) -> bool:
    """Whether the annotation makes the policy Local in the whole cluster: every node has kube-router. Other nodes
    forward to any endpoint, so a cluster that has some of them is not assessed by the annotation alone."""
    return _annotated(service) and planes.nodes_with(DataPlane.KUBE_ROUTER) == -1


def as_made_local(assessment: Assessment) -> Assessment:
    """The assessment of a Service that is Local by the annotation alone. It names the policy Local, so remediation
    treats it as outdated: it could not help."""
    return replace(assessment, assumptions=(*assessment.assumptions, _MADE_LOCAL))


def with_forced_local(service: Service, assessment: Assessment, planes: NodePlanes) -> Assessment:
    """The assessment; it names the annotation where a node with kube-router follows it."""
    if not _annotated(service) or not planes.nodes_with(DataPlane.KUBE_ROUTER) & assessment.nodes:
        return assessment
    return replace(assessment, forced_local=SERVICE_LOCAL)


def _annotated(service: Service) -> bool:
    return service.annotations.get(SERVICE_LOCAL) == "true"
