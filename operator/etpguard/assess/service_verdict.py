"""The outcome of one Service, from its node states and its consumers.

Each step checks for objects that are missing or unreadable. They make the outcome Unknown only where they could
change it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_

from etpguard.assess.assessment import Assessment, Options
from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.missing_ingresses import missing_ingresses
from etpguard.assess.consumers.targets import NodeTargets, NoneHealthy, PodTargets, PossibleNodes, UnknownOutcome
from etpguard.assess.data_planes.interface import DataPlane
from etpguard.assess.data_planes.mixed import Rules
from etpguard.assess.eligible_nodes import EligibleNodes
from etpguard.assess.internal import VIRTUAL, Circumstances
from etpguard.assess.node_rule import ANY_CLIENT, Hosts, NodeRule, Readiness
from etpguard.assess.node_states import PortState, ServiceStates
from etpguard.assess.outcome import (
    NO_HEALTHY_TARGET,
    TOO_FEW_HEALTHY,
    Outcome,
    Reason,
    through_consumer,
    without_consumer,
)
from etpguard.assess.probe import KubeProxyHealthz, NotModelled, passing
from etpguard.assess.resilience import Coverage
from etpguard.assess.turns import CONSUMERS_A_TURN
from etpguard.assess.verdict_rules import (
    LISTEN,
    agreed,
    as_far_as_known,
    frontend,
    has_no_address,
    no_endpoints,
    node_port_limits,
    routed_around,
    where_one_node_announces,
    with_too_few_healthy,
    without_address,
    worst_of,
)
from etpguard.cluster import Picture
from etpguard.objects import ENDPOINT_SLICE, GROUP, NODE, SERVICE, AnyKind, IPFamily, Key, Reach, Service

PER_NODE_SELECTORS = frozenset({"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"})

_REASONS = {code: Reason(code) for code in (*Outcome.__members__, NO_HEALTHY_TARGET, TOO_FEW_HEALTHY)}
_PODS = Reason("TargetsPods", "it sends to pods directly, so the policy is not on its path")
_HARMLESS = (Outcome.Covered, Outcome.TargetsUnhealthy)
_VIRTUAL_NODES = NodeRule(requirements=VIRTUAL, taints=(), readiness=Readiness.IGNORED)
_NO_NODE_PORT = Reason(
    "NoNodePort",
    "the Service has no node ports, no address that the nodes serve, and no consumer that an object shows: a load "
    "balancer that sends to pods loses nothing, and one that sends to nodes has no target",
)


class Judge:
    """Reads the picture, the eligible nodes and the states of other Services at the time of each call."""

    def __init__(
        self,
        picture: Picture,
        options: Options,
        eligible: EligibleNodes,
        states_of: Callable[[Key, Service], ServiceStates],
        rules: Callable[[], Rules],
    ) -> None:
        self._picture = picture
        self._options = options
        self._eligible = eligible
        self._states_of = states_of
        self._rules = rules
        self._unreadable = 0

    def reset(self) -> None:
        """Note the Nodes that cannot be read. Call it when they change, and when the node table deals new
        bits."""
        self._unreadable = 0
        for reject in self._picture.store(NODE).rejects:
            self._unreadable |= self._picture.nodes.bit(reject.key.name)

    def assessment(
        self, key: Key, service: Service, states: ServiceStates, consumers: Sequence[Consumer]
    ) -> Generator[None, None, Assessment]:
        """The assessment of a Service under Local that is served externally, with a yield after some of the
        consumers."""
        blind = self._blind(key)
        judged: list[ConsumerVerdict] = []
        for consumer in consumers:
            pending = has_no_address(service, consumer)
            judged.append(without_address(consumer) if pending else self._through(states, consumer, blind))
            if len(judged) % CONSUMERS_A_TURN == 0:
                yield
        verdicts = where_one_node_announces(tuple(judged))
        if self._eligible.edge or LISTEN in service.annotations:
            verdicts = tuple(self._where_node_ports_are_limited(service, verdict) for verdict in verdicts)
        known = [v for v in verdicts if not v.consumer.incidental]
        if known:
            worst = worst_of(known)
            outcome, reason, eligible, uncovered = worst.outcome, worst.reason, worst.eligible, worst.uncovered
            if outcome in _HARMLESS and self._options.unread_is_unknown and (unread := self._unread_consumers()):
                outcome, reason = Outcome.Unknown, unread
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
            nodes=self._picture.nodes.present,
            eligible=eligible,
            uncovered=uncovered,
            epoch=self._picture.nodes.epoch,
            assumptions=self._assumptions(states, known) if outcome is not Outcome.NotAffected else (),
            coverage=()
            if known
            else tuple(Coverage(s, eligible, -1, self._eligible.zones, fails_open=True) for s in states.ports),
        )

    def _assumptions(self, states: ServiceStates, known: Sequence[ConsumerVerdict]) -> tuple[str, ...]:
        """What the node states and the consumers rest on; see `Assessment.assumptions`."""
        renamed = self._renamed(states.hosting)
        if not renamed and not any(v.consumer.assumptions for v in known):
            return ()
        found = dict.fromkeys(text for v in known for text in v.consumer.assumptions)
        if renamed:
            found[self._hostname_override(renamed)] = None
        return tuple(found)

    def circumstances(self, key: Key, states: Sequence[PortState]) -> Circumstances:
        """What decides about clients in the cluster of the Service, besides these states of its cluster IPs."""
        nodes = self._picture.nodes
        ready = self._eligible.ready & nodes.present
        hosting = reduce(or_, (state.forwarding for state in states), 0)
        renamed = self._renamed(hosting)
        hidden = self._unreadable and nodes.names(self._unreadable & nodes.present, 1)
        return Circumstances(
            ready=ready,
            unproxied=ready & (self._eligible.edge | self._nodes_of(_VIRTUAL_NODES)),
            unreadable=self._unreadable & nodes.present,
            unreadable_reason=_unreadable_node(hidden[0]) if hidden else None,
            blind=self._blind(key),
            epoch=nodes.epoch,
            assumptions=(self._hostname_override(renamed),) if renamed else (),
        )

    def _renamed(self, hosting: int) -> int:
        """Of these nodes, those where kube-proxy finds no endpoint without --hostname-override."""
        renamed = hosting & self._eligible.renamed & self._picture.nodes.present
        return renamed and renamed & self._rules().planes.nodes_with(DataPlane.KUBE_PROXY, DataPlane.WINKERNEL)

    def _hostname_override(self, renamed: int) -> str:
        """For kube-proxy an endpoint is local if its nodeName is the hostname of kube-proxy: component-helpers
        node/util/hostname.go."""
        name, others = self._picture.nodes.names(renamed, 1)[0], renamed.bit_count() - 1
        more = f" and of {others} more" if others else ""
        return (
            f"kube-proxy has --hostname-override, since the hostname of node {name}{more} differs from the name "
            "of the Node; without it, kube-proxy finds no local endpoint there"
        )

    def passing(self, states: ServiceStates, consumer: Consumer, family: IPFamily) -> int | NotModelled:
        """The nodes on which the health check of the consumer is predicted to pass."""
        probe = consumer.probe
        if probe is None:
            return NotModelled("its health check is not known")
        present = self._picture.nodes.present
        path = consumer.check.settings.path if consumer.check and consumer.check.settings else ""
        healthz = self._healthz(present) if isinstance(probe, KubeProxyHealthz) else 0
        return passing(probe, family, states, self._other, healthz=healthz, everywhere=present, path=path)

    def _healthz(self, present: int) -> int | NotModelled:
        """The nodes whose port 10256 answers with success."""
        rules = self._rules()
        for nodes, why in rules.healthz_not_known:
            if nodes & present:
                return NotModelled(why)
        return self._eligible.ready & present & rules.healthz_passes

    def _other(self, key: Key) -> tuple[ServiceStates, bool] | None:
        service = self._picture.get(SERVICE, key)
        return (self._states_of(key, service), service.policy == "Local") if service else None

    def _blind(self, key: Key) -> Reason | None:
        """Why the node states of the Service are not known."""
        if not len(self._picture.store(ENDPOINT_SLICE)):
            return Reason("NoEndpointSlices", "no EndpointSlice was read, so no endpoint is known")
        if rejected := self._picture.rejected_slices(key):
            return Reason("UnreadableEndpointSlice", rejected[0].message)
        return None

    def _unclaimed(
        self, service: Service, states: ServiceStates, blind: Reason | None
    ) -> tuple[Outcome, Reason, int, int]:
        """The outcome of a Service without a known consumer: any client may address any eligible node."""
        if self._options.unread_is_unknown and (hidden := self._hidden_consumers(service)):
            return Outcome.Unknown, hidden, 0, 0
        if not states.ports:
            return Outcome.Unknown, _NO_NODE_PORT, 0, 0
        if PER_NODE_SELECTORS & (service.spec.selector or {}).keys():
            reason = Reason("AddressedPerNode", "its selector picks a single pod, so clients address its node")
            return Outcome.NotAffected, reason, 0, 0
        eligible = self._nodes_of(ANY_CLIENT)
        if blind:
            return Outcome.Unknown, blind, eligible, 0
        verdicts = [without_consumer(eligible, state.forwarding, state.usable) for state in states.ports]
        worst = max(verdicts, key=lambda v: (v.outcome, v.uncovered.bit_count()))
        if worst.uncovered and (missing := missing_ingresses(service, self._picture)):
            return Outcome.Unknown, missing, worst.eligible, worst.uncovered
        for state in states.ports:
            if not worst.uncovered and (hidden := self._hidden_node(state, eligible, 0)):
                return Outcome.Unknown, hidden, worst.eligible, 0
        for state in states.ports:
            if (doubt := state.doubt(eligible)) and not worst.uncovered & ~state.doubtful:
                return Outcome.Unknown, doubt, worst.eligible, worst.uncovered & ~state.doubtful
        if worst.outcome is Outcome.Covered and (
            limits := node_port_limits(service, eligible & self._eligible.edge)
        ):
            return Outcome.Unknown, limits, worst.eligible, 0
        why = self._why_no_node(ANY_CLIENT) if worst.outcome is Outcome.NoTargets else ""
        return worst.outcome, Reason("NoKnownConsumer", why), worst.eligible, worst.uncovered

    def _hidden_consumers(self, service: Service) -> Reason | None:
        """Why the Service may have a consumer that etpguard does not see."""
        if unread := self._unread_consumers():
            return unread
        if rejected := self._picture.rejected_referrers(service.key.namespace):
            return Reason("ConsumersNotReadable", rejected[0].message)
        return None

    def _unread_consumers(self) -> Reason | None:
        unread = [kind.resource for kind in self._hiding_kinds()]
        return Reason("ConsumersNotReadable", f"cannot read {', '.join(unread)}") if unread else None

    def _hiding_kinds(self) -> list[AnyKind]:
        """The kinds that cannot be read and whose objects may be consumers of any Service."""
        off = self._picture.switched_off
        return [kind for kind in self._picture.unread if kind not in off and _may_consume(kind)]

    def _where_node_ports_are_limited(self, service: Service, verdict: ConsumerVerdict) -> ConsumerVerdict:
        if verdict.outcome not in _HARMLESS:
            return verdict
        limits = node_port_limits(service, verdict.eligible & ~verdict.uncovered & self._eligible.edge)
        return replace(verdict, outcome=Outcome.Unknown, reason=limits) if limits else verdict

    def _through(self, states: ServiceStates, consumer: Consumer, blind: Reason | None) -> ConsumerVerdict:
        targets = consumer.targets
        if isinstance(targets, PodTargets):
            return ConsumerVerdict(consumer, Outcome.NotAffected, _PODS)
        if targets.rule is None:
            return ConsumerVerdict(consumer, Outcome.Unknown, targets.reason)
        rule = targets.rule
        eligible = self._nodes_of(rule)
        if blind:
            return ConsumerVerdict(consumer, Outcome.Unknown, blind, eligible)
        if rule.follows_endpoints:
            eligible &= states.hosting_ready if rule.follows_ready else states.hosting
        if rule.hosts is Hosts.NOT_TERMINATING:
            eligible &= states.placed
        elif rule.hosts is Hosts.ANY:
            eligible &= states.addressed
        verdicts = [
            self._through_family(states, consumer, rule, state, eligible)
            for family in consumer.families
            if (state := states.of(consumer.port, family)) is not None
        ]
        if not verdicts and isinstance(targets, NodeTargets) and targets.no_target and not eligible:
            return ConsumerVerdict(consumer, Outcome.NoTargets, targets.no_target)
        if not verdicts:
            served = " and ".join(consumer.families)
            reason = Reason("PortNotServed", f"the Service has no {served} port {consumer.port!r} on its nodes")
            if isinstance(targets, UnknownOutcome) or (isinstance(targets, PossibleNodes) and not states.ports):
                reason = targets.reason
            return ConsumerVerdict(consumer, Outcome.Unknown, reason, eligible)
        worst = worst_of(verdicts)
        if len(verdicts) > 1:
            worst = replace(worst, coverage=tuple(each for v in verdicts for each in v.coverage))
        if isinstance(targets, NodeTargets):
            if targets.one_of:  # the one node forwards in each family, or not
                worst = replace(worst, uncovered=reduce(or_, (each.uncovered for each in verdicts)))
            known = self._with_cause(as_far_as_known(worst, targets), rule, states)
            if targets.otherwise is None:
                return known
            instead = replace(targets, rule=targets.otherwise.rule, otherwise=None)
            other = self._through(states, replace(consumer, targets=instead), blind)
            both = agreed(known, other.outcome, targets.otherwise)
            return replace(both, coverage=known.coverage + other.coverage)
        if isinstance(targets, PossibleNodes) and targets.present and worst.outcome is not Outcome.NoEndpoints:
            present = self._through(states, replace(consumer, targets=targets.present), blind)
            return worst if present.outcome is worst.outcome is Outcome.Covered else present
        if isinstance(targets, PossibleNodes) and worst.outcome in (Outcome.Covered, Outcome.NoEndpoints):
            fewest = targets.fewest
            if worst.outcome is Outcome.NoEndpoints or fewest is None or self._nodes_of(fewest):
                return worst
        lost = worst.outcome in (Outcome.Outage, Outcome.NoTargets)
        if isinstance(targets, PossibleNodes) and targets.sends_to_one and lost:
            return self._with_cause(worst, rule, states)
        return replace(worst, outcome=Outcome.Unknown, reason=targets.reason)

    def _nodes_of(self, rule: NodeRule) -> int:
        return self._eligible.of(rule, self._picture.store(NODE))

    def _with_cause(self, verdict: ConsumerVerdict, rule: NodeRule, states: ServiceStates) -> ConsumerVerdict:
        """The verdict; one of NoTargets names what excludes the nodes: those with endpoints, where the rule asks
        for them. One of Outage names what excludes the nodes with endpoints, too."""
        code, detail = verdict.reason
        if verdict.outcome is Outcome.NoTargets:
            if excluded := self._why_not(rule, _asked_for(rule, states)):
                return replace(verdict, reason=Reason(code, f"{detail}; {excluded}" if detail else excluded))
            if code == verdict.outcome.name:
                return replace(verdict, reason=Reason(code, self._why_no_node(rule)))
        elif verdict.outcome is Outcome.Outage and code == verdict.outcome.name:
            return replace(verdict, reason=Reason(code, self._why_not(rule, verdict.unused)))
        return verdict

    def _why_not(self, rule: NodeRule, hosting: int) -> str:
        """What excludes these nodes with endpoints from the rule, as a clause; "" if nothing does."""
        names = self._picture.nodes.names(hosting & self._picture.nodes.present)
        excluded = names and self._eligible.why_none_of(rule, self._picture.store(NODE), names)
        return f"of the nodes with endpoints, {excluded}" if excluded else ""

    def _why_no_node(self, rule: NodeRule) -> str:
        return self._eligible.why_none(rule, self._picture.store(NODE))

    def _through_family(
        self, states: ServiceStates, consumer: Consumer, rule: NodeRule, state: PortState, eligible: int
    ) -> ConsumerVerdict:
        if rule.hosts is Hosts.READY_OF_PORT:
            eligible &= state.ready
        if state.through and (seen := frontend(consumer)) is not None:
            state = state.seen_through(seen)
        forwarding = state.forwarding
        unused = forwarding & self._picture.nodes.present & ~eligible
        uncovered = state.dropped(eligible)
        spare = self._eligible.spare(rule, self._picture.store(NODE))
        passes = self.passing(states, consumer, state.family) if uncovered or spare else 0
        if unknown := self._why_unknown(consumer, rule, state, eligible, uncovered, passes):
            known = uncovered & ~state.doubtful
            return ConsumerVerdict(consumer, Outcome.Unknown, unknown, eligible, known, unused)
        sees = 0 if isinstance(passes, NotModelled) else passes
        verdict = through_consumer(eligible, forwarding, state.usable, sees)
        if isinstance(consumer.targets, NodeTargets):
            verdict, unknown = with_too_few_healthy(verdict, consumer.targets, sees)
            if unknown:
                return ConsumerVerdict(consumer, Outcome.Unknown, unknown, eligible, uncovered, unused)
        reason = no_endpoints(state) if verdict.outcome is Outcome.NoEndpoints else _REASONS[verdict.code]
        coverage = self._coverage(state, eligible, sees, spare, consumer)
        client = state.client(uncovered) if uncovered else None
        return ConsumerVerdict(consumer, verdict.outcome, reason, eligible, uncovered, unused, (coverage,), client)

    def _coverage(self, state: PortState, eligible: int, passes: int, spare: int, consumer: Consumer) -> Coverage:
        zones, targets = self._eligible.zones, consumer.targets
        if not isinstance(targets, NodeTargets):
            return Coverage(state, eligible, passes, zones, spare=spare)
        fails_open = targets.none_healthy is NoneHealthy.SENDS_TO_ALL
        return Coverage(state, eligible, passes, zones, fails_open, targets.minimum_healthy, spare)

    def _why_unknown(
        self,
        consumer: Consumer,
        rule: NodeRule,
        state: PortState,
        eligible: int,
        uncovered: int,
        passes: int | NotModelled,
    ) -> Reason | None:
        """Why these node sets do not determine the outcome."""
        if blocking := eligible & self._eligible.blocking(rule):
            return Reason(
                "RegistrationBlocked",
                f"the controller cannot register node {self._picture.nodes.names(blocking, 1)[0]} by its "
                "providerID, so it neither registers nor removes any node",
            )
        if (
            state.uncertain
            and (doubt := state.doubt(eligible))
            and not routed_around(consumer, state, eligible, passes)
        ):
            return doubt
        if hidden := self._hidden_node(state, eligible, uncovered):
            return hidden
        if not uncovered or uncovered == eligible:
            return None
        most = consumer.targets.max_targets if isinstance(consumer.targets, NodeTargets) else 0
        if 0 < most < eligible.bit_count():
            return Reason("TargetsCapped", f"the controller registers at most {most} nodes")
        if isinstance(passes, NotModelled):
            return Reason("HealthCheckPortNotModelled", passes.detail)
        return None

    def _hidden_node(self, state: PortState, eligible: int, uncovered: int) -> Reason | None:
        """Why a Node that cannot be read could change the outcome: it may be eligible."""
        if not self._unreadable or not state.usable:
            return None
        if not eligible:
            hidden = self._unreadable
        elif not uncovered:
            hidden = state.dropped(self._unreadable)
        elif uncovered == eligible:
            hidden = self._unreadable & state.forwarding
        else:
            return None
        if not hidden:
            return None
        name = self._picture.nodes.names(hidden & self._picture.nodes.present, 1)[0]
        return _unreadable_node(name)


def _asked_for(rule: NodeRule, states: ServiceStates) -> int:
    """The nodes with endpoints that the rule asks for; none where it does not."""
    if rule.hosts is not None:
        return states.addressed if rule.hosts is Hosts.ANY else states.placed
    return states.hosting if rule.follows_endpoints else 0


def _unreadable_node(name: str) -> Reason:
    return Reason("UnreadableNode", f"Node {name} cannot be read, and may be one that gets traffic")


def _may_consume(kind: AnyKind) -> bool:
    return kind.group != GROUP and kind.reach is not Reach.NOTHING and not kind.refines
