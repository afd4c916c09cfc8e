"""Exoscale, by exoscale-cloud-controller-manager."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.clouds.checked_cloud import CheckedCloud, not_served, not_understood, on_port
from etpguard.assess.consumers.interface import (
    Advice,
    CheckSettings,
    ConsumerVerdict,
    DocumentedConsumer,
    Evidence,
    HealthCheck,
    NodeTargets,
    PossibleNodes,
    Targets,
    View,
)
from etpguard.assess.consumers.known_annotations import EXOSCALE
from etpguard.assess.consumers.load_balancers import EVERY_NODE, on_health_check_node_port, port_number
from etpguard.assess.consumers.remedies import ClientIP, annotate_service
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.objects import Node, Service, ServicePort

PREFIX = "service.beta.kubernetes.io/exoscale-loadbalancer-"
MODE = f"{PREFIX}service-healthcheck-mode"
URI = f"{PREFIX}service-healthcheck-uri"
CHECK_PORT = f"{PREFIX}service-healthcheck-port"
POOL = f"{PREFIX}service-instancepool-id"
NODE_POOL = f"{PREFIX}service-sks-nodepool-name"


class Exoscale(CheckedCloud):
    """exoscale-cloud-controller-manager 32c9584 exoscale/loadbalancer.go:772-895: the targets are the members of
    one instance pool, whatever the labels of the nodes; the check uses mode "tcp" by default, on the
    healthCheckNodePort, which accepts connections on every node. Without an annotation for the pool all nodes are
    of one pool (:174-210)."""

    name = "exoscale"
    provider = "Exoscale"
    annotations = (PREFIX, EXOSCALE)
    nodes = EVERY_NODE
    client_ip = ClientIP.LOST
    without_address = f"the nodes are of several instance pools and {POOL} names none"
    documented = (
        DocumentedConsumer(
            consumer="Exoscale",
            found_by=f"`{PREFIX}` annotation, providerID `exoscale://`",
            nodes="the members of one instance pool; `Unknown` where an annotation names the pool",
            health_check="`tcp` on healthCheckNodePort by default; `service-healthcheck-{mode,uri,port}`",
            with_local="`Blackhole` with the default mode; `TargetsUnhealthy` with mode `http` and a URI",
            evidence=Evidence.DOCUMENTED,
            source="exoscale-cloud-controller-manager 32c9584 exoscale/loadbalancer.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        if port.transport not in self.protocols:
            return not_served(port, self.provider)
        targets = super().targets(service, port, view)
        named = next((key for key in (NODE_POOL, POOL) if service.annotations.get(key)), "")
        if named and isinstance(targets, NodeTargets):
            answers = isinstance(targets.check.probe, HealthCheckNodePort) and targets.check.probe.any_answer
            check = (
                "the check passes on every node, so requests to members without an endpoint are lost"
                if answers
                else "the check keeps traffic off members without an endpoint"
            )
            detail = (
                f"{named} names an instance pool, whose members no API object shows: {check}, and without a "
                "member that has an endpoint all is lost"
            )
            return PossibleNodes(EVERY_NODE, Reason("InstancePoolNotKnown", detail), sends_to_one=True)
        return targets

    def check(self, service: Service, port: ServicePort, view: View) -> HealthCheck | Reason:
        given = service.annotations
        mode = given.get(MODE, "tcp")
        if mode not in ("tcp", "http", "https"):
            return not_understood(service, MODE)
        path = given.get(URI, "") if mode != "tcp" else ""
        if mode != "tcp" and not path:
            return Reason("HealthCheckWithoutUri", f"{MODE} is {mode!r}, and {URI} is not set")
        text = given.get(CHECK_PORT, "")
        if not text:
            settings = CheckSettings(
                str(service.spec.health_check_node_port or "healthCheckNodePort"), mode.upper(), path
            )
            return HealthCheck(on_health_check_node_port(mode), settings)
        number = port_number(text)
        if number is None:
            return not_understood(service, CHECK_PORT)
        return on_port(number, service, view, mode.upper(), path)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        probe = verdict.consumer.probe
        connects_only = isinstance(probe, HealthCheckNodePort) and probe.any_answer
        if verdict.outcome is Outcome.Blackhole and connects_only:
            yield Advice(
                "Check the nodes by HTTP",
                "The default check only connects to the healthCheckNodePort, which is open on every node.",
                "",
                *annotate_service(service, f"{MODE}=http", f"{URI}=/healthz"),
            )
        yield from super().advise(service, verdict, nodes)
