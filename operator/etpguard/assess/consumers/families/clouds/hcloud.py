"""Hetzner Cloud, by hcloud-cloud-controller-manager."""

from __future__ import annotations

from fnmatch import fnmatchcase

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
from etpguard.assess.consumers.shared.known_annotations import HCLOUD
from etpguard.assess.consumers.shared.load_balancers import CLOUD_NODES, NO_NODE, port_number
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets, PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.outcome import Reason
from etpguard.assess.platforms import HETZNER_ROBOT
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.objects import Service, ServicePort

(PREFIX,) = SIGNS["hcloud"].marks
CHECK_PROTOCOL = f"{PREFIX}health-check-protocol"
CHECK_PORT = f"{PREFIX}health-check-port"
CHECK_PATH = f"{PREFIX}health-check-http-path"
STATUS_CODES = f"{PREFIX}http-status-codes"
PROTOCOL = f"{PREFIX}protocol"
PRIVATE_IP = f"{PREFIX}use-private-ip"
PROXY_PROTOCOL = f"{PREFIX}uses-proxyprotocol"

_MOST_TARGETS = {"lb11": 25, "lb21": 75, "lb31": 150}


class HetznerCloud(CheckedCloud):
    """hcloud-cloud-controller-manager 6485324 internal/hcops/load_balancer.go: each port has a check of its node
    port (:1130-1420); it does not read the healthCheckNodePort, and serves only TCP (:985)."""

    name = "hcloud"
    annotations = (PREFIX, HCLOUD)
    client_ip = ClientIP.HIDDEN
    check_port = CHECK_PORT
    proxy_protocol = (f"{PREFIX}uses-proxyprotocol",)
    protocols = frozenset({"TCP"})
    nodes = replace(CLOUD_NODES, provider_id="(?:hcloud|hrobot)://.+", skips_unidentified=True)
    """:680: a node with another prefix in its providerID is left out."""
    node_selectors = (f"{PREFIX}node-selector",)
    without_address = "a location or network is missing, a selector or another annotation does not parse"
    documented = (
        DocumentedConsumer(
            consumer="Hetzner Cloud",
            found_by=f"`{PREFIX}` annotation, providerID `hcloud://`",
            nodes="cloud nodes with a providerID `hcloud://` that match `node-selector`; `Unknown` with "
            "dedicated (Robot) servers",
            health_check="per port: TCP (or `health-check-protocol`) on its node port, or on `health-check-port`",
            with_local="`TargetsUnhealthy` with the default check; a UDP port is not served",
            evidence=Evidence.DOCUMENTED,
            source="hcloud-cloud-controller-manager 6485324 internal/hcops/load_balancer.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        targets = self.doubtful_without_own_nodes(super().targets(service, port, view), view)
        # Without the annotation, HCLOUD_LOAD_BALANCERS_USE_PRIVATE_IP of the controller decides.
        if isinstance(targets, NodeTargets) and not BOOLEANS.get(service.annotations.get(PRIVATE_IP, "")):
            targets = replace(targets, external=True)
        if HETZNER_ROBOT not in view.platforms or not isinstance(targets, NodeTargets) or targets.rule == NO_NODE:
            return targets
        detail = (
            "some nodes are dedicated servers, which are targets only if Robot support of the controller is on. "
            "Without it, only the cloud servers get traffic. Look at the controller's options"
        )
        return PossibleNodes(targets.rule, Reason("RobotSupportNotKnown", detail), external=targets.external)

    def most_targets(self, service: Service) -> int:
        """The maximum number of targets of each type, from Hetzner's documentation. The smallest type is the
        default."""
        return _MOST_TARGETS.get(service.annotations.get(f"{PREFIX}type", ""), _MOST_TARGETS["lb11"])

    def check(self, service: Service, port: ServicePort, view: View) -> HealthCheck | Reason:
        given = service.annotations
        if given.get(PROXY_PROTOCOL, "false") not in BOOLEANS:
            return not_understood(service, PROXY_PROTOCOL)
        protocol = "TCP"
        for key in (PROTOCOL, CHECK_PROTOCOL):
            if key in given:
                protocol = given[key].upper()
                if protocol not in ("TCP", "HTTP", "HTTPS"):
                    return not_understood(service, key)
        path = given.get(CHECK_PATH, "") if protocol != "TCP" else ""
        if CHECK_PORT not in given:
            return on_node_port(port, protocol, path)
        number = port_number(given[CHECK_PORT])
        if number is None:
            return not_understood(service, CHECK_PORT)
        codes = given.get(STATUS_CODES, "")[:1000] or "2??,3??"
        check = on_port(number, service, view, protocol, path, lambda status: _accepts(codes, status))
        if check.probe == HealthCheckNodePort() and _accepts(codes, 503):
            return replace(check, probe=HealthCheckNodePort(any_answer=True))
        return check


def _accepts(codes: str, status: int) -> bool:
    """In the API of Hetzner Cloud, "?" stands for one digit and "*" for several."""
    return any(fnmatchcase(str(status), code.strip()) for code in codes.split(","))
