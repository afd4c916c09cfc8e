"""What to do about a Service's outcome: the advice of its consumers' families, and advice for any Service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from etpguard.assess.assessment import Assessment
from etpguard.assess.consumers.changes import service_spec
from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.remedies import (
    ClientIP,
    cluster,
    cost_of_cluster,
    drop_annotation,
    kubectl,
    spread,
)
from etpguard.assess.data_planes.interface import DataPlane, NodePlanes
from etpguard.assess.endpoint_advice import find_endpoints
from etpguard.assess.node_rule import EXCLUDE_LABEL
from etpguard.assess.node_states import PortState
from etpguard.assess.outcome import Outcome
from etpguard.cluster import Picture
from etpguard.objects import NODE, SERVICE, Key, Node, Service
from etpguard.objects.shell import command_line
from etpguard.objects.text import listed

LIMIT = 8
"""Items of advice for one Service at most."""


class Advisor:
    """Advice for assessments of one picture: for the worst consumer first, each item once."""

    def __init__(
        self,
        picture: Picture,
        families: Iterable[ConsumerFamily],
        planes: Callable[[], NodePlanes] | None = None,
        on_failure: Callable[[str, Exception], None] = lambda what, error: None,
    ) -> None:
        """`planes` returns the data planes of the nodes; without it, those that replace the client's address.
        `on_failure` is called with what failed, where a family raised: it then gives no advice."""
        self._picture = picture
        self._families = {family.name: family for family in families}
        self._planes = planes
        self._on_failure = on_failure

    def __call__(self, assessment: Assessment) -> list[Advice]:
        service = self._picture.get(SERVICE, assessment.key)
        if service is None:
            return []
        if assessment.if_local is not None:
            return _ways_on(service)
        items = self._of_families(service, assessment)
        if not items or not assessment.known:
            items += self._of_any(service, assessment)
        if assessment.forced_local:
            items = _without_policy(service, items, assessment.forced_local)
        items = list(dict.fromkeys(items))[:LIMIT]
        return seen_behind(self._planes(), assessment.eligible, items) if self._planes else items

    def _of_families(self, service: Service, assessment: Assessment) -> list[Advice]:
        if not assessment.consumers:
            return []
        worst_first = sorted(assessment.consumers, key=lambda v: (-v.outcome, -v.uncovered.bit_count()))
        given: dict[Advice, list[ConsumerVerdict]] = {}
        # Once for all consumers: each port of a Service can be a consumer, and the advice looks at each port.
        without_endpoints = cache(lambda: find_endpoints(service, assessment.ports))
        ready: dict[str, int] = defaultdict(int)
        for state in assessment.ports:
            ready[state.port] |= state.ready
        hosts = cache(self._hosts)  # most ports have the same
        for verdict in worst_first:
            nodes = hosts(ready[verdict.consumer.port] & assessment.nodes)
            for item in self._of_verdict(service, verdict, nodes, without_endpoints):
                given.setdefault(item, []).append(verdict)
            if len(given) >= LIMIT:
                break
        return labelled(given)

    def _of_verdict(
        self,
        service: Service,
        verdict: ConsumerVerdict,
        nodes: Sequence[Node],
        without_endpoints: Callable[[], Advice],
    ) -> Sequence[Advice]:
        """`nodes` are those with a ready endpoint. Where the reason says what to look at, no change is advised."""
        family = self._families.get(verdict.consumer.family)
        if family is None:
            return ()
        match verdict.reason.code:
            case "NoAddress":
                return [_no_address(service)]
            case "LocalWithFallback":
                return [_WHICH_NETWORK]
            case "NoEndpoints":
                return [without_endpoints()]
            case "NoNodePort" if verdict.outcome is Outcome.NoTargets:
                return [_node_ports(service)]
        try:
            return list(family.advise(service, verdict, nodes))
        except Exception as error:
            self._on_failure(f"the advice of {family.name} for Service {service.key}", error)
            return ()

    def _of_any(self, service: Service, assessment: Assessment) -> Iterable[Advice]:
        match assessment.outcome:
            case Outcome.NoEndpoints:
                yield find_endpoints(service, assessment.ports)
            case Outcome.Uncovered:
                yield self._find_clients(service, assessment)
                yield spread(service, "every node that clients use")
                yield cluster(service, ClientIP.VARIES)
            case Outcome.NoTargets:
                yield Advice(
                    "Find out why no node is eligible",
                    f"Check the Ready condition of the nodes, their label {EXCLUDE_LABEL}, and whether they are "
                    "being deleted.",
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
        by_node_port = any(each.node_port for each in assessment.ports)
        known = {verdict.consumer.name for verdict in assessment.consumers}
        external = [address for address in service.spec.external_ips or () if address not in known]
        what, effect = [], ""
        if by_node_port:
            what.append(f"who sends traffic to the node ports of Service {service.key}")
        if external:
            what.append(f"to which nodes the network sends traffic for {listed(external, 3)}")
            effect = "No API object shows who has an external IP: with keepalived, the node in state MASTER. "
        elif service.type == "LoadBalancer" and not service.load_balancer_ingress:
            effect = "No load balancer has given it an address: its EXTERNAL-IP is pending. "
        return Advice(
            f"Find out {', and '.join(what) or f'who sends traffic to Service {service.key}'}",
            f"{effect}No known load balancer avoids nodes without an endpoint. "
            f"Nodes with an endpoint{of_port}: {listed(ready, 5) or 'none'}.",
        )

    def _hosts(self, nodes: int) -> Sequence[Node]:
        found = (self._picture.get(NODE, Key("", name)) for name in self._picture.nodes.names(nodes))
        return [node for node in found if node is not None]


def seen_behind(planes: NodePlanes, nodes: int, items: Sequence[Advice]) -> list[Advice]:
    """The advice with what `Cluster` does to the client's address where the data planes of these nodes do not
    replace it with a node's, or not always."""
    if forwards_client_ip(planes, nodes):
        seen = dict.fromkeys((ClientIP.LOST, ClientIP.VARIES, ClientIP.FORWARDED), ClientIP.UNCHANGED)
    elif nodes & planes.nodes_with(*_MAY_KEEP):
        seen = {ClientIP.LOST: ClientIP.VARIES}
    else:
        return list(items)
    return [_with_cost(item, seen[item.client_ip]) if item.client_ip in seen else item for item in items]


def forwards_client_ip(planes: NodePlanes, nodes: int) -> bool:
    """Whether each of these nodes forwards to the pods of other nodes with the client's address. Calico's eBPF
    data plane does (documentation of Calico, "eBPF data plane": it preserves external client source IP addresses
    all the way to the pod). Cilium does in the mode DSR."""
    kept = planes.nodes_with(DataPlane.CALICO_EBPF)
    return not planes.otherwise and bool(nodes & kept) and not nodes & ~kept


_MAY_KEEP = (DataPlane.CALICO_EBPF, DataPlane.CILIUM)


def _with_cost(advice: Advice, cost: ClientIP) -> Advice:
    return replace(advice, cost=cost_of_cluster(cost), client_ip=cost)


def _deciding(assessment: Assessment) -> PortState:
    """The port that most nodes drop, which decides the outcome."""
    return max(assessment.ports, key=lambda port: port.dropped(assessment.eligible).bit_count())


def _without_policy(service: Service, items: Sequence[Advice], annotation: str) -> list[Advice]:
    """The advice where an annotation makes the policy Local. It replaces the advice to change the policy."""
    kept = [item for item in items if item.client_ip is None]
    if len(kept) == len(items):
        return kept
    effect = "It makes the policy Local, so externalTrafficPolicy: Cluster alone has no effect."
    return [*kept, drop_annotation(service, annotation, effect)]


_UNKNOWN = {
    "ConsumersNotReadable": Advice(
        "Let etpguard list the kinds that it cannot read", "Or repair the object that the reason names."
    ),
    "NoEndpointSlices": Advice(
        "Add the EndpointSlices to the input",
        "Save them to a file, and name it with one more -f.",
        "",
        "kubectl get endpointslices -A -o yaml > endpointslices.yaml",
    ),
    "UnreadableEndpointSlice": Advice("Repair the EndpointSlice that the reason names"),
    "DataPlaneNotModelled": Advice(
        "Test a node port of each node from outside the cluster",
        "etpguard does not know how its data plane decides.",
    ),
    "DataPlaneNotKnown": Advice(
        "Name the data plane with --data-plane",
        "The reason gives the data planes that are possible, and the outcome under each.",
    ),
    "HealthCheckPortNotModelled": Advice(
        "If every node answers on the health check's port, name it with --answers-everywhere-ports"
    ),
}


_WHICH_NETWORK = Advice(
    "Find out whether the network of the cluster is OpenShift's OVN-Kubernetes",
    "With the annotation, only this network forwards to other nodes. With any other network, nodes without an "
    "endpoint drop the traffic.",
    "",
    "kubectl get network.config.openshift.io cluster -o yaml",
)


def _no_address(service: Service) -> Advice:
    return Advice(
        "Find out why the load balancer has no address",
        "Without an address, no load balancer is known to send traffic, and a change of the policy does not help.",
        "",
        kubectl("-n", service.key.namespace, "describe", "service", service.key.name),
    )


def _ways_on(service: Service) -> list[Advice]:
    """What to do about a Service that etpguard remediated. After each of these, the Service agrees with its source
    again."""
    return [
        Advice(
            "Keep Cluster: set it at the source",
            "Set externalTrafficPolicy: Cluster in the manifest, chart or repository that declares the Service. "
            "Otherwise the next apply restores Local.",
        ),
        Advice(
            "Or go back to Local",
            "etpguard then leaves the Service alone until the spec of a policy that selects it changes, or a new "
            "policy selects it.",
            "Cost: nodes without an endpoint drop traffic again.",
            command_line(["etpguard", "rollback", str(service.key)]),
        ),
    ]


def _node_ports(service: Service) -> Advice:
    return Advice(
        "Give the Service node ports",
        "The load balancer sends to node ports, and a port of the Service has none. The API server allocates them "
        "when the Service is updated.",
        "",
        *service_spec(service.key, "allocateLoadBalancerNodePorts", True),
    )


def labelled(given: Mapping[Advice, Sequence[ConsumerVerdict]]) -> list[Advice]:
    """The advice in its order. Advice that is not for all consumers that got some names its consumers or ports."""
    everyone = {_place(verdict) for verdicts in given.values() for verdict in verdicts}
    return [_labelled(advice, {*map(_place, verdicts)}, everyone) for advice, verdicts in given.items()]


def _place(verdict: ConsumerVerdict) -> tuple[str, str]:
    """The object and the port of a consumer."""
    consumer = verdict.consumer
    return str(consumer), consumer.port or "(unnamed)"


def _labelled(advice: Advice, places: set[tuple[str, str]], everyone: set[tuple[str, str]]) -> Advice:
    if places == everyone:
        return advice
    objects = {place[0] for place in everyone}
    parts = list(
        dict.fromkeys(sorted(f"{of}, port {port}" if objects > {of} else f"port {port}" for of, port in places))
    )
    return replace(advice, title=f"{advice.title} ({listed(parts, 3, separator='; ')})")
