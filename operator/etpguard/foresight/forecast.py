"""The phases of each Service that a change affects: now, during, and settled, each with its worst and best case.
Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from etpguard.assess import Assessment, Outcome
from etpguard.assess.node_states import external_ports
from etpguard.foresight.alternatives import Alternative, Ground, worlds
from etpguard.foresight.eviction import Blocked
from etpguard.foresight.hosts import hosts_of, pod_of
from etpguard.foresight.pod_ends import ServiceHandOff
from etpguard.foresight.pods import Pods
from etpguard.foresight.scheduling import NewPod, Scheduling
from etpguard.foresight.world import World
from etpguard.objects import Endpoint, EndpointSlice, IPFamily, Key, Service
from etpguard.objects.endpoints import EndpointConditions, EndpointPort, SliceMeta
from etpguard.objects.kinds import SERVICE

_NEW_SLICE = "what-if-new-pods"
_SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Case:
    """The outcome of a Service in one world. `assessment` is None where its policy is not Local."""

    assessment: Assessment | None

    @property
    def outcome(self) -> Outcome:
        return self.assessment.outcome if self.assessment else Outcome.NotAffected

    @property
    def badness(self) -> tuple[int, int, int]:
        uncovered = self.assessment.uncovered.bit_count() if self.assessment else 0
        resilience = self.assessment.resilience if self.assessment else None
        return self.outcome, uncovered, -(resilience.tolerates_nodes if resilience else 0)

    @property
    def figures(self) -> tuple[object, ...]:
        """What a change is seen by."""
        if self.assessment is None:
            return (self.outcome,)
        found, shown = self.assessment, self.assessment.resilience
        return self.outcome, found.eligible, found.uncovered, shown


@dataclass(frozen=True, slots=True)
class Bounds:
    worst: Case
    best: Case


@dataclass(slots=True)
class Phases:
    """One Service. `during` is None where no step of the changes affects it before it settles."""

    service: Key
    now: Case
    during: Bounds
    settled: Bounds
    because: list[str] = field(default_factory=list)
    exposure: tuple[int, int] | None = None
    """For how long requests may be lost in `during`; see `exposure`. None without a bound."""
    hand_off: ServiceHandOff | None = None
    """None where no change ends the last pod of a node that gets traffic."""

    @property
    def changes(self) -> bool:
        """Whether its outcome, its nodes or its resilience differ in any phase."""
        cases = (self.during.worst, self.during.best, self.settled.worst, self.settled.best)
        return any(case.figures != self.now.figures for case in cases)

    def reaches(self, outcome: Outcome) -> bool:
        """Whether the change makes it this outcome or a worse one, in the worst case. A change that takes the last
        endpoint loses all traffic, so NoEndpoints reaches every outcome if it was another one before."""
        worst = (self.during.worst.outcome, self.settled.worst.outcome)
        emptied = Outcome.NoEndpoints in worst and self.now.outcome is not Outcome.NoEndpoints
        return emptied or max(worst) >= outcome


@dataclass
class Forecast:
    """The result of all changes."""

    changes: list[str]
    services: list[Phases]
    blocked: list[Blocked]
    assumptions: list[str]
    warnings: list[str]


_Reach = tuple[set[Key], dict[Key, list[NewPod]]]


class Evaluator:
    """Evaluates the alternatives for one Service at a time, on the picture as the world has it."""

    def __init__(self, world: World, pods: Pods) -> None:
        self._world = world
        self._pods = pods
        self._now = dict(world.engine.assessments)
        self._during: dict[Key, list[Case]] = defaultdict(list)
        self._settled: dict[Key, list[Case]] = defaultdict(list)
        self._because: dict[Key, dict[str, None]] = defaultdict(dict)

    def touched_by(self, alternatives: Iterable[Alternative]) -> set[Key]:
        """The Services that lose or gain endpoints in one of the alternatives."""
        return {key for losing, new_for in self._reach(alternatives) for key in (*losing, *new_for)}

    def during(self, services: Iterable[Key], alternatives: Sequence[Alternative], scheduling: Scheduling) -> None:
        reach = self._reach(alternatives)
        for key in services:
            self._during[key] += self._cases(key, alternatives, reach, scheduling)

    def settled(
        self, services: Iterable[Key], alternatives: Sequence[Alternative], scheduling: Scheduling
    ) -> None:
        reach = self._reach(alternatives)
        for key in services:
            self._settled[key] += self._cases(key, alternatives, reach, scheduling)

    def because(self, service: Key, sentence: str) -> None:
        self._because[service][sentence] = None

    @property
    def affected(self) -> set[Key]:
        return {*self._during, *self._settled}

    def phases(self) -> list[Phases]:
        """One entry for each Service that the changes affect, the worst first."""
        made = []
        for key in self.affected:
            now = Case(self._now.get(key))
            settled = _bounds(self._settled.get(key) or [self._base(key)])
            during = _bounds(self._during.get(key) or [now])
            made.append(Phases(key, now, during, settled, list(self._because.get(key, ()))))
        changed = [each for each in made if each.changes]
        return sorted(changed, key=lambda p: (-max(p.during.worst.outcome, p.settled.worst.outcome), p.service))

    def _base(self, key: Key) -> Case:
        return Case(self._world.engine.assessments.get(key))

    def _reach(self, alternatives: Iterable[Alternative]) -> list[_Reach]:
        """For each alternative the Services that lose endpoints, and those that get new pods, with these pods."""
        found = []
        for each in alternatives:
            losing = {service for pod in each.pods() for service in self._pods.services_of(pod)}
            new_for: dict[Key, list[NewPod]] = defaultdict(list)
            for new in each.new:
                for service in self._pods.services_for(new):
                    new_for[service].append(new)
            found.append((losing, new_for))
        return found

    def _cases(
        self, key: Key, alternatives: Sequence[Alternative], reach: Sequence[_Reach], scheduling: Scheduling
    ) -> list[Case]:
        base = self._world.engine.assessments.get(key)
        service = self._world.picture.get(SERVICE, key)
        if service is None or base is None:
            return [Case(base)]
        ground: Ground | None = None
        cases: list[Case] = []
        for alternative, (losing, new_for) in zip(alternatives, reach, strict=True):
            new = tuple(new_for.get(key, ()))
            if not new and key not in losing:
                cases.append(Case(base))
                continue
            if ground is None:
                ground = self._ground(key, base)
            own = Alternative(alternative.gone, alternative.choices, new)
            for removed, added in worlds(ground, own, scheduling):
                slices = self._slices(key, service, removed, added)
                cases.append(Case(self._world.trial(key, slices)))
        return cases

    def _ground(self, key: Key, base: Assessment) -> Ground:
        hosts, fixed = hosts_of(key, self._world.picture)
        table = self._world.picture.nodes
        eligible, uncovered, passing = base.eligible, base.uncovered, 0
        for verdict in base.consumers:
            eligible |= verdict.eligible
            uncovered |= verdict.uncovered
            for coverage in verdict.coverage:
                passing |= coverage.passes & verdict.uncovered
        urgent = uncovered & passing
        wanted = (*table.names(urgent), *table.names(uncovered & ~urgent))
        # Its nodes may become uncovered, too.
        wanted += tuple(sorted(name for name in set(hosts.values()) if table.bit(name) & eligible))
        return Ground(hosts, fixed, frozenset(table.names(eligible)), tuple(dict.fromkeys(wanted)))

    def _slices(
        self, key: Key, service: Service, removed: frozenset[Key], added: Sequence[str]
    ) -> list[EndpointSlice]:
        made = []
        for slice_ in self._world.picture.slices(key):
            kept = [e for e in slice_.endpoints or () if pod_of(slice_, e) not in removed]
            made.append(msgspec.structs.replace(slice_, endpoints=kept))
        return [*made, *_new_slices(service, made, added)] if added else made


def _bounds(cases: Sequence[Case]) -> Bounds:
    return Bounds(max(cases, key=lambda case: case.badness), min(cases, key=lambda case: case.badness))


def _new_slices(service: Service, existing: Sequence[EndpointSlice], nodes: Sequence[str]) -> list[EndpointSlice]:
    """The endpoints of new pods: ready, with the ports of the Service's other endpoints. Where it has none, each
    port of the Service leads to the port of that number."""
    ports = next((slice_.ports for slice_ in existing if slice_.ports), None)
    if ports is None:
        ports = [EndpointPort(port.label, port.transport, port.port) for port in service.ports]
    families: list[IPFamily] = list(dict.fromkeys(family for _, family in external_ports(service)))
    template: dict[IPFamily, Callable[[int], str]] = {
        "IPv4": lambda number: f"198.18.{number // 250}.{number % 250 + 1}",
        "IPv6": lambda number: f"2001:2::{number + 1:x}",
    }
    return [
        EndpointSlice(
            SliceMeta(
                name=f"{_NEW_SLICE}-{family.lower()}",
                namespace=service.key.namespace,
                labels={_SERVICE_NAME: service.key.name},
            ),
            family,
            [
                Endpoint([template[family](number)], EndpointConditions(True, True, False), node)
                for number, node in enumerate(nodes)
            ],
            ports,
        )
        for family in families
    ]


def new_pods(pods: Iterable[NewPod | None], certain: int = 0) -> tuple[NewPod, ...]:
    """Those that are created, of which so many are surely ready."""
    made = [pod for pod in pods if pod is not None]
    return tuple(
        NewPod(pod.namespace, pod.labels, pod.spec, pod.origin, pod.stands_for, number < certain)
        for number, pod in enumerate(made)
    )
