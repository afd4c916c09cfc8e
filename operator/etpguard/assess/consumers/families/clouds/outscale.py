"""3DS Outscale: load balancer units (LBU).

The rules come from cloud-provider-osc 64174f3, ccm/cloud/loadbalancer.go unless another file is named. The
providerID of its nodes begins with aws://, as on AWS, so only an annotation or the host name shows the provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.cloud import Cloud, unreadable
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.families.clouds.spelling import misspelt
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, drop_annotation, health_checked
from etpguard.assess.consumers.shared.load_balancers import (
    OLDER_CLOUD_NODES,
    on_health_check_node_port,
    port_number,
    refused,
    refused_affinity,
    standard_check,
)
from etpguard.assess.consumers.shared.recognition import OUTSCALE_DOMAIN
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_selection import MAX_LENGTH
from etpguard.assess.outcome import Outcome
from etpguard.objects import Node, Requirement, Service, ServicePort

(_PREFIX,) = SIGNS["outscale"].marks
NODE_LABELS = f"{_PREFIX}target-node-labels"
CHECK_PORT, CHECK_PROTOCOL, CHECK_PATH = (f"{_PREFIX}healthcheck-{part}" for part in ("port", "protocol", "path"))


class Outscale(Cloud):
    name = "outscale"
    node_selectors = (NODE_LABELS,)
    reads = (NODE_LABELS, CHECK_PORT, CHECK_PROTOCOL, CHECK_PATH)
    check_port = CHECK_PORT
    client_ip = ClientIP.HIDDEN
    """A load balancer unit is a proxy."""
    proxy_protocol = (f"{_PREFIX}proxy-protocol",)
    """It names the ports, or "*"."""
    without_address = "a port is not TCP, sessionAffinity or loadBalancerIP is set, the name is taken"
    documented = (
        DocumentedConsumer(
            consumer="Outscale load balancer unit",
            found_by=f"`{_PREFIX}` annotation, host name `*{OUTSCALE_DOMAIN}`",
            nodes="cloud nodes that match `target-node-labels`",
            health_check=(
                "HTTP `/healthz` on healthCheckNodePort; `healthcheck-port`, `-protocol` and `-path` change it"
            ),
            with_local="`TargetsUnhealthy`; with these annotations it depends on the port that they name; "
            "`Unknown` with a sessionAffinity",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-osc 64174f3 ccm/cloud/loadbalancer.go, ccm/loadbalancer.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """All ports have the same health check, and so the same targets."""
        return view.once("outscale", service, lambda one: _targets(one, view))

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        targets = verdict.consumer.targets
        if isinstance(targets, NodeTargets) and targets.no_target:
            return
        yield from misspelt(service, self.reads)
        yield from self.widen(service, verdict)
        if verdict.outcome in (Outcome.Blackhole, Outcome.Unknown) and CHECK_PORT in service.annotations:
            effect = "The load balancer then checks the healthCheckNodePort by HTTP."
            yield drop_annotation(service, CHECK_PORT, effect)
        before = self.before_cluster(service, verdict)
        yield from health_checked(service, verdict, nodes, self.client_ip_of(service), before)


def _targets(service: Service, view: View) -> Targets:
    """177: a sessionAffinity fails the Service. 258-266: so does one port that is not TCP. 286-302:
    healthcheck-port has precedence over the healthCheckNodePort. The annotation for the protocol or the path has
    no effect without it."""
    written = service.annotations.get(NODE_LABELS, "")
    requirements = _requirements(written)
    if requirements is None:
        return unreadable(NODE_LABELS, written, OLDER_CLOUD_NODES)
    rule = replace(OLDER_CLOUD_NODES, requirements=requirements)
    if any(port.transport != "TCP" for port in service.ports):
        cause = "the Service has a port that is not TCP, which Outscale does not support"
        return UnknownOutcome(refused("ProtocolNotServed", cause), rule)
    if affinity := refused_affinity(service, rule):
        return affinity
    check_port = service.annotations.get(CHECK_PORT, "")
    if check_port in ("", "0"):
        return NodeTargets(rule, standard_check(service))
    number = port_number(check_port)
    if number is None:
        return unreadable(CHECK_PORT, check_port, rule)
    path = service.annotations.get(CHECK_PATH, "")
    protocol = (service.annotations.get(CHECK_PROTOCOL) or ("http" if path else "tcp")).upper()
    if protocol not in ("HTTP", "HTTPS", "TCP", "SSL"):
        return unreadable(CHECK_PROTOCOL, protocol, rule)
    settings = CheckSettings(check_port, protocol, path if protocol.startswith("HTTP") else "")
    if number == service.spec.health_check_node_port:
        probe = on_health_check_node_port(protocol)
        return NodeTargets(rule, HealthCheck(probe, settings, pins_health_check_node_port=True))
    return NodeTargets(rule, view.check_on(number, service, settings))


def _requirements(text: str) -> tuple[Requirement, ...] | None:
    """ccm/cloud/annotations.go:17-48, ccm/loadbalancer.go:93-110: "k=v,k2=v2"; a key without a value matches
    the empty value, and a second "=" is an error."""
    if len(text) > MAX_LENGTH:
        return None
    pairs: dict[str, str] = {}
    for item in text.split(",") if text else ():
        key, *values = item.strip().split("=")
        if len(values) > 1:
            return None
        pairs[key] = values[0] if values else ""
    return tuple(Requirement(key, "In", (value,)) for key, value in pairs.items())
