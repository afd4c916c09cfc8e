"""OpenStack: Octavia, by cloud-provider-openstack (OCCM).

The rules come from cloud-provider-openstack c453fb7; the numbers are lines of pkg/openstack/loadbalancer.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.cloud import Cloud, unreadable
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, annotate
from etpguard.assess.consumers.shared.load_balancers import CLOUD_NODES, UNCHECKED, standard_check
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets, not_modelled
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_selection import MAX_LENGTH
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.probe import NoHealthCheck
from etpguard.objects import Node, Requirement, Service, ServicePort

_PREFIX = SIGNS["openstack"].marks[0]
MONITOR = f"{_PREFIX}enable-health-monitor"
NODE_SELECTOR = f"{_PREFIX}node-selector"
PROXY_PROTOCOL = f"{_PREFIX}proxy-protocol"
FORWARDED_FOR = f"{_PREFIX}x-forwarded-for"
OVH_CLASS = "loadbalancer.ovhcloud.com/class"
_OVH_OLDER = "service.beta.kubernetes.io/ovh-loadbalancer-"

_NOT_SHOWN = "no API object shows create-monitor of the cloud config (default false)"
_BOTH = (
    "With a health monitor, Octavia excludes the nodes without an endpoint. Without one, it sends to them, "
    "and that share of the requests is lost"
)


class OpenStack(Cloud):
    """OVHcloud, PlusServer, MetaKube, Selectel and others run the same controller, each with its own cloud
    config."""

    name = "openstack"
    node_selectors = (NODE_SELECTOR,)
    reads = (MONITOR, NODE_SELECTOR, PROXY_PROTOCOL, FORWARDED_FOR)
    without_address = (
        "Octavia is not ready or finds no subnet or floating network, another Service of the same load balancer "
        "uses the port, two annotations exclude each other"
    )
    documented = (
        DocumentedConsumer(
            consumer="OpenStack Octavia",
            found_by="`loadbalancer.openstack.org/` annotation, providerID `openstack://`",
            nodes="cloud nodes that match `node-selector`",
            health_check='HTTP `/healthz` on healthCheckNodePort with `enable-health-monitor: "true"`; none with '
            '"false"; otherwise the cloud config decides',
            with_local="`TargetsUnhealthy` with a health monitor, `Blackhole` without, `Unknown` where the cloud "
            "config decides, and for UDP",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-openstack c453fb7 pkg/openstack/loadbalancer.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        found = view.once("openstack", service, _targets)
        checked = isinstance(found, NodeTargets) and not isinstance(found.check.probe, NoHealthCheck)
        if checked and port.transport == "UDP" and found.rule:
            return PossibleNodes(found.rule, _UDP, sends_to_one=True)
        return found

    def client_ip_of(self, service: Service) -> ClientIP:
        """The provider amphora sends from its own address. If one of the annotations asks for it, a header has the
        client's address. The provider ovn keeps the client's address and supports neither header."""
        forwarded = service.annotations.get(FORWARDED_FOR) == "true"
        return ClientIP.HIDDEN if forwarded or _proxy_protocol(service) else ClientIP.VARIES

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        unchecked = isinstance(verdict.consumer.probe, NoHealthCheck) and verdict.outcome is Outcome.Blackhole
        undecided = verdict.outcome is Outcome.Unknown and verdict.reason.code in _UNDECIDED
        if unchecked or (undecided and service.annotations.get(MONITOR) != "true"):
            yield annotate(
                service,
                MONITOR,
                "true",
                "Octavia then checks the healthCheckNodePort and excludes the nodes without an endpoint.",
                "Older versions of Octavia and the provider ovn do not check UDP ports in this way.",
            )
        yield from super().advise(service, verdict, nodes)


def _targets(service: Service) -> Targets:
    """The targets of the TCP ports. 456-477 getBoolFromServiceAnnotation; 845-865 buildMonitorCreateOpts."""
    annotations = service.annotations
    if len(selector := annotations.get(NODE_SELECTOR, "")) > MAX_LENGTH:
        return unreadable(NODE_SELECTOR, selector, CLOUD_NODES, "It is too long for etpguard")
    rule = replace(CLOUD_NODES, requirements=_requirements(selector))
    if other := _another_balancer_of_ovh(annotations):
        return not_modelled(CLOUD_NODES, other)
    if conflict := _conflict(service):
        return PossibleNodes(rule, conflict)
    match annotations.get(MONITOR):
        case "true":
            return NodeTargets(rule, standard_check(service))
        case "false":
            return NodeTargets(rule, UNCHECKED)
        case None:
            detail = f"{MONITOR} is not set, and {_NOT_SHOWN}. {_BOTH}"
            return PossibleNodes(rule, Reason("HealthMonitorNotKnown", detail), sends_to_one=True)
        case other:
            effect = f'Only "true" and "false" are, so create-monitor decides, and {_NOT_SHOWN}. {_BOTH}'
            return unreadable(MONITOR, other, rule, effect)


def _another_balancer_of_ovh(annotations: Mapping[str, str]) -> str:
    """Why the load balancer is not Octavia, or may not be. OVHcloud documentation, "Expose your applications using
    OVHcloud Public Cloud Load Balancer": up to Kubernetes 1.31, only the class octavia gives Octavia."""
    chosen = annotations.get(OVH_CLASS)
    if chosen is not None:
        shown = f"{OVH_CLASS} is {chosen[:60]!r}, a load balancer that is not modelled"
        return "" if chosen == "octavia" else shown
    if mark := min((key for key in annotations if key.startswith(_OVH_OLDER)), default=""):
        return (
            f"the annotation {mark[:253]} is for the older load balancer of OVHcloud, which is not modelled. It "
            f"serves the Service in clusters up to Kubernetes 1.31 if {OVH_CLASS} is not octavia"
        )
    return ""


_UNDECIDED = frozenset({"HealthMonitorNotKnown", "InvalidAnnotation"})

_UDP = Reason(
    "UDPCheckNotKnown",
    "no API object shows whether Octavia supports HTTP monitors on UDP. If it does, it takes the nodes without an "
    "endpoint out of use. Older versions and the provider ovn use UDP-CONNECT instead. This check also passes on "
    "a node that drops the packets, and that share of them is lost. Look at the type of the health monitor in "
    "Octavia",
)
"""831-842 canUseHTTPMonitor."""


def _requirements(selector: str) -> tuple[Requirement, ...]:
    """2273-2301 filterNodes with StringToMap of pkg/util/util.go:73: every pair must match, and the last of
    equal keys counts. A key without a value, or with an empty one, matches the label with any value. An empty
    annotation admits every node, even if the cloud config has a selector."""
    pairs: dict[str, str] = {}
    for item in selector.strip().split(","):
        key, equals, value = item.strip().partition("=")
        if key or equals:
            pairs[key] = value
    return tuple(Requirement(k, "In", (v,)) if v else Requirement(k, "Exists") for k, v in pairs.items())


def _proxy_protocol(service: Service) -> bool:
    """481-494 getProxyProtocolFromServiceAnnotation."""
    return service.annotations.get(PROXY_PROTOCOL) in ("true", "v1", "v2")


def _conflict(service: Service) -> Reason | None:
    """1556-1560: with both annotations the controller fails, and the load balancer keeps its state."""
    if not _proxy_protocol(service) or service.annotations.get(FORWARDED_FOR) != "true":
        return None
    detail = (
        f"{PROXY_PROTOCOL} and {FORWARDED_FOR} exclude each other, so the controller fails. Remove one of them"
    )
    return Reason("ConflictingAnnotations", detail)
