"""The outcome of one Service, from its node states and its consumers.

Each step checks for objects that are missing or unreadable. They make the outcome Unknown only where they could
change it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import reduce
from operator import or_

from msgspec.structs import replace

from etpguard.assess.assessment import Assessment, Options
from etpguard.assess.consumer_verdict import ConsumerJudge
from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.missing_ingresses import missing_ingresses
from etpguard.assess.data_planes.interface import DataPlane
from etpguard.assess.eligible_nodes import EligibleNodes
from etpguard.assess.health_prediction import HealthPrediction
from etpguard.assess.internal import VIRTUAL, Circumstances
from etpguard.assess.node_port_addresses import NodePortAddresses
from etpguard.assess.node_rule import ANY_CLIENT, NodeRule, Readiness
from etpguard.assess.node_states import PortState, ServiceStates, unaddressed
from etpguard.assess.outcome import (
    Outcome,
    Reason,
    without_consumer,
)
from etpguard.assess.resilience import Coverage
from etpguard.assess.state_cache import NodeStateCache
from etpguard.assess.turns import CONSUMERS_A_TURN
from etpguard.assess.unreadable_nodes import UnreadableNodes
from etpguard.assess.verdict_rules import (
    LISTEN,
    has_no_address,
    node_port_limits,
    where_one_node_announces,
    without_address,
    worst_of,
)
from etpguard.cluster import Picture
from etpguard.objects import ENDPOINT_SLICE, GROUP, IP_FAMILIES, AnyKind, IPFamily, Key, Reach, Service

PER_NODE_SELECTORS = frozenset({"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"})

_HARMLESS = (Outcome.Covered, Outcome.TargetsUnhealthy)
_LACKING: dict[IPFamily, NodeRule] = {
    family: NodeRule(lacks=family, taints=(), readiness=Readiness.IGNORED) for family in IP_FAMILIES
}
_VIRTUAL_NODES = NodeRule(requirements=VIRTUAL, taints=(), readiness=Readiness.IGNORED)
_NO_NODE_PORT = Reason(
    "NoNodePort",
    "the Service has no node ports, no address that the nodes serve, and no consumer that an object shows. A load "
    "balancer that sends to pods loses nothing. One that sends to nodes has no target",
)


class Judge:
    """Computes the outcome of Services. It reads the picture, the eligible nodes and the states of other Services
    at the time of each call."""

    def __init__(
        self,
        picture: Picture,
        options: Options,
        eligible: EligibleNodes,
        states: NodeStateCache,
        health: HealthPrediction,
    ) -> None:
        self._picture = picture
        self._options = options
        self._eligible = eligible
        self._states = states
        self._unreadable = UnreadableNodes(picture)
        self._addresses = NodePortAddresses(eligible, states)
        self._consumers = ConsumerJudge(picture, eligible, self._unreadable, health, self._addresses)

    def reset(self) -> None:
        """Note the Nodes that cannot be read. Call it when they change, and when the node table deals new
        bits."""
        self._unreadable.reset()

    def assessment(
        self, key: Key, service: Service, states: ServiceStates, consumers: Sequence[Consumer]
    ) -> Generator[None, None, Assessment]:
        """The assessment of a Service under Local that is served externally, with a yield after some of the
        consumers."""
        blind = self._blind(key)
        judged: list[ConsumerVerdict] = []
        for consumer in consumers:
            pending = has_no_address(service, consumer)
            judged.append(
                without_address(consumer) if pending else self._consumers.verdict(states, consumer, blind)
            )
            if len(judged) % CONSUMERS_A_TURN == 0:
                yield
        verdicts = where_one_node_announces(tuple(judged))
        if self._eligible.edge or LISTEN in service.annotations:
            verdicts = tuple(self._where_node_ports_are_limited(service, verdict) for verdict in verdicts)
        known = [v for v in verdicts if not v.consumer.incidental]
        if known:
            worst = worst_of(known)
            outcome, reason, eligible, uncovered = worst.outcome, worst.reason, worst.eligible, worst.uncovered
            if outcome <= Outcome.TargetsUnhealthy and (hidden := self._hidden_consumers(service)):
                outcome, reason = Outcome.Unknown, hidden
        else:
            outcome, reason, eligible, uncovered = self._unclaimed(service, states, blind)
        return Assessment(
            key=key,
            uid=service.uid,
            type=service.type,
            policy=service.policy,
            outcome=outcome,
            reason=reason,
            ports=states.ports,
            consumers=verdicts,
            nodes=self._picture.nodes.present if len(self._picture.store(ENDPOINT_SLICE)) else 0,
            eligible=eligible,
            uncovered=uncovered,
            epoch=self._picture.nodes.epoch,
            assumptions=self._assumptions(states, known) if outcome is not Outcome.NotAffected else (),
            coverage=() if known else self._coverage(states.ports, eligible),
        )

    def _unclaimed(
        self, service: Service, states: ServiceStates, blind: Reason | None
    ) -> tuple[Outcome, Reason, int, int]:
        """The outcome of a Service without a known consumer: any client may address any eligible node."""
        if hidden := self._hidden_consumers(service):
            return Outcome.Unknown, hidden, 0, 0
        if not states.ports:
            return Outcome.Unknown, _NO_NODE_PORT, 0, 0
        if PER_NODE_SELECTORS & (service.spec.selector or {}).keys():
            reason = Reason("AddressedPerNode", "its selector picks a single pod, so clients address its node")
            return Outcome.NotAffected, reason, 0, 0
        eligible = self._eligible.of(ANY_CLIENT)
        if blind:
            return Outcome.Unknown, blind, eligible, 0
        judged = [
            self._of_any_client(service, state, eligible & ~without)
            for state, without in zip(states.ports, self._unaddressed(states.ports), strict=True)
        ]
        outcome, unknown, uncovered = max(judged, key=lambda port: (port[0], port[2].bit_count()))
        if uncovered and (missing := missing_ingresses(service, self._picture)):
            return Outcome.Unknown, missing, eligible, uncovered
        if unknown:
            return outcome, unknown, eligible, uncovered
        why = ""
        if outcome is Outcome.NoTargets:
            why = self._eligible.why_none(ANY_CLIENT)
        return outcome, Reason("NoKnownConsumer", why), eligible, uncovered

    def _of_any_client(
        self, service: Service, state: PortState, eligible: int
    ) -> tuple[Outcome, Reason | None, int]:
        """The outcome of one port, why it is Unknown, and the nodes that certainly drop its traffic."""
        if state.node_port:
            state = state.doubted_where_forwarding(self._addresses.doubts(state.family, external=False))
        verdict = without_consumer(eligible, state.forwarding, state.usable)
        if uncovered := verdict.uncovered & ~state.doubtful:
            return verdict.outcome, None, uncovered
        unknown = state.doubt(eligible) or self._unreadable.reason(state, eligible, 0)
        if unknown is None and verdict.outcome is Outcome.Covered:
            unknown = node_port_limits(service, eligible & self._eligible.edge)
        return (Outcome.Unknown if unknown else verdict.outcome), unknown, 0

    def _unaddressed(self, ports: Sequence[PortState]) -> list[int]:
        return unaddressed(ports, self._lacking(ports))

    def _lacking(self, ports: Sequence[PortState]) -> dict[IPFamily, int]:
        """By family, the nodes that have addresses, and none in it; {} for ports of one family."""
        families = {port.family for port in ports}
        return {each: self._eligible.of(_LACKING[each]) for each in families} if len(families) > 1 else {}

    def _coverage(self, ports: Sequence[PortState], eligible: int) -> tuple[Coverage, ...]:
        """For clients that may address any eligible node; none where the state of a port is not known there."""
        if any(state.doubt(eligible) for state in ports):
            return ()
        zones = self._eligible.zones
        return tuple(
            Coverage(state, eligible & ~without, -1, zones)
            for state, without in zip(ports, self._unaddressed(ports), strict=True)
        )

    def _where_node_ports_are_limited(self, service: Service, verdict: ConsumerVerdict) -> ConsumerVerdict:
        if verdict.outcome not in _HARMLESS:
            return verdict
        limits = node_port_limits(service, verdict.eligible & ~verdict.uncovered & self._eligible.edge)
        return replace(verdict, outcome=Outcome.Unknown, reason=limits) if limits else verdict

    def circumstances(self, key: Key, states: Sequence[PortState]) -> Circumstances:
        """What decides about clients in the cluster of the Service, besides these states of its cluster IPs."""
        nodes = self._picture.nodes
        ready = self._eligible.ready & nodes.present
        hosting = reduce(or_, (state.forwarding for state in states), 0)
        renamed = self._renamed(hosting)
        return Circumstances(
            ready=ready,
            unproxied=ready & (self._eligible.edge | self._eligible.of(_VIRTUAL_NODES)),
            unreadable=self._unreadable.present,
            unreadable_reason=self._unreadable.first,
            blind=self._blind(key),
            epoch=nodes.epoch,
            lacking=self._lacking(states),
            assumptions=(self._hostname_override(renamed),) if renamed else (),
        )

    def _assumptions(self, states: ServiceStates, known: Sequence[ConsumerVerdict]) -> tuple[str, ...]:
        """What the node states and the consumers assume without proof; see `Assessment.assumptions`."""
        renamed = self._renamed(states.hosting)
        found = dict.fromkeys(text for v in known for text in v.consumer.assumptions)
        if renamed:
            found[self._hostname_override(renamed)] = None
        return tuple(found)

    def _renamed(self, hosting: int) -> int:
        """Of these nodes, those where kube-proxy finds no endpoint without --hostname-override."""
        renamed = hosting & self._eligible.renamed & self._picture.nodes.present
        return renamed and renamed & self._states.rules.planes.nodes_with(
            DataPlane.KUBE_PROXY, DataPlane.WINKERNEL
        )

    def _hostname_override(self, renamed: int) -> str:
        """For kube-proxy an endpoint is local if its nodeName is the hostname of kube-proxy: component-helpers
        node/util/hostname.go."""
        name, others = self._picture.nodes.names(renamed, 1)[0], renamed.bit_count() - 1
        more = f" and of {others} more" if others else ""
        return (
            f"kube-proxy has --hostname-override, since the hostname of node {name}{more} differs from the name "
            "of the Node. Without this flag, kube-proxy finds no local endpoint there"
        )

    def _blind(self, key: Key) -> Reason | None:
        """Why the node states of the Service are not known."""
        if not len(self._picture.store(ENDPOINT_SLICE)):
            return Reason("NoEndpointSlices", "no EndpointSlice was read, so no endpoint is known")
        if rejected := self._picture.rejected_slices(key):
            return Reason("UnreadableEndpointSlice", rejected[0].message)
        return None

    def _hidden_consumers(self, service: Service) -> Reason | None:
        """Why the Service may have a consumer that etpguard does not see. Files have all that there are."""
        if not self._options.unread_is_unknown:
            return None
        if unread := [kind.resource for kind in self._hiding_kinds()]:
            return Reason("ConsumersNotReadable", f"cannot read {', '.join(unread)}")
        if rejected := self._picture.rejected_referrers(service.key.namespace):
            return Reason("ConsumersNotReadable", rejected[0].message)
        return None

    def _hiding_kinds(self) -> list[AnyKind]:
        """The kinds that cannot be read and whose objects may be consumers of any Service."""
        off = self._picture.switched_off
        return [kind for kind in self._picture.unread if kind not in off and _may_consume(kind)]


def _may_consume(kind: AnyKind) -> bool:
    return kind.group != GROUP and kind.reach is not Reach.NOTHING and not kind.refines
