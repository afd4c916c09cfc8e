"""The phases of each Service with `internalTrafficPolicy: Local` that a change affects, for clients in the
cluster: which nodes go dark, how many at a time, and for how long. Pure.

A node is dark if a connection from it to the Service fails: it is uncovered, or no endpoint is usable anywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from etpguard.assess import InternalAssessment, Outcome
from etpguard.cluster import NodeTable
from etpguard.foresight.hosts import hosts_of
from etpguard.foresight.start_time import StartTime
from etpguard.foresight.world import World
from etpguard.foresight.worlds.alternatives import Alternative, Ground
from etpguard.foresight.worlds.bounds import Bounds, bounds, differs, reaches
from etpguard.foresight.worlds.trials import Trials
from etpguard.objects import Key
from etpguard.outcomes import severity


@dataclass(frozen=True, slots=True)
class InternalCase:
    """The result for clients in the cluster in one world. `assessment` is None where the policy is not Local."""

    assessment: InternalAssessment | None

    @property
    def outcome(self) -> Outcome:
        return self.assessment.outcome if self.assessment else Outcome.NotAffected

    @property
    def eligible(self) -> int:
        return self.assessment.eligible if self.assessment else 0

    @property
    def dark(self) -> int:
        """The Ready nodes whose clients surely fail, for at least one port."""
        found = 0
        for port in self.assessment.ports if self.assessment else ():
            found |= port.uncovered | port.state.rejected(self.eligible & ~port.unknown)
        return found

    @property
    def badness(self) -> tuple[int, int]:
        return self.dark.bit_count(), self.outcome

    @property
    def figures(self) -> tuple[object, ...]:
        """What distinguishes two cases for the reader."""
        return self.outcome, self.eligible, self.dark


@dataclass(slots=True)
class InternalPhases:
    """The phases of one Service. `dark` are the nodes that are not dark now and go dark for some time.
    `replaced_in_place`: a rollout replaces each pod on its node; `lasts` is then how long a pod took to start, if
    the Pods show it."""

    service: Key
    now: InternalCase
    during: Bounds[InternalCase]
    settled: Bounds[InternalCase]
    dark: int
    replaced_in_place: bool = False
    lasts: StartTime | None = None
    because: list[str] = field(default_factory=list)

    @property
    def at_once(self) -> int:
        """The most nodes that are dark at the same time."""
        return (self.during.worst.dark & ~self.now.dark).bit_count()

    def reaches(self, outcome: Outcome) -> bool:
        """Whether clients in the cluster have this outcome or a worse one, in the worst case of the change."""
        return reaches(outcome, self.now, self.during, self.settled, severity=severity)

    @property
    def changes(self) -> bool:
        return bool(self.dark) or differs(self.now, self.during, self.settled)


class InternalEvaluator:
    """Evaluates the alternatives for one Service at a time, on the picture as the world has it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._now = dict(world.engine.internal)
        self._during: dict[Key, list[InternalCase]] = defaultdict(list)
        self._settled: dict[Key, list[InternalCase]] = defaultdict(list)
        self._dark: dict[Key, int] = defaultdict(int)
        self._in_place: dict[Key, StartTime | None] = {}
        self._because: dict[Key, dict[str, None]] = defaultdict(dict)

    def during(self, services: Iterable[Key], trials: Trials) -> None:
        for key in self._concerned(services):
            cases = self._cases(key, trials)
            self._during[key] += cases
            self._dark[key] |= self._may_go_dark(key, trials.alternatives) | bounds(cases).worst.dark

    def settled(self, services: Iterable[Key], trials: Trials) -> None:
        for key in self._concerned(services):
            self._settled[key] += self._cases(key, trials)

    def because(self, service: Key, sentence: str) -> None:
        self._because[service][sentence] = None

    def replaced_in_place(self, service: Key, lasts: StartTime | None) -> None:
        """Note that each pod is replaced on its node, and how long a new one takes."""
        self._in_place[service] = lasts

    def phases(self) -> list[InternalPhases]:
        """One entry for each Service that the changes affect, the worst first."""
        made = []
        for key in {*self._during, *self._settled}:
            now = InternalCase(self._now.get(key))
            settled = bounds(self._settled.get(key) or [self._base(key)])
            made.append(
                InternalPhases(
                    key,
                    now,
                    bounds(self._during.get(key) or [now]),
                    settled,
                    self._dark[key] & ~now.dark & self._eligible(key),
                    key in self._in_place,
                    self._in_place.get(key),
                    list(self._because.get(key, ())),
                )
            )
        changed = [each for each in made if each.changes]
        return sorted(changed, key=lambda each: (-each.at_once, -each.dark.bit_count(), each.service))

    def _concerned(self, services: Iterable[Key]) -> list[Key]:
        internal = self._world.engine.internal
        return [key for key in services if key in internal or key in self._now]

    def _base(self, key: Key) -> InternalCase:
        return InternalCase(self._world.engine.internal.get(key))

    def _eligible(self, key: Key) -> int:
        before = self._now.get(key)
        return (before.eligible if before else 0) | self._base(key).eligible

    def _cases(self, key: Key, trials: Trials) -> list[InternalCase]:
        base = self._base(key)
        assessment = base.assessment
        if assessment is None:
            return [base]
        return trials.cases(
            key,
            base,
            lambda: self._ground(key, assessment),
            lambda slices: InternalCase(self._world.internal_trial(key, slices)),
        )

    def _ground(self, key: Key, base: InternalAssessment) -> Ground:
        hosts, fixed = hosts_of(key, self._world.picture)
        table = self._world.picture.nodes
        wanted = table.names(base.uncovered)
        # Its nodes may become uncovered, too.
        wanted += sorted(name for name in set(hosts.values()) if table.bit(name) & base.eligible)
        return Ground(hosts, fixed, frozenset(table.names(base.eligible)), tuple(dict.fromkeys(wanted)))

    def _may_go_dark(self, key: Key, alternatives: Sequence[Alternative]) -> int:
        """The nodes that lose all their endpoints in one of the alternatives."""
        hosts, fixed = hosts_of(key, self._world.picture)
        by_node: dict[str, set[Key]] = defaultdict(set)
        for pod, node in hosts.items():
            by_node[node].add(pod)
        table: NodeTable = self._world.picture.nodes
        found = 0
        for node, pods in by_node.items():
            if node not in fixed and any(each.may_take(pods) for each in alternatives):
                found |= table.bit(node)
        return found
