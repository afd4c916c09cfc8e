"""UpCloud, by upcloud-cloud-controller-manager."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.families.clouds.checked_cloud import CheckedCloud
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP
from etpguard.assess.consumers.shared.known_annotations import UPCLOUD
from etpguard.assess.consumers.shared.load_balancers import (
    NO_NODE,
    OLDER_CLOUD_NODES,
    standard_check,
    standard_settings,
)
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Reason
from etpguard.objects import Service, ServicePort

(PREFIX,) = SIGNS["upcloud"].marks
CONFIG = f"{PREFIX}config"


_FAILS = Reason(
    "NoMatchingNodes",
    "no node matches, so the controller fails and leaves the members of the load balancer as they were. If those "
    "nodes forward, traffic arrives. If they do not, all is lost",
)


class UpCloud(CheckedCloud):
    """upcloud-cloud-controller-manager d04f4e8 internal/loadbalancer/loadbalancer_request.go: under Local, the
    check is HTTP on the healthCheckNodePort with the path "/" (utils.go:184). The annotation `config` may replace
    it."""

    name = "upcloud"
    annotations = (PREFIX, UPCLOUD)
    nodes = OLDER_CLOUD_NODES
    client_ip = ClientIP.HIDDEN
    node_selectors = (f"{PREFIX}node-selector",)
    without_address = "no node matches the selector, or the nodes are of several private networks"
    documented = (
        DocumentedConsumer(
            consumer="UpCloud",
            found_by=f"`{PREFIX}` annotation, providerID `upcloud://`",
            nodes="cloud nodes that match `node-selector`",
            health_check="HTTP `/` on healthCheckNodePort; `config` may replace it",
            with_local="`TargetsUnhealthy`; `Unknown` with `config` or UDP, and where no node matches",
            evidence=Evidence.DOCUMENTED,
            source="upcloud-cloud-controller-manager d04f4e8 internal/loadbalancer/loadbalancer_request.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """loadbalancer_request.go:111: the controller fails if there is no node."""
        targets = super().targets(service, port, view)
        if isinstance(targets, NodeTargets) and targets.rule != NO_NODE:
            return replace(targets, no_target=None, keeps_targets=_FAILS)
        return targets

    def check(self, service: Service, port: ServicePort, view: View) -> HealthCheck | Reason:
        if port.transport != "TCP":
            detail = (
                f"the controller's source shows no {port.transport}, so what happens to port "
                f"{port.label} is not known"
            )
            return Reason("ProtocolNotModelled", detail)
        if service.annotations.get(CONFIG):
            detail = (
                f"the annotation {CONFIG} may replace the nodes' health check. If it does not, nodes without an "
                "endpoint get no traffic. If the check that it sets passes on them, a share of the requests is "
                "lost. Look for a health check in the annotation"
            )
            return Reason("ConfigNotModelled", detail)
        return replace(standard_check(service), settings=replace(standard_settings(service), path="/"))
