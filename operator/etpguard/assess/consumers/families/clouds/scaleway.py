"""Scaleway, by scaleway-cloud-controller-manager."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.families.clouds.checked_cloud import CheckedCloud, not_understood, on_node_port
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP
from etpguard.assess.consumers.shared.known_annotations import SCALEWAY
from etpguard.assess.consumers.shared.load_balancers import port_number, standard_check
from etpguard.assess.consumers.targets import HealthCheck
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_selection import target_node_labels
from etpguard.assess.outcome import Reason
from etpguard.objects import Requirement, Service, ServicePort

(PREFIX,) = SIGNS["scaleway"].marks
FROM_SERVICE = f"{PREFIX}health-check-from-service"
CHECK_TYPE = f"{PREFIX}health-check-type"

_TYPES = frozenset({"tcp", "http", "https", "mysql", "ldap", "redis", "pgsql"})
_BOOLS = dict.fromkeys(("t", "T", "true", "TRUE", "True"), True) | dict.fromkeys(
    ("f", "F", "false", "FALSE", "False"), False
)
_MOST_ENTRIES = 1000
"""Maximum number of entries of a list in an annotation that are read. A Service cannot have more ports."""


class Scaleway(CheckedCloud):
    """scaleway-cloud-controller-manager bddc17f: nodes by scaleway/loadbalancers.go:1097 filterNodes; a check of
    each port's node port (servicePortToBackend), or the healthCheckNodePort with the annotation
    health-check-from-service (loadbalancers_annotations.go:1128); the controller skips other protocols than TCP
    (:1389)."""

    name = "scaleway"
    annotations = (PREFIX, SCALEWAY)
    client_ip = ClientIP.HIDDEN
    proxy_protocol = (f"{PREFIX}proxy-protocol-v1", f"{PREFIX}proxy-protocol-v2")
    """The value of each is "true", "*", or a list of ports."""
    protocols = frozenset({"TCP"})
    node_selectors = (f"{PREFIX}target-node-labels",)
    documented = (
        DocumentedConsumer(
            consumer="Scaleway",
            found_by=f"`{PREFIX}` annotation, providerID `scaleway://`",
            nodes="cloud nodes that match `target-node-labels`",
            health_check=(
                "per port: TCP (or `health-check-type`) on its node port; with `health-check-from-service` HTTP "
                "`/healthz` on healthCheckNodePort"
            ),
            with_local="`TargetsUnhealthy`; a UDP port is not served",
            evidence=Evidence.DOCUMENTED,
            source="scaleway-cloud-controller-manager bddc17f scaleway/loadbalancers{,_annotations}.go",
        ),
    )

    def selected(self, text: str) -> tuple[Requirement, ...] | None:
        return target_node_labels(text)

    def check(self, service: Service, port: ServicePort, view: View) -> HealthCheck | Reason:
        native = _in_range(service.annotations.get(FROM_SERVICE, ""), port.port)
        if native is None:
            return not_understood(service, FROM_SERVICE)
        kind = _for_port(service.annotations.get(CHECK_TYPE, "tcp"), port.port)
        if native:
            # loadbalancers_annotations.go:1141: under Cluster, the type counts, and the node port.
            fails = f"asks the pods by {kind.upper()}" if kind and kind in _TYPES and kind != "tcp" else ""
            first = f"First set {CHECK_TYPE} to tcp for port {port.port}" if fails else ""
            return replace(standard_check(service), fails_under_cluster=fails, so_that_it_passes=first)
        if kind not in _TYPES:
            return not_understood(service, CHECK_TYPE)
        return on_node_port(port, kind.upper())


def _in_range(text: str, number: int) -> bool | None:
    """loadbalancers.go isPortInRange: a bool, "*" for all, or ports; None for anything else."""
    if text in _BOOLS:
        return _BOOLS[text]
    if text in ("", "*"):
        return text == "*"
    for item in text.replace(" ", "").split(",", _MOST_ENTRIES):
        found = port_number(item)
        if found is None:
            return None
        if found == number:
            return True
    return False


def _for_port(text: str, number: int) -> str | None:
    """loadbalancers_annotations.go getValueForPort: "value", or "port:value;port,port:value"."""
    value = ""
    for entry in text.split(";", _MOST_ENTRIES):
        parts = entry.split(":", 2)
        if len(parts) == 1:
            value = value or parts[0]
            continue
        wanted = _in_range(parts[0], number)
        if len(parts) > 2 or wanted is None:
            return None
        value = parts[1] if wanted else value
    return value
