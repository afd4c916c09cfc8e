"""Exoscale, by exoscale-cloud-controller-manager."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.checked_cloud import (
    CheckedCloud,
    not_served,
    not_understood,
    on_port,
)
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, annotate_service, unpin
from etpguard.assess.consumers.shared.known_annotations import EXOSCALE
from etpguard.assess.consumers.shared.load_balancers import on_health_check_node_port, port_number
from etpguard.assess.consumers.targets import (
    CheckSettings,
    HealthCheck,
    NodeTargets,
    Otherwise,
    PossibleNodes,
    Targets,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE, NodeRule
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.platforms import EXOSCALE_POOL, EXOSCALE_POOL_LABEL
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.objects import Node, Requirement, Service, ServicePort

(PREFIX,) = SIGNS["exoscale"].marks
MODE = f"{PREFIX}service-healthcheck-mode"
URI = f"{PREFIX}service-healthcheck-uri"
CHECK_PORT = f"{PREFIX}service-healthcheck-port"
POOL = f"{PREFIX}service-instancepool-id"
NODE_POOL = f"{PREFIX}service-sks-nodepool-name"

_IN_ONE_CHANGE = (
    f"in the same change set {MODE} to tcp, or {URI} to a path that the pods answer. With tcp and Local, the "
    "check passes on every node"
)


class Exoscale(CheckedCloud):
    """exoscale-cloud-controller-manager 32c9584 exoscale/loadbalancer.go:772-895: the targets are the members of
    one instance pool; labels of nodes do not matter. The default health check connects by TCP to the
    healthCheckNodePort, which is open on every node. Without an annotation that names the pool, all nodes must be
    in one pool, and the controller writes the annotation (:174-216). A node pool of SKS has one instance pool
    (:155). Nodes have a label with the id of the node pool, and the annotation has the id of the instance pool."""

    name = "exoscale"
    refuses_other_protocols = True
    annotations = (PREFIX, EXOSCALE)
    nodes = EVERY_NODE
    client_ip = ClientIP.LOST
    check_port = CHECK_PORT
    without_address = f"the nodes are of several instance pools and {POOL} names none"
    documented = (
        DocumentedConsumer(
            consumer="Exoscale",
            found_by=f"`{PREFIX}` annotation, providerID `exoscale://`",
            nodes="the members of one instance pool: all nodes of one node pool, by their label "
            "`node.exoscale.net/nodepool-id`; `Unknown` if node pools differ",
            health_check="`tcp` on healthCheckNodePort by default; `service-healthcheck-{mode,uri,port}`",
            with_local="`Blackhole` with the default mode; `TargetsUnhealthy` with mode `http` and a URI; "
            "`Unknown` beside an SCTP port",
            evidence=Evidence.DOCUMENTED,
            source="exoscale-cloud-controller-manager 32c9584 exoscale/loadbalancer.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        if port.transport not in self.protocols:
            return not_served(port, self.provider)
        targets = super().targets(service, port, view)
        named = next((key for key in (NODE_POOL, POOL) if service.annotations.get(key)), "")
        return _of_a_pool(targets, named, view) if named and isinstance(targets, NodeTargets) else targets

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
            # Without the annotation, the check is on the node port under Cluster.
            fails = f"asks {path[:80]} of the pods by {mode.upper()}" if path else ""
            by_hand = f"Set Cluster by hand, and {_IN_ONE_CHANGE}" if fails else ""
            return HealthCheck(
                on_health_check_node_port(mode), settings, fails_under_cluster=fails, so_that_it_passes=by_hand
            )
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

    def before_cluster(self, service: Service, verdict: ConsumerVerdict) -> str:
        check = verdict.consumer.check
        if check is None or not (check.pins_health_check_node_port or check.fails_under_cluster):
            return ""
        first = unpin(CHECK_PORT) if check.pins_health_check_node_port else ""
        if check.settings is None or not check.settings.path:
            return first
        asks = f"The check then asks {check.settings.path[:80]} of the pods by {check.settings.protocol}"
        return f"{first} {asks}: if they do not answer it with success, {_IN_ONE_CHANGE}.".strip()


def _of_a_pool(targets: NodeTargets, named: str, view: View) -> Targets:
    """The targets where the annotation `named` names an instance pool. The labels of the nodes name node pools."""
    pools = sorted(p.removeprefix(EXOSCALE_POOL) for p in view.platforms if p.startswith(EXOSCALE_POOL))
    if len(pools) == 1 and pools[0]:
        return targets
    answers = isinstance(targets.check.probe, HealthCheckNodePort) and targets.check.probe.any_answer
    check = (
        "The check passes on every node, so requests to members without an endpoint are lost"
        if answers
        else "The check keeps traffic off members without an endpoint"
    )
    if len(pools) == 2:
        first, other = (_in_pool(pool) for pool in pools)
        detail = (
            f"{named} names an instance pool. The nodes are of {_shown(pools[0])} and of {_shown(pools[1])}, and "
            f"no API object shows whose instance pool it is. {check}. If the pool has no member with an endpoint, "
            "all is lost"
        )
        return replace(targets, rule=first, otherwise=Otherwise(other, Reason("InstancePoolNotKnown", detail)))
    detail = (
        f"{named} names an instance pool, and no API object shows its members. {check}. If the pool has no member "
        "with an endpoint, all is lost"
    )
    return PossibleNodes(EVERY_NODE, Reason("InstancePoolNotKnown", detail), sends_to_one=True)


def _in_pool(pool: str) -> NodeRule:
    label = EXOSCALE_POOL_LABEL
    requirement = Requirement(label, "In", (pool,)) if pool else Requirement(label, "DoesNotExist")
    return replace(EVERY_NODE, requirements=(requirement,))


def _shown(pool: str) -> str:
    return f"node pool {pool[:63]}" if pool else "no node pool"
