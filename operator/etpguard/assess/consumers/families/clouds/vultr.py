"""Vultr, by vultr-cloud-controller-manager."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.families.clouds.checked_cloud import (
    CheckedCloud,
    not_understood,
    on_node_port,
    on_port,
)
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP
from etpguard.assess.consumers.shared.known_annotations import VULTR
from etpguard.assess.consumers.shared.load_balancers import CLOUD_NODES, port_number
from etpguard.assess.consumers.targets import HealthCheck
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Reason
from etpguard.objects import Service, ServicePort

(PREFIX,) = SIGNS["vultr"].marks
CHECK_PROTOCOL = f"{PREFIX}healthcheck-protocol"
CHECK_PATH = f"{PREFIX}healthcheck-path"
CHECK_PORT = f"{PREFIX}healthcheck-port"


class Vultr(CheckedCloud):
    """vultr-cloud-controller-manager d5f3ab0 vultr/loadbalancers.go: all ports have one check, on the node port of
    the first port (getHealthCheckPort). The annotation for the port accepts only the number of the first port, and
    the check then uses this number on the node (:966). Protocols come from annotations, not from the Service."""

    name = "vultr"
    nodes = replace(CLOUD_NODES, provider_id="vultr://.+")
    """One node with another providerID makes the sync fail: vultr/instances.go:179 vultrIDFromProviderID."""
    annotations = (PREFIX, VULTR)
    client_ip = ClientIP.HIDDEN
    check_port = CHECK_PORT
    proxy_protocol = (f"{PREFIX}proxy-protocol",)
    without_address = "one node's providerID does not parse, or an annotation is rejected"
    documented = (
        DocumentedConsumer(
            consumer="Vultr",
            found_by=f"`{PREFIX}` annotation, providerID `vultr://`",
            nodes="cloud nodes; one without a providerID `vultr://` makes the sync fail",
            health_check="one for all ports: TCP (HTTP with `healthcheck-path`) on the first port's node port",
            with_local="`TargetsUnhealthy` for the first port; `Blackhole` where another port has fewer endpoints",
            evidence=Evidence.DOCUMENTED,
            source="vultr-cloud-controller-manager d5f3ab0 vultr/loadbalancers.go",
        ),
    )

    def check(self, service: Service, port: ServicePort, view: View) -> HealthCheck | Reason:
        given = service.annotations
        first = service.ports[0]
        path = given.get(CHECK_PATH, "")
        protocol = given.get(CHECK_PROTOCOL, "").upper() or ("HTTP" if path else "TCP")
        if protocol not in ("HTTP", "TCP", "UDP"):
            return not_understood(service, CHECK_PROTOCOL)
        if "UDP" in (protocol, port.transport, first.transport):
            name = port.label or port.port
            detail = (
                f"Vultr takes protocols from annotations, so it is not known whether port {name} carries UDP, nor "
                "what its check finds. No check finds that packets to a node without an endpoint are lost"
            )
            return Reason("UdpNotModelled", detail)
        if CHECK_PORT not in given:
            return on_node_port(first, protocol, path)
        number = port_number(given[CHECK_PORT])
        if number is None or number != first.port:
            return not_understood(service, CHECK_PORT)
        return on_port(number, service, view, protocol, path)
