"""The phases of each Service that a change affects: now, during, and settled, each with its worst and best case.
Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from etpguard.assess import Assessment, Outcome
from etpguard.foresight.eviction import Blocked
from etpguard.foresight.forecasts.internal_forecast import InternalEvaluator, InternalPhases
from etpguard.foresight.hosts import hosts_of
from etpguard.foresight.placement.scheduling import Scheduling
from etpguard.foresight.pod_ending.pod_ends import ServiceHandOff
from etpguard.foresight.pods import Pods
from etpguard.foresight.world import World
from etpguard.foresight.worlds.alternatives import Alternative, Ground
from etpguard.foresight.worlds.bounds import Bounds, bounds, differs, rank, reaches
from etpguard.foresight.worlds.changed_slices import reach
from etpguard.foresight.worlds.trials import Trials
from etpguard.objects import Key


@dataclass(frozen=True, slots=True)
class Case:
    """The outcome of a Service in one world. `assessment` is None where its policy is not Local."""

    assessment: Assessment | None

    @property
    def outcome(self) -> Outcome:
        return self.assessment.outcome if self.assessment else Outcome.NotAffected

    @property
    def badness(self) -> tuple[tuple[bool, Outcome], int, int]:
        uncovered = self.assessment.uncovered.bit_count() if self.assessment else 0
        resilience = self.assessment.resilience if self.assessment else None
        return rank(self.outcome), uncovered, -(resilience.tolerates_nodes if resilience else 0)

    @property
    def figures(self) -> tuple[object, ...]:
        """What distinguishes two cases for the reader."""
        if self.assessment is None:
            return (self.outcome,)
        found, shown = self.assessment, self.assessment.resilience
        return self.outcome, found.eligible, found.uncovered, shown


@dataclass(slots=True)
class Phases:
    """One Service. `during` is None where no step of the changes affects it before it settles."""

    service: Key
    now: Case
    during: Bounds[Case]
    settled: Bounds[Case]
    because: list[str] = field(default_factory=list)
    exposure: tuple[int, int] | None = None
    """For how long requests may be lost in `during`; see `exposure`. None without a bound."""
    hand_off: ServiceHandOff | None = None
    """None where no change ends the last pod of a node that gets traffic."""

    @property
    def changes(self) -> bool:
        """Whether its outcome, its nodes or its resilience differ in any phase."""
        return differs(self.now, self.during, self.settled)

    def reaches(self, outcome: Outcome) -> bool:
        """Whether the change makes it this outcome or a worse one, in one of the cases. Never where only the nodes
        of its pods may differ."""
        return self.changes and reaches(outcome, self.now, self.during, self.settled)


@dataclass
class Forecast:
    """The result of all changes."""

    changes: list[str]
    services: list[Phases]
    internal: list[InternalPhases]
    """The phases of the Services with `internalTrafficPolicy: Local`, for clients in the cluster."""
    blocked: list[Blocked]
    assumptions: list[str]
    warnings: list[str]


class Evaluator:
    """Evaluates the alternatives for one Service at a time, on the picture as the world has it. `internal` does
    the same for clients in the cluster."""

    def __init__(self, world: World, pods: Pods) -> None:
        self._world = world
        self._pods = pods
        self.internal = InternalEvaluator(world)
        self._now = dict(world.engine.assessments)
        self._during: dict[Key, list[Case]] = defaultdict(list)
        self._settled: dict[Key, list[Case]] = defaultdict(list)
        self._because: dict[Key, dict[str, None]] = defaultdict(dict)
        self.incomplete: set[Key] = set()
        """The Services with more possible worlds than are tried."""

    def touched_by(self, alternatives: Iterable[Alternative]) -> set[Key]:
        """The Services that lose or gain endpoints in one of the alternatives."""
        return {key for losing, new_for in reach(alternatives, self._pods) for key in (*losing, *new_for)}

    def during(
        self,
        services: Iterable[Key],
        alternatives: Sequence[Alternative],
        scheduling: Scheduling,
        inside: Sequence[Alternative] = (),
    ) -> None:
        """`inside`: the alternatives for clients in the cluster, where they differ."""
        trials, keys = self._trials(alternatives, scheduling), set(services)
        for key in keys:
            self._during[key] += self._cases(key, trials)
        self.internal.during(keys, self._trials(inside, scheduling) if inside else trials)

    def settled(
        self, services: Iterable[Key], alternatives: Sequence[Alternative], scheduling: Scheduling
    ) -> None:
        trials, keys = self._trials(alternatives, scheduling), set(services)
        for key in keys:
            self._settled[key] += self._cases(key, trials)
        self.internal.settled(keys, trials)

    def _trials(self, alternatives: Sequence[Alternative], scheduling: Scheduling) -> Trials:
        return Trials(self._world.picture, self._pods, alternatives, scheduling, self.incomplete)

    def because(self, service: Key, sentence: str) -> None:
        self._because[service][sentence] = None
        self.internal.because(service, sentence)

    @property
    def affected(self) -> set[Key]:
        return {*self._during, *self._settled}

    def phases(self) -> list[Phases]:
        """One entry for each Service that the changes affect, the worst first. Its figures may be as before."""
        made = []
        for key in self.affected:
            now = Case(self._now.get(key))
            settled = bounds(self._settled.get(key) or [self._base(key)])
            during = bounds(self._during.get(key) or [now])
            made.append(Phases(key, now, during, settled, list(self._because.get(key, ()))))
        made.sort(key=lambda phases: phases.service)
        return sorted(made, key=_worst_rank, reverse=True)

    def _base(self, key: Key) -> Case:
        return Case(self._world.engine.assessments.get(key))

    def _cases(self, key: Key, trials: Trials) -> list[Case]:
        base = self._world.engine.assessments.get(key)
        if base is None:
            return [Case(None)]
        return trials.cases(
            key, Case(base), lambda: self._ground(key, base), lambda slices: Case(self._world.trial(key, slices))
        )

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


def _worst_rank(phases: Phases) -> tuple[bool, Outcome]:
    return max(rank(phases.during.worst.outcome), rank(phases.settled.worst.outcome))
