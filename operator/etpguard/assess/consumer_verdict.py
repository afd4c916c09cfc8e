"""The outcome of one consumer, from its targets, its health check and the node states. Pure."""

from __future__ import annotations

from functools import reduce
from operator import or_

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.targets import (
    NodeTargets,
    NoneHealthy,
    Otherwise,
    PodTargets,
    PossibleNodes,
    UnknownOutcome,
)
from etpguard.assess.eligible_nodes import EligibleNodes
from etpguard.assess.health_prediction import HealthPrediction
from etpguard.assess.node_port_addresses import NodePortAddresses
from etpguard.assess.node_rule import EVERY_NODE, EXCLUDE_LABEL, Hosts, NodeRule
from etpguard.assess.node_states import Frontend, PortState, ServiceStates
from etpguard.assess.outcome import (
    NO_HEALTHY_TARGET,
    TOO_FEW_HEALTHY,
    Outcome,
    Reason,
    through_consumer,
)
from etpguard.assess.probe import NotModelled
from etpguard.assess.resilience import Coverage
from etpguard.assess.unreadable_nodes import UnreadableNodes
from etpguard.assess.verdict_rules import (
    agreed,
    as_far_as_known,
    before_leaving,
    covered_but_never_healthy,
    frontend,
    no_endpoints,
    routed_around,
    with_too_few_healthy,
    worst_of,
)
from etpguard.cluster import Picture
from etpguard.objects import NODE, Key

_REASONS = {code: Reason(code) for code in (*Outcome.__members__, NO_HEALTHY_TARGET, TOO_FEW_HEALTHY)}
REGISTRATION_STOPS = ("NodeNotIdentified", "RegistrationBlocked")
"""The reasons with which a node may keep the controller from registering and removing any other."""
_PODS = Reason("TargetsPods", "it sends to pods directly, so the traffic policy is not on its path")
_NOT_IN_FAMILY = Reason(
    "NodeAddressNotServed",
    "it also sends to InternalIPs of an IP family that the Service does not have, where nothing serves the node "
    "port: a share of the requests is lost there, whatever the traffic policy is. Make the Service dual-stack, or "
    "let the consumer send to pods",
)

_LABELLED_FALSE = Reason(
    "ControllerVersionNotKnown",
    f"the label {EXCLUDE_LABEL} is false on some nodes. A controller that uses k8s.io/cloud-provider before 0.34 "
    "excludes these nodes nevertheless, and no API object shows its version. Remove the label from them",
)
"""v0.34.0 controllers/service/controller.go nodeIncludedPredicate; kubernetes issue 132016."""


_LAST_SYNC = Reason(
    "LastSyncNotKnown",
    "some nodes are being deleted, or the cluster autoscaler is about to delete them. The controller takes such "
    "nodes out only when something else makes it look, so they may still get traffic. Look at the targets of the "
    "load balancer",
)
"""k8s.io/cloud-provider v0.37.2 controllers/service/controller.go shouldSyncUpdatedNode."""


class ConsumerJudge:
    """Computes the outcome of consumers. It reads the picture, the eligible nodes and the node states at the time
    of each call."""

    def __init__(
        self,
        picture: Picture,
        eligible: EligibleNodes,
        unreadable: UnreadableNodes,
        health: HealthPrediction,
        addresses: NodePortAddresses,
    ) -> None:
        self._picture = picture
        self._eligible = eligible
        self._unreadable = unreadable
        self._health = health
        self._addresses = addresses

    def verdict(self, states: ServiceStates, consumer: Consumer, blind: Reason | None) -> ConsumerVerdict:
        """The outcome of `consumer` for a Service with these node states. `blind`: why the states are not known;
        None if they are."""
        targets = consumer.targets
        if isinstance(targets, PodTargets):
            return ConsumerVerdict(consumer, Outcome.NotAffected, _PODS)
        if targets.rule is None:
            return ConsumerVerdict(consumer, Outcome.Unknown, targets.reason)
        if blind:
            return ConsumerVerdict(consumer, Outcome.Unknown, blind, self._eligible.of(targets.rule))
        found = self._by_rule(states, consumer, targets.rule)
        if isinstance(targets, UnknownOutcome):
            return replace(found, outcome=Outcome.Unknown, reason=targets.reason)
        if not targets.rule.as_of_last_sync or not self._eligible.leaving or found.outcome is Outcome.Unknown:
            return found
        before = before_leaving(targets)
        other = self._by_rule(states, replace(consumer, targets=before), before.rule)
        return _agreed(found, other, Otherwise(before.rule, _LAST_SYNC))

    def _by_rule(self, states: ServiceStates, consumer: Consumer, of_targets: NodeRule) -> ConsumerVerdict:
        targets = consumer.targets
        rule, eligible = self._eligible_by(of_targets, states, consumer)
        verdicts = [
            self._verdict_of_family(states, consumer, rule, state, eligible)
            for family in consumer.ip_families
            if (state := states.of(consumer.port, family)) is not None
        ]
        if not verdicts:
            return _without_port(states, consumer, eligible)
        worst = worst_of(verdicts)
        if len(verdicts) > 1:
            worst = replace(worst, coverage=tuple(each for v in verdicts for each in v.coverage))
        if isinstance(targets, NodeTargets):
            if targets.one_of:  # the one node forwards in each family, or not
                worst = replace(worst, uncovered=reduce(or_, (each.uncovered for each in verdicts)))
            return self._of_node_targets(worst, targets, rule, eligible, states)
        if isinstance(targets, PossibleNodes):
            return self._of_possible_nodes(worst, targets, rule, states)
        return worst

    def _eligible_by(self, rule: NodeRule, states: ServiceStates, consumer: Consumer) -> tuple[NodeRule, int]:
        """The nodes to which the consumer sends, and the rule that holds for them."""
        eligible = self._eligible.of(rule)
        if rule.hosts is None or rule.hosts is Hosts.READY_OF_PORT:  # see `_verdict_of_family`
            return rule, eligible
        eligible &= states.hosting_by(rule.hosts)
        if rule.external_first:
            with_address = replace(rule, needs_external=consumer.ip_families)
            if external := eligible & self._eligible.of(with_address):
                return with_address, external
        return rule, eligible

    def _of_node_targets(
        self, worst: ConsumerVerdict, targets: NodeTargets, rule: NodeRule, eligible: int, states: ServiceStates
    ) -> ConsumerVerdict:
        """`worst` is the verdict of the worst IP family, by `rule`. Where another rule may hold instead, both must
        agree."""
        consumer = worst.consumer
        if worst.outcome is Outcome.Covered and targets.each_internal:
            beyond = replace(EVERY_NODE, internal_beyond=consumer.ip_families)
            if eligible & self._eligible.of(beyond):
                return replace(worst, outcome=Outcome.Unknown, reason=_NOT_IN_FAMILY)
        known = self._with_cause(as_far_as_known(worst, targets), rule, states)
        otherwise = targets.otherwise or self._in_another_release(targets.rule, eligible)
        if otherwise is None:
            return known
        instead = replace(targets, rule=otherwise.rule, otherwise=None)
        keeps = () if otherwise.to_node_ports else consumer.keeps_address
        other = self._by_rule(states, replace(consumer, targets=instead, keeps_address=keeps), instead.rule)
        return _agreed(known, other, otherwise)

    def _of_possible_nodes(
        self, worst: ConsumerVerdict, targets: PossibleNodes, rule: NodeRule, states: ServiceStates
    ) -> ConsumerVerdict:
        """`worst` is the verdict of the worst IP family, if the consumer sends to all of the nodes."""
        if targets.present and worst.outcome is not Outcome.NoEndpoints:
            present = self.verdict(states, replace(worst.consumer, targets=targets.present), None)
            return worst if present.outcome is worst.outcome is Outcome.Covered else present
        if worst.outcome is Outcome.NoEndpoints:
            return worst
        if worst.outcome is Outcome.Covered and (targets.fewest is None or self._eligible.of(targets.fewest)):
            return worst
        if targets.sends_to_one and worst.outcome in (Outcome.Outage, Outcome.NoTargets):
            return self._with_cause(worst, rule, states)
        return replace(worst, outcome=Outcome.Unknown, reason=targets.reason)

    def _verdict_of_family(
        self, states: ServiceStates, consumer: Consumer, rule: NodeRule, state: PortState, eligible: int
    ) -> ConsumerVerdict:
        if rule.hosts is Hosts.READY_OF_PORT:
            eligible &= state.ready
        if (seen := frontend(consumer, state.family)) is not None:
            state = state.seen_through(seen)
        forwarding = state.forwarding
        if seen in (None, Frontend.NODE_PORT):
            state = state.doubted_where_forwarding(self._addresses.doubts(state.family, consumer.targets.external))
        unused = forwarding & self._picture.nodes.present & ~eligible
        uncovered = state.dropped(eligible)
        spare = self._eligible.spare(rule)
        passes: int | NotModelled = 0
        if uncovered or spare:
            passes = self._health.passing(states, consumer, state.family, eligible | spare)
        if unknown := self._why_unknown(consumer, rule, state, eligible, uncovered, passes):
            known = uncovered & ~state.doubtful
            return ConsumerVerdict(consumer, Outcome.Unknown, unknown, eligible, known, unused)
        sees = 0 if isinstance(passes, NotModelled) else passes
        verdict = through_consumer(eligible, forwarding, state.usable, sees)
        if isinstance(consumer.targets, NodeTargets):
            verdict, unknown = with_too_few_healthy(verdict, consumer.targets, sees, self._eligible.zones)
            unknown = unknown or covered_but_never_healthy(verdict, consumer)
            if unknown:
                return ConsumerVerdict(consumer, Outcome.Unknown, unknown, eligible, uncovered, unused)
        reason = no_endpoints(state) if verdict.outcome is Outcome.NoEndpoints else _REASONS[verdict.code]
        coverage = self._coverage(state, eligible, uncovered, sees, spare, consumer)
        client = state.client(uncovered) if uncovered else None
        return ConsumerVerdict(consumer, verdict.outcome, reason, eligible, uncovered, unused, coverage, client)

    def _coverage(
        self, state: PortState, eligible: int, uncovered: int, passes: int, spare: int, consumer: Consumer
    ) -> tuple[Coverage, ...]:
        """Nothing where the loss of a node could leave too few healthy targets in one zone: a `Coverage` counts
        those of all zones."""
        zones, targets = self._eligible.zones, consumer.targets
        if not isinstance(targets, NodeTargets):
            return (Coverage(state, eligible, passes, zones, spare=spare),)
        if uncovered and targets.minimum_healthy.differs_by_zone:
            return ()
        fails_open = targets.none_healthy is NoneHealthy.SENDS_TO_ALL
        return (Coverage(state, eligible, passes, zones, fails_open, targets.minimum_healthy, spare),)

    def _why_unknown(
        self,
        consumer: Consumer,
        rule: NodeRule,
        state: PortState,
        eligible: int,
        uncovered: int,
        passes: int | NotModelled,
    ) -> Reason | None:
        """Why the outcome does not follow from these node sets; None if it does."""
        if blocking := eligible & self._eligible.blocking(rule):
            return self._why_blocked(rule, self._picture.nodes.names(blocking, 1)[0])
        if (
            state.uncertain
            and (doubt := state.doubt(eligible))
            and not routed_around(consumer, state, eligible, passes)
        ):
            return doubt
        if hidden := self._unreadable.reason(state, eligible, uncovered):
            return hidden
        if not uncovered or uncovered == eligible:
            return None
        most = consumer.targets.max_targets if isinstance(consumer.targets, NodeTargets) else 0
        if 0 < most < eligible.bit_count():
            return Reason("TargetsCapped", f"at most {most} of the nodes are targets")
        if isinstance(passes, NotModelled):
            return Reason("HealthCheckPortNotModelled", passes.detail)
        return None

    def _why_blocked(self, rule: NodeRule, name: str) -> Reason:
        node = self._picture.get(NODE, Key("", name))
        if rule.finds_by_name and node is not None and not node.provider_id:
            detail = (
                f"node {name} has no providerID, and the controller looks for a machine with its name. No API "
                "object shows whether there is one. Look at the targets of the load balancer"
            )
            return Reason("NodeNotIdentified", detail)
        detail = (
            f"the controller cannot register node {name} by its providerID, so it neither registers nor removes "
            "any node"
        )
        return Reason("RegistrationBlocked", detail)

    def _with_cause(self, verdict: ConsumerVerdict, rule: NodeRule, states: ServiceStates) -> ConsumerVerdict:
        """The verdict with what excludes nodes in its reason. Under NoTargets, that is what excludes the nodes
        with endpoints where the rule asks for endpoints, or else all nodes. Under Outage, it is what excludes the
        nodes with endpoints."""
        code, detail = verdict.reason
        if verdict.outcome is Outcome.NoTargets:
            if excluded := self._why_not(rule, _asked_for(rule, states)):
                return replace(verdict, reason=Reason(code, f"{detail}; {excluded}" if detail else excluded))
            if code == verdict.outcome.name:
                return replace(verdict, reason=Reason(code, self._eligible.why_none(rule)))
        elif verdict.outcome is Outcome.Outage and code == verdict.outcome.name:
            return replace(verdict, reason=Reason(code, self._why_not(rule, verdict.unused)))
        return verdict

    def _why_not(self, rule: NodeRule, hosting: int) -> str:
        """What excludes these nodes with endpoints from the rule, as a clause; "" if nothing does."""
        names = self._picture.nodes.names(hosting & self._picture.nodes.present)
        excluded = names and self._eligible.why_none_of(rule, names)
        return f"of the nodes with endpoints, {excluded}" if excluded else ""

    def _in_another_release(self, rule: NodeRule, eligible: int) -> Otherwise | None:
        """The rule of an older release of the controller, if it excludes some of the eligible nodes."""
        if not rule.exclude_label_as_bool or not eligible & self._eligible.labelled_false:
            return None
        by_presence = replace(rule, exclude_label_as_bool=False, exclude_label_by_presence=True)
        return Otherwise(by_presence, _LABELLED_FALSE)


def _agreed(found: ConsumerVerdict, other: ConsumerVerdict, otherwise: Otherwise) -> ConsumerVerdict:
    """What holds whichever of the two is right; what may be lost next is the worst of both."""
    return replace(agreed(found, other.outcome, otherwise), coverage=found.coverage + other.coverage)


def _without_port(states: ServiceStates, consumer: Consumer, eligible: int) -> ConsumerVerdict:
    """The verdict where the nodes serve the port in none of the IP families of the consumer."""
    targets = consumer.targets
    if isinstance(targets, NodeTargets) and targets.no_target and not eligible:
        return ConsumerVerdict(consumer, Outcome.NoTargets, targets.no_target)
    if isinstance(targets, PossibleNodes) and not states.ports:
        return ConsumerVerdict(consumer, Outcome.Unknown, targets.reason, eligible)
    served = " and ".join(consumer.ip_families)
    reason = Reason("PortNotServed", f"the Service has no {served} port {consumer.port!r} on its nodes")
    return ConsumerVerdict(consumer, Outcome.Unknown, reason, eligible)


def _asked_for(rule: NodeRule, states: ServiceStates) -> int:
    """The nodes with endpoints that the rule asks for; none where it does not."""
    return states.hosting_by(rule.hosts) if rule.hosts else 0
