"""From the picture to assessments, incrementally: each part is computed again only when its input changed.

slices of a Service        -> node states       (kept per Service)
objects that refer to it   -> consumers         (kept per Service)
nodes and a consumer's rule -> eligible nodes   (kept per rule, a bit per node)
the three together         -> Assessment        (integers; some microseconds)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from etpguard.assess.consumers.interface import Consumer, ConsumerFamily, ConsumerVerdict, View
from etpguard.assess.eligibility import ANY_CLIENT, EligibleNodes, NodeRule
from etpguard.assess.node_states import (
    DataPlane,
    PortState,
    ServiceStates,
    service_states,
)
from etpguard.assess.outcome import NO_HEALTHY_TARGET, Outcome, Reason, through_consumer, without_consumer
from etpguard.assess.platforms import Platforms
from etpguard.assess.probe import NotModelled, passing
from etpguard.cluster import Picture, Touched
from etpguard.objects import (
    ENDPOINT_SLICE,
    GROUP,
    INGRESS,
    INGRESS_CLASS,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    Family,
    Key,
    Reach,
    Service,
)

K = TypeVar("K")

PER_NODE_SELECTORS = frozenset({"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"})
IGNORE_ANNOTATION = "etpguard.dev/ignore"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is to be said of one Service. Node sets are integers of the picture's `NodeTable` in its `epoch`.

    `eligible` and `uncovered` are those of the worst consumer. `nodes` are all Nodes at the time. A Service
    that etpguard changed to Cluster is `NotAffected`; `if_local` then tells what it would be under Local.
    """

    key: Key
    uid: str
    type: str
    policy: str
    outcome: Outcome
    reason: Reason
    ports: tuple[PortState, ...]
    consumers: tuple[ConsumerVerdict, ...]
    nodes: int
    eligible: int = 0
    uncovered: int = 0
    if_local: Assessment | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What no API object tells. `unread_is_unknown`: whether kinds that could not be read turn "no known
    consumer" into Unknown, as on a live cluster, or only into a warning, as with files."""

    data_plane: DataPlane = DataPlane.KUBE_PROXY
    answers_everywhere_ports: tuple[int, ...] = ()
    unread_is_unknown: bool = True


class Engine:
    """Assessments of a picture, kept up to date: after `refresh` with all that changes touched, they are
    those of a new engine. What is kept between calls only saves work."""

    def __init__(
        self, picture: Picture, families: Sequence[ConsumerFamily], options: Options | None = None
    ) -> None:
        self._picture = picture
        self._families = tuple(families)
        self._options = options or Options()
        self._platforms = Platforms()
        self._view = View(picture, self._options.answers_everywhere_ports, lambda: self._platforms.present)
        self._eligible = EligibleNodes(picture.nodes)
        self._states: dict[Key, ServiceStates] = {}
        self._consumers: dict[Key, tuple[Consumer, ...]] = {}
        self._rules: dict[NodeRule, NodeRule] = {}
        self._read_by: dict[Key, set[Key]] = defaultdict(set)
        self._port_read_by: dict[int, set[Key]] = defaultdict(set)
        self._epoch = -1
        self._present = 0
        self._unreadable = 0
        self._shared: object = None
        self.assessments: dict[Key, Assessment] = {}

    def refresh(self, touched: Touched) -> dict[Key, Assessment | None]:
        """Assess again what `touched` reaches. Returns what differs from before; None for a Service that is
        no longer assessed."""
        return self.reassess(self.invalidate(touched))

    def reassess(self, keys: Iterable[Key]) -> dict[Key, Assessment | None]:
        """The second half of `refresh`, for some of the Services that `invalidate` gave. The picture must
        not change before all of them are done."""
        changed: dict[Key, Assessment | None] = {}
        for key in keys:
            fresh = self.assess(key)
            if fresh != self.assessments.get(key):
                changed[key] = fresh
            if fresh is None:
                self.assessments.pop(key, None)
            else:
                self.assessments[key] = fresh
        return changed

    def refresh_all(self) -> dict[Key, Assessment | None]:
        return self.refresh(Touched(everything=True))

    def assess(self, key: Key) -> Assessment | None:
        """The assessment of one Service; None unless its policy is Local, or was until etpguard changed it,
        and kube-proxy serves it externally."""
        if self._epoch != self._picture.nodes.epoch:
            self._reset()
        service = self._picture.get(SERVICE, key)
        if service is None or service.annotations.get(IGNORE_ANNOTATION) == "true":
            return None
        if service.policy == "Local":
            return self._assess_local(key, service)
        report = self._picture.get(SERVICE_COVERAGE, key)
        intent = report.remediation if report else None
        if intent is None or not intent.stands_for(service.uid):
            return None
        local = self._assess_local(key, service.under_local(intent.original_health_check_node_port))
        if local is None:
            return None
        return Assessment(
            key=key,
            uid=service.uid,
            type=service.type,
            policy=service.policy,
            outcome=Outcome.NotAffected,
            reason=Reason("Remediated", "etpguard changed externalTrafficPolicy from Local to Cluster"),
            ports=local.ports,
            consumers=tuple(
                ConsumerVerdict(v.consumer, Outcome.NotAffected, Reason("Remediated"), v.eligible)
                for v in local.consumers
            ),
            nodes=local.nodes,
            eligible=local.eligible,
            if_local=local,
            epoch=self._epoch,
        )

    def probe_passes(self, key: Key, consumer: Consumer, family: Family) -> int | NotModelled:
        """The nodes on which the health check of a consumer of that Service is predicted to pass."""
        service = self._picture.get(SERVICE, key)
        if service is None:
            return NotModelled(f"there is no Service {key}")
        return self._passing(self._states_of(key, service), consumer, family)

    def invalidate(self, touched: Touched) -> Iterable[Key]:
        """The first half of `refresh`: forget what `touched` outdates; returns the Services to assess."""
        shared = self._shared_inputs()
        if touched.everything or shared != self._shared:
            self._shared = shared
            self._reset()
            return {*self._picture.store(SERVICE).keys(), *self.assessments}
        services = set(touched.services)
        for number in touched.node_ports:
            services |= self._port_read_by.get(number, set())
        if touched.namespaces:
            every = self._picture.store(SERVICE).keys()
            services |= {key for key in every if key.namespace in touched.namespaces}
        for key in tuple(services):
            services |= self._read_by.get(key, set())
        for key in services:
            self._forget(key)
        return services | self.assessments.keys() if self._move_nodes(touched.nodes) else services

    def _shared_inputs(self) -> object:
        """What every assessment depends on, and changes next to never."""
        picture = self._picture
        unreadable = tuple(reject.key for reject in picture.store(NODE).rejects)
        return picture.nodes.epoch, not len(picture.store(ENDPOINT_SLICE)), dict(picture.unread), unreadable

    def _reset(self) -> None:
        self._epoch = self._picture.nodes.epoch
        self._present = self._picture.nodes.present
        self._unreadable = 0
        for reject in self._picture.store(NODE).rejects:
            self._unreadable |= self._picture.nodes.bit(reject.key.name)
        self._states.clear()
        self._forget_consumers()
        self._eligible.reset(self._picture.store(NODE))
        self._platforms.reset(self._picture.store(NODE))

    def _move_nodes(self, names: Iterable[str]) -> bool:
        """Whether these changes of nodes can be seen in any assessment."""
        nodes = self._picture.store(NODE)
        moved = self._present != self._picture.nodes.present
        self._present = self._picture.nodes.present
        for name in names:
            node = nodes.get(Key("", name))
            moved |= self._eligible.update(name, node)
            if self._platforms.update(name, node):
                self._forget_consumers()
                moved = True
        return moved

    def _forget(self, key: Key) -> None:
        self._states.pop(key, None)
        for consumer in self._consumers.pop(key, ()):
            for read in consumer.reads:
                _discard(self._read_by, read, key)
            for number in consumer.reads_node_ports:
                _discard(self._port_read_by, number, key)

    def _forget_consumers(self) -> None:
        self._consumers.clear()
        self._rules.clear()
        self._read_by.clear()
        self._port_read_by.clear()

    def _states_of(self, key: Key, service: Service) -> ServiceStates:
        states = self._states.get(key)
        if states is None:
            picture = self._picture
            states = self._states[key] = service_states(
                service, picture.slices(key), picture.nodes.bit, self._options.data_plane
            )
        return states

    def _consumers_of(self, key: Key, service: Service) -> tuple[Consumer, ...]:
        consumers = self._consumers.get(key)
        if consumers is None:
            found: list[Consumer] = []
            owned: set[tuple[str, str, str]] = set()
            for family in self._families:
                news = [
                    replace(consumer, family=family.name, nodes=self._shared_rule(consumer.nodes))
                    for consumer in family.find(service, self._view)
                    if consumer.object not in owned
                ]
                owned |= {consumer.object for consumer in news}
                found += news
            consumers = self._consumers[key] = tuple(found)
            for consumer in consumers:
                for read in consumer.reads:
                    self._read_by[read].add(key)
                for number in consumer.reads_node_ports:
                    self._port_read_by[number].add(key)
        return consumers

    def _shared_rule(self, rule: NodeRule | None) -> NodeRule | None:
        """One object for all equal rules: a look-up of their nodes then compares nothing."""
        return self._rules.setdefault(rule, rule) if rule else None

    def _assess_local(self, key: Key, service: Service) -> Assessment | None:
        states = self._states_of(key, service)
        if not states.ports:
            return None
        blind = self._blind(key)
        consumers = tuple(self._through(service, states, c, blind) for c in self._consumers_of(key, service))
        known = [v for v in consumers if not v.consumer.incidental]
        if known:
            worst = _worst(known)
            outcome, reason, eligible, uncovered = worst.outcome, worst.reason, worst.eligible, worst.uncovered
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
            consumers=consumers,
            nodes=self._picture.nodes.present,
            eligible=eligible,
            uncovered=uncovered,
            epoch=self._epoch,
        )

    def _blind(self, key: Key) -> Reason | None:
        """Why nothing can be said of what its nodes do."""
        if self._options.data_plane is DataPlane.OTHER:
            return Reason("DataPlaneNotModelled", "the data plane is neither kube-proxy nor Cilium's")
        if not len(self._picture.store(ENDPOINT_SLICE)):
            return Reason("NoEndpointSlices", "there is not one EndpointSlice to tell where endpoints are")
        if rejected := self._picture.rejected_slices(key):
            return Reason("UnreadableEndpointSlice", rejected[0].message)
        return None

    def _unclaimed(
        self, service: Service, states: ServiceStates, blind: Reason | None
    ) -> tuple[Outcome, Reason, int, int]:
        """The outcome of a Service without a known consumer: any client may try any eligible node."""
        if self._options.unread_is_unknown and (hidden := self._hidden_consumers(service)):
            return Outcome.Unknown, hidden, 0, 0
        if PER_NODE_SELECTORS & (service.spec.selector or {}).keys():
            reason = Reason("AddressedPerNode", "its selector picks a single pod, so clients address its node")
            return Outcome.NotAffected, reason, 0, 0
        eligible = self._eligible.of(ANY_CLIENT, self._picture.store(NODE))
        if blind:
            return Outcome.Unknown, blind, eligible, 0
        verdicts = [without_consumer(eligible, state.forwarding, state.usable) for state in states.ports]
        worst = max(verdicts, key=lambda v: (v.outcome, v.uncovered.bit_count()))
        for state in states.ports:
            if not worst.uncovered and (hidden := self._hidden_node(state, eligible, 0)):
                return Outcome.Unknown, hidden, worst.eligible, 0
        on_windows = any(eligible & self._on_windows(state) for state in states.ports)
        if on_windows and not worst.uncovered & ~self._eligible.windows:
            return Outcome.Unknown, _WINDOWS, worst.eligible, worst.uncovered
        return worst.outcome, Reason("NoKnownConsumer"), worst.eligible, worst.uncovered

    def _hidden_consumers(self, service: Service) -> Reason | None:
        """Why the Service may have a consumer that is not seen."""
        if unread := [kind.resource for kind in self._picture.unread if _may_consume(kind)]:
            return Reason("ConsumersNotReadable", f"cannot read {', '.join(unread)}")
        if rejected := self._picture.rejected_referrers(service.key.namespace):
            return Reason("ConsumersNotReadable", rejected[0].message)
        return None

    def _through(
        self, service: Service, states: ServiceStates, consumer: Consumer, blind: Reason | None
    ) -> ConsumerVerdict:
        if consumer.nodes is None:
            if consumer.unknown is not None:
                return ConsumerVerdict(consumer, Outcome.Unknown, consumer.unknown)
            return ConsumerVerdict(consumer, Outcome.NotAffected, _PODS)
        eligible = self._eligible.of(consumer.nodes, self._picture.store(NODE))
        if blind:
            return ConsumerVerdict(consumer, Outcome.Unknown, blind, eligible)
        if consumer.nodes.follows_endpoints:
            eligible &= states.hosting
        verdicts = [
            self._through_family(states, consumer, state, eligible)
            for family in consumer.families
            if (state := states.of(consumer.port, family)) is not None
        ]
        if not verdicts:
            served = " and ".join(consumer.families)
            reason = Reason("PortNotServed", f"the Service has no {served} port {consumer.port!r} on its nodes")
            return ConsumerVerdict(consumer, Outcome.Unknown, consumer.unknown or reason, eligible)
        worst = _worst(verdicts)
        unknown = consumer.unknown
        if worst.outcome not in (Outcome.Covered, Outcome.NoEndpoints):
            unknown = unknown or consumer.unless_covered
        if unknown is not None:
            worst = ConsumerVerdict(
                consumer, Outcome.Unknown, unknown, worst.eligible, worst.uncovered, worst.unused
            )
        return worst

    def _through_family(
        self, states: ServiceStates, consumer: Consumer, state: PortState, eligible: int
    ) -> ConsumerVerdict:
        unused = state.forwarding & self._picture.nodes.present & ~eligible
        uncovered = state.dropped(eligible)
        passes = self._passing(states, consumer, state.family) if uncovered else 0
        if unknown := self._untold(consumer, state, eligible, uncovered, passes):
            return ConsumerVerdict(consumer, Outcome.Unknown, unknown, eligible, uncovered, unused)
        sees = 0 if isinstance(passes, NotModelled) else passes
        verdict = through_consumer(eligible, state.forwarding, state.usable, sees)
        return ConsumerVerdict(consumer, verdict.outcome, _REASONS[verdict.code], eligible, uncovered, unused)

    def _untold(
        self, consumer: Consumer, state: PortState, eligible: int, uncovered: int, passes: int | NotModelled
    ) -> Reason | None:
        """Why these node sets do not tell the outcome."""
        assert consumer.nodes is not None
        if blocking := eligible & self._eligible.blocking(consumer.nodes):
            return Reason(
                "RegistrationBlocked",
                f"the providerID of node {self._picture.nodes.names(blocking, 1)[0]} is not one that the "
                "controller can register, so it registers and removes none",
            )
        if self._eligible.windows and eligible & self._on_windows(state):
            return _WINDOWS
        if hidden := self._hidden_node(state, eligible, uncovered):
            return hidden
        if not uncovered or uncovered == eligible:
            return None
        if 0 < consumer.max_targets < eligible.bit_count():
            return Reason("TargetsCapped", f"the controller registers at most {consumer.max_targets} nodes")
        if isinstance(passes, NotModelled):
            return Reason("HealthCheckPortNotModelled", passes.detail)
        return None

    def _hidden_node(self, state: PortState, eligible: int, uncovered: int) -> Reason | None:
        """Why a Node that cannot be read, and may be eligible, could make it another outcome."""
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
        return Reason("UnreadableNode", f"Node {name} cannot be read, and may be one that gets traffic")

    def _on_windows(self, state: PortState) -> int:
        """Nodes on which winkernel, which is not modelled, may do otherwise: with terminating endpoints or with
        none (winkernel/proxier.go:1117-1138,1560-1615)."""
        return self._eligible.windows & ~state.ready if state.usable else 0

    def _passing(self, states: ServiceStates, consumer: Consumer, family: Family) -> int | NotModelled:
        if consumer.probe is None:
            return NotModelled("its health check is not known")
        present = self._picture.nodes.present
        return passing(
            consumer.probe,
            family,
            states,
            self._other,
            ready=self._eligible.ready & present,
            everywhere=present,
        )

    def _other(self, key: Key) -> tuple[ServiceStates, bool] | None:
        service = self._picture.get(SERVICE, key)
        return (self._states_of(key, service), service.policy == "Local") if service else None


def _worst(verdicts: Sequence[ConsumerVerdict]) -> ConsumerVerdict:
    return verdicts[0] if len(verdicts) == 1 else max(verdicts, key=_badness)


def _badness(verdict: ConsumerVerdict) -> tuple[int, int, int]:
    """The worst outcome; where that is the same, the most uncovered and then the most eligible nodes."""
    return verdict.outcome, verdict.uncovered.bit_count(), verdict.eligible.bit_count()


def _may_consume(kind: AnyKind) -> bool:
    return kind.group != GROUP and kind.reach is not Reach.NOTHING and not kind.refines


_REASONS = {code: Reason(code) for code in (*Outcome.__members__, NO_HEALTHY_TARGET)}
_PODS = Reason("TargetsPods", "it sends to pods directly, so the policy is not on its path")
_WINDOWS = Reason("DataPlaneNotModelled", "an eligible node runs Windows, whose kube-proxy decides otherwise")


def _discard(index: dict[K, set[Key]], at: K, key: Key) -> None:
    index[at].discard(key)
    if not index[at]:
        del index[at]


def picture_for(families: Sequence[ConsumerFamily], others: Iterable[AnyKind] = ()) -> Picture:
    """An empty picture of all kinds that these families and the engine read, and of `others`."""
    kinds: dict[Any, None] = dict.fromkeys(
        [SERVICE, ENDPOINT_SLICE, NODE, INGRESS, INGRESS_CLASS, SERVICE_COVERAGE, *others]
    )
    refers: dict[Any, list[Any]] = defaultdict(list)
    for family in families:
        kinds.update(dict.fromkeys(family.kinds))
        for kind, functions in family.refers.items():
            refers[kind].extend(functions)
    return Picture(kinds, refers)
