"""DigitalOcean, by digitalocean-cloud-controller-manager."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.checked_cloud import (
    CheckedCloud,
    first_port,
    not_understood,
    on_node_port,
)
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP
from etpguard.assess.consumers.shared.known_annotations import DIGITALOCEAN
from etpguard.assess.consumers.shared.load_balancers import (
    CLOUD_NODES,
    NO_NODE,
    no_node_port,
    port_number,
    standard_check,
)
from etpguard.assess.consumers.targets import (
    HealthCheck,
    NodeTargets,
    Otherwise,
    PossibleNodes,
    Targets,
    UnknownOutcome,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.outcome import Reason
from etpguard.objects import IPFamily, Node, Service, ServicePort

PREFIX = SIGNS["digitalocean"].marks[0]
TYPE = f"{PREFIX}type"
NETWORK = f"{PREFIX}network"
OVERRIDE = f"{PREFIX}override-health-check"
CHECK_PORT = f"{PREFIX}healthcheck-port"
CHECK_PATH = f"{PREFIX}healthcheck-path"
CHECK_PROTOCOL = f"{PREFIX}healthcheck-protocol"
HOST_NAME = f"{PREFIX}hostname"
DISOWN = "service.kubernetes.io/do-loadbalancer-disown"

_NODES = replace(CLOUD_NODES, provider_id="digitalocean://.+", finds_by_name=True)
"""nodesToDropletIDs (:726), droplets.go:176: a node with another providerID makes the sync fail. One without a
providerID is a target if a droplet has its name."""
_PUBLIC_NODES = replace(_NODES, needs_external_ipv4=True)
"""filterAndClassifyNodes (:595): the targets of an external load balancer of type REGIONAL_NETWORK."""
_PUBLIC_NODES_IF_ANY = replace(_NODES, prefers_external_ipv4=True)
"""Where the type is not known and there is no such node: only a load balancer of type REGIONAL can be made."""
_NO_PUBLIC_NODE = Reason(
    "NoMatchingNodes",
    "no node has an external IPv4 address, so the controller fails and leaves the targets of the load balancer as "
    "they were. If those nodes forward, traffic arrives. If they do not, all is lost. Look at the events of the "
    "Service",
)
"""952 buildLoadBalancerRequest: ErrNoEligibleBackends."""
_ADDRESS_NOT_SHOWN = Reason(
    "AddressNotOnNodes",
    "the packets of a load balancer of type REGIONAL_NETWORK arrive at a node with its address, and nodes serve "
    "only the addresses in the status of the Service with ipMode VIP. It has none, only a host name or another "
    "ipMode, so the nodes may drop all packets. One of type REGIONAL sends to node ports, where that does not "
    f"matter. Look at the type of the load balancer, and remove {HOST_NAME} if it is not REGIONAL",
)
"""263: with the annotation, the status has the host name alone."""
_REGIONAL = Otherwise(
    _NODES,
    Reason(
        "LoadBalancerTypeNotKnown",
        f"{TYPE} is not set, so an option of the controller decides. A REGIONAL_NETWORK load balancer, the "
        "default, sends to the nodes with an external IPv4 address, and its packets keep its address. A REGIONAL "
        "one sends to the node ports of all nodes. Look at the controller's default type",
    ),
    to_node_ports=True,
)


class DigitalOcean(CheckedCloud):
    """digitalocean-cloud-controller-manager 70d527e cloud-controller-manager/do/loadbalancers.go: one check for
    all ports (buildHealthCheck), nodes by the rule of the Kubernetes service controller; a
    REGIONAL_NETWORK load balancer passes packets
    through to the service port (:1177)."""

    name = "digitalocean"
    refuses_other_protocols = True
    annotations = (PREFIX, DIGITALOCEAN)
    nodes = _NODES
    needs_node_ports = False
    proxy_protocol = (f"{PREFIX}enable-proxy-protocol",)
    """Applies to a load balancer of type REGIONAL only."""
    without_address = "no node has an external IPv4 address, or an annotation is rejected"
    documented = (
        DocumentedConsumer(
            consumer="DigitalOcean",
            found_by=f"`{PREFIX}` annotation, providerID `digitalocean://`",
            nodes="cloud nodes; for `REGIONAL_NETWORK` only those with an external IPv4 address; one with a "
            "foreign providerID makes the sync fail",
            health_check=(
                "one for all ports: HTTP `/healthz` on healthCheckNodePort; with `override-health-check` the node "
                "port of `healthcheck-port` or of the first TCP port"
            ),
            with_local="`TargetsUnhealthy`; `Unknown` beside an SCTP port, and for `REGIONAL_NETWORK` where no "
            "node has such an address or the status has a host name",
            evidence=Evidence.DOCUMENTED,
            source="digitalocean-cloud-controller-manager 70d527e cloud-controller-manager/do/loadbalancers.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        given = service.annotations
        if given.get(DISOWN, "false") not in BOOLEANS:
            return PossibleNodes(_NODES, not_understood(service, DISOWN))
        if BOOLEANS.get(given.get(DISOWN, "")):
            detail = f"with {DISOWN} the controller no longer updates the load balancer"
            return PossibleNodes(CLOUD_NODES, Reason("LoadBalancerDisowned", detail))
        kind = given.get(TYPE, "")
        if kind not in ("", "REGIONAL", "REGIONAL_NETWORK"):
            return PossibleNodes(CLOUD_NODES, not_understood(service, TYPE))
        if given.get(NETWORK, "") not in ("", "EXTERNAL", "INTERNAL"):
            return PossibleNodes(CLOUD_NODES, not_understood(service, NETWORK))
        if not port.node_port and service.uid:
            if kind == "REGIONAL":
                return no_node_port(port, f"{self.provider}'s load balancer of type REGIONAL")
            if not kind:
                detail = (
                    f"port {port.label or port.port} has no node port, and {TYPE} is not set. A REGIONAL_NETWORK "
                    "load balancer, the default, does not need one. A REGIONAL one sends nothing. Look at the "
                    "controller's default type"
                )
                return PossibleNodes(CLOUD_NODES, Reason("LoadBalancerTypeNotKnown", detail))
        targets = super().targets(service, port, view)
        if not isinstance(targets, NodeTargets) or targets.rule == NO_NODE:
            return targets
        if kind != "REGIONAL" and _has_only_other_addresses(service):
            return UnknownOutcome(_ADDRESS_NOT_SHOWN, targets.rule, targets.check)
        if given.get(NETWORK) == "INTERNAL" and not kind:
            return replace(targets, otherwise=_REGIONAL)
        if kind == "REGIONAL" or given.get(NETWORK) == "INTERNAL":
            return targets
        if kind:
            return replace(targets, rule=_PUBLIC_NODES, keeps_targets=_NO_PUBLIC_NODE)
        return replace(targets, rule=_PUBLIC_NODES_IF_ANY, otherwise=_REGIONAL)

    def keeps_address(self, service: Service) -> tuple[IPFamily, ...]:
        return () if service.annotations.get(TYPE) == "REGIONAL" else ("IPv4", "IPv6")

    def check(self, service: Service, port: ServicePort, view: View) -> HealthCheck | Reason:
        given = service.annotations
        if OVERRIDE not in given:
            return standard_check(service)
        path = given.get(CHECK_PATH, "")
        protocol = given.get(CHECK_PROTOCOL, "") or ("http" if path else "tcp")
        if protocol not in ("tcp", "http", "https"):
            return not_understood(service, CHECK_PROTOCOL)
        probed = next((each for each in service.ports if each.transport == "TCP"), None)
        if CHECK_PORT in given:
            number = port_number(given[CHECK_PORT].strip())
            probed = first_port(service, (number,)) if number else None
        if probed is None or probed.protocol != "TCP":
            return not_understood(service, CHECK_PORT if CHECK_PORT in given else OVERRIDE)
        if not probed.node_port and service.uid:
            detail = (
                f"the check uses the node port of port {probed.label or probed.port}, which has none, so it names "
                "the port 0. Whether a node is then healthy is not known. Look at the health check of the load "
                "balancer"
            )
            return Reason("HealthCheckNotKnown", detail)
        return on_node_port(probed, protocol.upper(), path if protocol != "tcp" else "")

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        unread = [key for key in (CHECK_PORT, CHECK_PATH, CHECK_PROTOCOL) if key in service.annotations]
        if unread and OVERRIDE not in service.annotations:
            effect = (
                f"It has no effect under Local without {OVERRIDE}: the check uses the healthCheckNodePort, which "
                "finds the nodes with an endpoint."
            )
            yield Advice(f"Remove the annotation {unread[0]}", effect)
        yield from super().advise(service, verdict, nodes)

    def client_ip_of(self, service: Service) -> ClientIP:
        match service.annotations.get(TYPE, ""):
            case "REGIONAL":
                return self.with_proxy_protocol(service)
            case "REGIONAL_NETWORK":
                return ClientIP.LOST
            case _:
                return ClientIP.VARIES


def _has_only_other_addresses(service: Service) -> bool:
    """Whether the status has addresses, and nodes serve none of them."""
    entries = service.load_balancer_ingress
    return bool(entries) and not any(entry.ip and entry.ip_mode in (None, "VIP") for entry in entries)
