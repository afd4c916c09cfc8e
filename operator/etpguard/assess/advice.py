"""What to do about a Service's outcome: the advice of its consumers' families, and advice for any Service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.assessment import Assessment
from etpguard.assess.consumers.interface import Advice, ConsumerFamily, ConsumerVerdict
from etpguard.assess.consumers.remedies import ClientIP, cluster, kubectl, spread
from etpguard.assess.node_states import PortState
from etpguard.assess.outcome import Outcome
from etpguard.cluster import Picture
from etpguard.objects import NODE, SERVICE, Key, Node, Service

LIMIT = 8
"""Items of advice for one Service at most."""


class Advisor:
    """Advice for assessments of one picture: for the worst consumer first, each item once."""

    def __init__(self, picture: Picture, families: Iterable[ConsumerFamily]) -> None:
        self._picture = picture
        self._families = {family.name: family for family in families}

    def __call__(self, assessment: Assessment) -> list[Advice]:
        local = assessment.if_local or assessment
        service = self._picture.get(SERVICE, local.key)
        if service is None:
            return []
        if assessment.if_local is not None:
            service = service.under_local(None)
        items = list(self._of_families(service, local))
        if not items or not any(not v.consumer.incidental for v in local.consumers):
            items += self._of_any(service, local)
        return list(dict.fromkeys(items))[:LIMIT]

    def _of_families(self, service: Service, assessment: Assessment) -> Iterable[Advice]:
        worst_first = sorted(assessment.consumers, key=lambda v: (-v.outcome, -v.uncovered.bit_count()))
        found: dict[Advice, None] = {}
        for verdict in worst_first:
            family = self._families.get(verdict.consumer.family)
            if family is not None:
                found |= dict.fromkeys(self._of_family(family, service, assessment, verdict))
            if len(found) >= LIMIT:
                break
        return found

    def _of_family(
        self, family: ConsumerFamily, service: Service, assessment: Assessment, verdict: ConsumerVerdict
    ) -> list[Advice]:
        """A family that fails gives no advice. Where the reason says what to look at, no change is advised."""
        if verdict.reason.code == "NoAddress":
            return [_no_address(service)]
        if verdict.reason.code == "LocalWithFallback":
            return [_WHICH_NETWORK]
        try:
            return list(family.advise(service, verdict, self._hosts(assessment, verdict.consumer.port)))
        except Exception:
            return []

    def _of_any(self, service: Service, assessment: Assessment) -> Iterable[Advice]:
        match assessment.outcome:
            case Outcome.NoEndpoints:
                yield no_endpoints(service)
            case Outcome.Uncovered:
                yield self._find_clients(service, assessment)
                yield spread(service, "every node that clients use")
                yield cluster(service, ClientIP.VARIES)
            case Outcome.NoTargets:
                yield Advice(
                    "Find out why no node is eligible",
                    "Look at the Ready condition of the nodes, at their label "
                    "node.kubernetes.io/exclude-from-external-load-balancers, and for nodes being deleted.",
                    "",
                    kubectl("get", "nodes", "--show-labels"),
                )
            case Outcome.Unknown if assessment.reason.code == "LocalWithFallback":
                yield _WHICH_NETWORK
            case Outcome.Unknown if hint := _UNKNOWN.get(assessment.reason.code):
                yield hint
            case _:
                return

    def _find_clients(self, service: Service, assessment: Assessment) -> Advice:
        port = _deciding(assessment)
        ready = self._picture.nodes.names(port.ready & assessment.nodes)
        several = len({each.port for each in assessment.ports}) > 1
        of_port = f" of port {port.port}" if several else ""
        more = f" and {len(ready) - 5} more" if len(ready) > 5 else ""
        return Advice(
            f"Find out who sends traffic to the node ports of Service {service.key}",
            "No load balancer is known that would leave out nodes without an endpoint. "
            f"Nodes with an endpoint{of_port}: {', '.join(ready[:5]) or 'none'}{more}.",
        )

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
    """The port that most nodes drop, which decides the outcome."""
    return max(assessment.ports, key=lambda port: port.dropped(assessment.eligible).bit_count())


_UNKNOWN = {
    "ConsumersNotReadable": Advice(
        "Let etpguard list the kinds that it cannot read", "Or repair the object that the reason names."
    ),
    "NoEndpointSlices": Advice(
        "Add the EndpointSlices to the input", "", "", "kubectl get endpointslices -A -o yaml"
    ),
    "UnreadableEndpointSlice": Advice("Repair the EndpointSlice that the reason names"),
    "DataPlaneNotModelled": Advice(
        "Test a node port of each node from outside the cluster",
        "etpguard does not know how its data plane decides.",
    ),
    "HealthCheckPortNotModelled": Advice(
        "Name the health check's port with --answers-everywhere-ports, if every node answers on it"
    ),
}


_WHICH_NETWORK = Advice(
    "Find out whether the network of the cluster is OpenShift's OVN-Kubernetes",
    "It is the only one that forwards to other nodes by this annotation. On any other, nodes without an endpoint "
    "drop the traffic.",
    "",
    "kubectl get network.config.openshift.io cluster -o yaml",
)


def _no_address(service: Service) -> Advice:
    return Advice(
        "Find out why the load balancer has no address",
        "Until then nothing is known to send traffic through it, and no change of the policy helps.",
        "",
        kubectl("-n", service.key.namespace, "describe", "service", service.key.name),
    )


def no_endpoints(service: Service) -> Advice:
    """Where to look while no endpoint is ready."""
    namespace = service.key.namespace
    label = f"kubernetes.io/service-name={service.key.name}"
    slices = kubectl("-n", namespace, "get", "endpointslices", "-o", "yaml", "-l", label)
    selector = ",".join(f"{k}={v}" for k, v in sorted((service.spec.selector or {}).items()))
    if not selector:
        return Advice(
            "Find out who writes the EndpointSlices of the Service",
            "The Service has no selector, and no endpoint is usable anywhere.",
            "",
            slices,
        )
    pods = kubectl("-n", namespace, "get", "pods", "-o", "wide", "-l", selector)
    return Advice(
        "Find out why no pod is ready",
        "No endpoint is usable anywhere. Look at the pods, and at their readiness as Kubernetes sees it.",
        "",
        f"{pods}\n{slices}",
    )
