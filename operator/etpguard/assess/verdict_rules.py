"""Rules about the verdict of one consumer: few targets are healthy, one node announces the address, or a setting
is not known. Pure functions, used by `service_verdict`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.targets import NodeTargets, NoneHealthy, Otherwise, PodTargets, PossibleNodes
from etpguard.assess.node_states import Frontend, PortState
from etpguard.assess.outcome import NO_HEALTHY_TARGET, TOO_FEW_HEALTHY, Outcome, Reason, Verdict
from etpguard.assess.probe import HealthCheckNodePort, NotModelled, PassesNowhere
from etpguard.assess.resilience import Zones
from etpguard.objects import IPFamily, Service


def routed_around(consumer: Consumer, state: PortState, eligible: int, passes: int | NotModelled) -> bool:
    """Whether the health check surely fails on all nodes whose state is not known, and passes on another one. The
    state of these nodes then does not matter."""
    if not isinstance(consumer.probe, HealthCheckNodePort) or isinstance(passes, NotModelled):
        return False
    return not eligible & state.doubtful & passes and bool(eligible & state.forwarding & passes)


LISTEN = "nodeport.openyurt.io/listen"
NODE_PORT_LIMITS = ("NodePortsLimited", "EdgeNodesNotKnown")
"""The reasons of `node_port_limits`."""


def node_port_limits(service: Service, edge: int) -> Reason | None:
    """Why some nodes with an endpoint may not serve the node ports of the Service: openyurt
    pkg/yurthub/filter/nodeportisolation, and edge nodes of KubeEdge."""
    pools = service.annotations.get(LISTEN)
    if pools is not None and pools.strip() != "*":
        detail = (
            f"the annotation {LISTEN} of OpenYurt limits the node ports to node pools ({pools[:100]}). Clients "
            "that address a node of another pool lose their traffic. Those that address the named pools do not"
        )
        return Reason("NodePortsLimited", detail)
    if edge:
        detail = (
            "edge nodes of KubeEdge run no kube-proxy by default. If one runs there, nothing is lost. If none "
            "does, clients that address an edge node lose their traffic"
        )
        return Reason("EdgeNodesNotKnown", detail)
    return None


def frontend(consumer: Consumer, family: IPFamily) -> Frontend | None:
    """The kind of address to which the consumer sends, as far as it is known."""
    if family in consumer.keeps_address:
        return Frontend.VIP
    if consumer.kind == "ExternalIP":
        return Frontend.EXTERNAL_IP
    if consumer.target_type == "instance":
        return Frontend.NODE_PORT
    return Frontend.VIP if consumer.kind == "Service" and consumer.target_type == "node" else None


def has_no_address(service: Service, consumer: Consumer) -> bool:
    """Whether the consumer is the load balancer of a Service that lives in a cluster and has no address. A
    manifest, which has no uid, is judged as if it were served."""
    return (
        consumer.kind == "Service"
        and service.type == "LoadBalancer"
        and bool(service.uid)
        and not service.load_balancer_ingress
        and not isinstance(consumer.targets, PodTargets)
    )


def without_address(consumer: Consumer) -> ConsumerVerdict:
    causes = f" Known causes: {consumer.without_address}." if consumer.without_address else ""
    detail = (
        "the status of the Service has no address, so no load balancer is known to send traffic. Look at the "
        f"events of the Service and at the log of {consumer.controller}.{causes}"
    )
    return ConsumerVerdict(consumer, Outcome.Unknown, Reason("NoAddress", detail.removesuffix(".")))


def as_far_as_known(verdict: ConsumerVerdict, targets: NodeTargets) -> ConsumerVerdict:
    """The verdict for a consumer that may have no target at all, or targets that the API does not show."""
    if verdict.outcome not in (Outcome.NoTargets, Outcome.Outage):
        return verdict
    if targets.no_target and verdict.outcome is Outcome.NoTargets:
        return replace(verdict, reason=targets.no_target)
    if targets.keeps_targets and verdict.outcome is Outcome.NoTargets:
        return replace(verdict, outcome=Outcome.Unknown, reason=targets.keeps_targets)
    if targets.other_targets:
        return replace(verdict, outcome=Outcome.Unknown, reason=targets.other_targets)
    return verdict


def before_leaving(targets: NodeTargets | PossibleNodes) -> NodeTargets | PossibleNodes:
    """The targets as they were before nodes began to leave."""
    if isinstance(targets, NodeTargets) and (otherwise := targets.otherwise):
        targets = replace(targets, otherwise=replace(otherwise, rule=otherwise.rule.before_leaving))
    return replace(targets, rule=targets.rule.before_leaving)


def agreed(verdict: ConsumerVerdict, other: Outcome, otherwise: Otherwise) -> ConsumerVerdict:
    """Unknown if the hidden setting changes the outcome to `other`, unless both outcomes lose nothing or both lose
    everything; otherwise `verdict`."""
    reason = otherwise.reason
    if other is Outcome.NoTargets and otherwise.none_is_unknown:
        return replace(verdict, outcome=Outcome.Unknown, reason=reason)
    if verdict.outcome is other or max(verdict.outcome, other) <= Outcome.TargetsUnhealthy:
        return verdict
    if min(verdict.outcome, other) >= Outcome.NoTargets:  # all is lost, either way
        return verdict
    detail = f"{reason.detail}. The outcome is {verdict.outcome.name} or {other.name}"
    return replace(verdict, outcome=Outcome.Unknown, reason=Reason(reason.code, detail))


def where_one_node_announces(verdicts: tuple[ConsumerVerdict, ...]) -> tuple[ConsumerVerdict, ...]:
    """The verdicts. Where one node gets the traffic of all ports and it is not known which one, the outcome is
    known only if each node loses some of it, or none does."""
    lossy = 0
    for each in verdicts:
        if _by_one_node(each):
            lossy |= each.uncovered
    if not lossy:
        return verdicts

    def known(verdict: ConsumerVerdict) -> ConsumerVerdict:
        why = _by_one_node(verdict)
        if why is None or verdict.outcome is not Outcome.Blackhole or not verdict.eligible & ~lossy:
            return verdict
        return replace(verdict, outcome=Outcome.Unknown, reason=why)

    return tuple(known(verdict) for verdict in verdicts)


def _by_one_node(verdict: ConsumerVerdict) -> Reason | None:
    targets = verdict.consumer.targets
    return targets.one_of if isinstance(targets, NodeTargets) else None


_BY_ZONE = Reason(
    "MinimumHealthyNotKnown",
    "the target group asks for more healthy targets than one (minimum_healthy_targets). Without cross-zone load "
    "balancing, that number counts in each zone for itself: a zone with fewer sends to unhealthy targets too, "
    "unless it leaves DNS. Look at load_balancing.cross_zone.enabled and target_group_health.dns_failover in AWS",
)


def with_too_few_healthy(
    verdict: Verdict, targets: NodeTargets, passes: int, zones: Zones
) -> tuple[Verdict, Reason | None]:
    """The verdict where few targets or none are healthy, or why it is not known."""
    none_healthy = verdict.special == NO_HEALTHY_TARGET
    if none_healthy and targets.other_targets:
        return verdict, targets.other_targets
    if none_healthy and targets.none_healthy is NoneHealthy.SENDS_TO_NONE:
        return Verdict(Outcome.Outage, verdict.eligible, verdict.eligible, NO_HEALTHY_TARGET), None
    if none_healthy and targets.none_healthy is NoneHealthy.NOT_KNOWN:
        detail = (
            "the health check passes on no target, and it is not known what this load balancer does then. If it "
            "sends to all targets, a share of the requests is lost. If it sends to none, all are lost"
        )
        return verdict, Reason("NoneHealthyNotKnown", detail)
    if verdict.outcome is Outcome.TargetsUnhealthy and targets.none_healthy is NoneHealthy.SENDS_TO_ALL:
        minimum, healthy = targets.minimum_healthy, verdict.eligible & passes
        missed = minimum.missed(healthy.bit_count(), verdict.eligible.bit_count())
        if minimum.differs_by_zone and minimum.missed_in_zones(healthy, verdict.eligible, zones) is not missed:
            return verdict, _BY_ZONE
        if missed:
            if targets.other_targets:
                return verdict, targets.other_targets
            return verdict._replace(outcome=Outcome.Blackhole, special=TOO_FEW_HEALTHY), None
    return verdict, None


def covered_but_never_healthy(verdict: Verdict, consumer: Consumer) -> Reason | None:
    """Why the outcome is not known where every target forwards, but the health check can pass on none; None if it
    is. A load balancer that then sends to all targets loses nothing."""
    probe, targets = consumer.probe, consumer.targets
    if verdict.outcome is not Outcome.Covered or not isinstance(probe, PassesNowhere):
        return None
    if isinstance(targets, NodeTargets) and targets.none_healthy is NoneHealthy.SENDS_TO_ALL:
        return None
    return Reason(
        "NoneHealthyNotKnown",
        f"every target forwards, but the health check can pass on none: {probe.detail}. The load balancer may "
        "then send to none. Look at the health of the targets in the load balancer",
    )


def no_endpoints(state: PortState) -> Reason:
    """The reason for one port and family, whatever the others have."""
    return Reason(
        Outcome.NoEndpoints.name, f"port {state.port or state.number}/{state.protocol} over {state.family}"
    )


def worst_of(verdicts: Sequence[ConsumerVerdict]) -> ConsumerVerdict:
    return verdicts[0] if len(verdicts) == 1 else max(verdicts, key=_badness)


def _badness(verdict: ConsumerVerdict) -> tuple[int, int, int]:
    """By outcome, then by the number of uncovered nodes, then by the number of eligible nodes."""
    return verdict.outcome, verdict.uncovered.bit_count(), verdict.eligible.bit_count()
