"""What to do about a Service's outcome: what its consumers' families say, and what holds for any Service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.assessment import Assessment
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.remedies import ClientIP, bounded, cluster, spread
from etpguard.assess.node_states import PortState
from etpguard.assess.outcome import Outcome
from etpguard.cluster import Picture
from etpguard.objects import NODE, SERVICE, Key, Node, Service

LIMIT = 8
"""Pieces of advice for one Service at most."""


class Advisor:
    """Advice for assessments of one picture: for the worst consumer first, each piece once, at most 1 KiB."""

    def __init__(self, picture: Picture, families: Iterable[ConsumerFamily]) -> None:
        self._picture = picture
        self._families = {family.name: family for family in families}

    def __call__(self, assessment: Assessment) -> list[str]:
        local = assessment.if_local or assessment
        service = self._picture.get(SERVICE, local.key)
        if service is None:
            return []
        if assessment.if_local is not None:
            service = service.under_local(None)
        pieces = [*self._of_families(service, local)]
        if not pieces or not any(not v.consumer.incidental for v in local.consumers):
            pieces += self._of_any(service, local)
        return list(dict.fromkeys(bounded(piece) for piece in pieces))[:LIMIT]

    def _of_families(self, service: Service, assessment: Assessment) -> Iterable[str]:
        worst_first = sorted(assessment.consumers, key=lambda v: (-v.outcome, -v.uncovered.bit_count()))
        for verdict in worst_first:
            family = self._families.get(verdict.consumer.family)
            if family is not None:
                yield from family.advise(service, verdict, self._hosts(assessment, verdict.consumer.port))

    def _of_any(self, service: Service, assessment: Assessment) -> Iterable[str]:
        match assessment.outcome:
            case Outcome.NoEndpoints:
                yield no_endpoints(service)
            case Outcome.Uncovered:
                port = _deciding(assessment)
                ready = self._picture.nodes.names(port.ready & assessment.nodes)
                several = len({each.port for each in assessment.ports}) > 1
                of_port = f" of port {port.port}" if several else ""
                more = f" and {len(ready) - 5} more" if len(ready) > 5 else ""
                yield (
                    f"Find out who sends traffic to the node ports of Service {service.key}: no load balancer is "
                    "known that would leave out nodes without an endpoint. "
                    f"Nodes with one{of_port}: {', '.join(ready[:5])}{more}."
                )
                yield spread(service, "every node that clients use")
                yield cluster(service, ClientIP.VARIES)
            case Outcome.NoTargets:
                yield (
                    "No node is eligible: look at the Ready condition of the nodes, at their label "
                    "node.kubernetes.io/exclude-from-external-load-balancers, and for nodes being deleted."
                )
            case Outcome.Unknown if hint := _UNKNOWN.get(assessment.reason.code):
                yield hint
            case _:
                return

    def _hosts(self, assessment: Assessment, port: str) -> Sequence[Node]:
        found = (self._picture.get(NODE, Key("", name)) for name in self._ready(assessment, port))
        return [node for node in found if node is not None]

    def _ready(self, assessment: Assessment, port: str) -> Sequence[str]:
        nodes = 0
        for state in assessment.ports:
            if state.port == port:
                nodes |= state.ready
        return self._picture.nodes.names(nodes & assessment.nodes)


def _deciding(assessment: Assessment) -> PortState:
    """The port that most nodes drop: the outcome is its."""
    return max(assessment.ports, key=lambda port: port.dropped(assessment.eligible).bit_count())


_UNKNOWN = {
    "ConsumersNotReadable": "Let etpguard list what it could not read, or repair the object that it names.",
    "NoEndpointSlices": "Give etpguard the EndpointSlices too: kubectl get endpointslices -A -o yaml.",
    "UnreadableEndpointSlice": "Repair the EndpointSlice that the reason names.",
    "DataPlaneNotModelled": "Probe a node port of each node from outside: its data plane is not known.",
    "HealthCheckPortNotModelled": (
        "If every node answers on the health check's port, name it with --answers-everywhere-ports."
    ),
}


def no_endpoints(service: Service) -> str:
    """Where to look when nothing is ready anywhere."""
    selector = ",".join(f"{k}={v}" for k, v in sorted((service.spec.selector or {}).items()))
    label = f"kubernetes.io/service-name={service.key.name}"
    slices = f"kubectl -n {service.key.namespace} get endpointslices -o yaml -l {label}"
    if not selector:
        return f"The Service has no selector, so whoever writes its EndpointSlices must tell: {slices}."
    return (
        f"No endpoint is usable anywhere. Look at the pods: kubectl -n {service.key.namespace} get pods -o wide "
        f"-l {selector}; and at their readiness as Kubernetes sees it: {slices}."
    )
