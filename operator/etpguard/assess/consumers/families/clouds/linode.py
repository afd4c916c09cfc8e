"""Linode (Akamai) NodeBalancers, by linode-cloud-controller-manager."""

from __future__ import annotations

import json

from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.consumers.families.clouds.checked_cloud import (
    CheckedCloud,
    not_understood,
    on_node_port,
    on_port,
    refused_protocol,
)
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP
from etpguard.assess.consumers.shared.known_annotations import LINODE
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED, port_number
from etpguard.assess.consumers.targets import HealthCheck
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Reason
from etpguard.objects import Service, ServicePort

(PREFIX,) = SIGNS["linode"].marks
CHECK_TYPE = f"{PREFIX}check-type"
CHECK_PATH = f"{PREFIX}check-path"
UDP_CHECK_PORT = f"{PREFIX}udp-check-port"
UDP_CHECK_PORT_DEFAULT = "80"
DEFAULT_PROTOCOL = f"{PREFIX}default-protocol"

_OWN_SETTINGS = ("protocol", "udp-check-port")
_PROTOCOLS = frozenset({"tcp", "udp", "http", "https"})


class Linode(CheckedCloud):
    """linode-cloud-controller-manager b9aa901 cloud/linode/loadbalancers.go: a check of each port's node port
    (:905-990), of the type "connection" by default and "none" for UDP (:1278). Of UDP it is on the port that
    udp-check-port names, first that of the port's own annotation (loadbalancers_helpers.go:103). It does not read
    the healthCheckNodePort. The passive check counts 5xx answers, so dropped packets do not trigger it."""

    name = "linode"
    annotations = (PREFIX, LINODE)
    client_ip = ClientIP.HIDDEN
    proxy_protocol = (f"{PREFIX}default-proxy-protocol",)
    documented = (
        DocumentedConsumer(
            consumer="Linode NodeBalancer",
            found_by=f"`{PREFIX}` annotation, providerID `linode://`",
            nodes="cloud nodes",
            health_check="per port: TCP (or `check-type`) on its node port; none for UDP "
            "without `check-type`, and with it on `udp-check-port`",
            with_local="`TargetsUnhealthy`; `Blackhole` for UDP; `Unknown` beside an SCTP port",
            evidence=Evidence.DOCUMENTED,
            source="linode-cloud-controller-manager b9aa901 cloud/linode/loadbalancers.go",
        ),
    )

    def check(self, service: Service, port: ServicePort, view: View) -> HealthCheck | Reason:
        given = service.annotations
        if refusal := view.once("linode: a refused port", service, _first_refusal):
            return refusal
        default = "none" if port.transport == "UDP" else "connection"
        kind = given.get(CHECK_TYPE, default)
        if kind == "none":
            return UNCHECKED
        if kind not in ("connection", "http", "http_body"):
            return not_understood(service, CHECK_TYPE)
        protocol = "TCP" if kind == "connection" else "HTTP"
        path = "" if kind == "connection" else given.get(CHECK_PATH, "") or "/"
        if port.transport != "UDP":
            return on_node_port(port, protocol, path)
        own = _own_settings(service, port) or {}
        key = _own_key(port) if own.get("udp-check-port") else UDP_CHECK_PORT
        text = own.get("udp-check-port") or given.get(UDP_CHECK_PORT, UDP_CHECK_PORT_DEFAULT)
        number = port_number(text)
        if number is None:
            return not_understood(service, key)
        return on_port(number, service, view, protocol, path)

    def before_cluster(self, service: Service, verdict: ConsumerVerdict) -> str:
        """Only a UDP port can have its check there, and its default port 80 is no better."""
        check = verdict.consumer.check
        if check is None or not check.pins_health_check_node_port:
            return ""
        return (
            f"First set udp-check-port to another port, in {UDP_CHECK_PORT} or {PREFIX}port-NUMBER: Cluster "
            "removes the port that it names, and every target turns unhealthy."
        )


def _own_key(port: ServicePort) -> str:
    return f"{PREFIX}port-{port.port}"


def _own_settings(service: Service, port: ServicePort) -> dict[str, str] | None:
    """What the annotation for this port says; None if the controller rejects it: getPortConfigAnnotation."""
    try:
        config = json.loads(service.annotations.get(_own_key(port), "{}"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(config, dict) or not all(isinstance(config.get(name, ""), str) for name in _OWN_SETTINGS):
        return None
    return config


def _first_refusal(service: Service) -> Reason | None:
    return next(filter(None, (_refusal(service, port) for port in service.ports)), None)


def _refusal(service: Service, port: ServicePort) -> Reason | None:
    """Why the protocol of this port makes the sync of all ports fail:
    loadbalancers_helpers.go:24 getPortProtocol."""
    given = service.annotations
    own = _own_settings(service, port)
    if own is None or own.get("protocol", "").lower() not in ("", *_PROTOCOLS):
        return not_understood(service, _own_key(port))
    if own.get("protocol") or given.get(DEFAULT_PROTOCOL, port.transport).lower() in _PROTOCOLS:
        return None
    if DEFAULT_PROTOCOL in given:
        return not_understood(service, DEFAULT_PROTOCOL)
    return refused_protocol(port, SIGNS["linode"].provider)
