"""The worst and the best case of a Service, and what a change does to it. The cases are those of external traffic
or those of clients in the cluster. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from etpguard.outcomes import Outcome


class AnyCase(Protocol):
    """The result for one Service in one world."""

    @property
    def outcome(self) -> Outcome: ...

    @property
    def badness(self) -> tuple[Any, ...]:
        """The key by which cases are ordered: the worst case has the greatest."""

    @property
    def figures(self) -> tuple[object, ...]:
        """What distinguishes two cases for the reader."""


C = TypeVar("C", bound=AnyCase)


@dataclass(frozen=True, slots=True)
class Bounds(Generic[C]):
    worst: C
    best: C
    outcomes: frozenset[Outcome]
    """Those of all cases. The worst case hides the others: none has an endpoint, and one may be a Blackhole."""


def bounds(cases: Sequence[C]) -> Bounds[C]:
    """The worst and the best of one or more cases."""
    worst = max(cases, key=lambda case: case.badness)
    best = min(cases, key=lambda case: case.badness)
    return Bounds(worst, best, frozenset(case.outcome for case in cases))


def rank(outcome: Outcome) -> tuple[bool, Outcome]:
    """The order of outcomes for what a change may do: the greater, the worse. Without endpoints no request is
    served, which is worse than a loss on some nodes."""
    return outcome is Outcome.NoEndpoints or outcome >= Outcome.NoTargets, outcome


def differs(now: C, *phases: Bounds[C]) -> bool:
    """Whether the figures differ from now in any phase."""
    return any(case.figures != now.figures for each in phases for case in (each.worst, each.best))


def reaches(
    outcome: Outcome,
    now: AnyCase,
    *phases: Bounds[C],
    severity: Callable[[Outcome], Outcome] = lambda found: found,
) -> bool:
    """Whether a change makes it `outcome` or a worse one, in some case of a phase. `severity` says as which
    outcome a case counts. A change that removes the last endpoint loses all traffic, so NoEndpoints counts as
    reaching every outcome, unless the Service had it before."""
    possible = frozenset[Outcome]().union(*(each.outcomes for each in phases))
    emptied = Outcome.NoEndpoints in possible and now.outcome is not Outcome.NoEndpoints
    return emptied or max(map(severity, possible)) >= outcome
