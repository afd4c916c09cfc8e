"""How the evictions of a drain go on, where PodDisruptionBudgets let pods go only one after the other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from etpguard.foresight.effects.simulation import extended
from etpguard.foresight.eviction import Evictions, Limited
from etpguard.foresight.placement.scheduling import NewPod, Scheduling
from etpguard.foresight.pods import Seen
from etpguard.foresight.worlds.alternatives import Alternative, Choice
from etpguard.objects import Key


@dataclass(frozen=True, slots=True)
class InTurn:
    """What becomes of pods that a budget lets go one after the other."""

    group: Limited
    go: int
    """So many of them are evicted in the end."""
    new: tuple[NewPod, ...]

    @property
    def keys(self) -> frozenset[Key]:
        return frozenset(pod.key for pod in self.group.pods)

    @property
    def complete(self) -> bool:
        return self.go == len(self.group.pods)

    @property
    def sentence(self) -> str:
        budget, pods = self.group.budget, len(self.group.pods)
        if self.complete:
            return (
                f"PodDisruptionBudget {budget} lets {self.group.at_once} of {pods} pods go at a time: if a "
                "replacement is never ready, the drain does not end"
            )
        return (
            f"PodDisruptionBudget {budget} lets only {self.go} of {pods} pods go: no node admits the replacements "
            "that it waits for, so the drain does not end unless an autoscaler adds a node"
        )


@dataclass(frozen=True, slots=True)
class Course:
    """How the evictions of a drain go on: those without a limit at once, the others in turn."""

    found: Evictions
    in_turn: Sequence[InTurn]
    new_free: tuple[NewPod, ...]
    """The replacements of the pods without a limit."""
    new_limited: tuple[NewPod, ...]
    new: tuple[NewPod, ...]
    """All replacements."""

    @property
    def going(self) -> frozenset[Key]:
        """The pods that surely go."""
        return self._free.union(*(each.keys for each in self.in_turn if each.complete))

    @property
    def held(self) -> tuple[Choice, ...]:
        """The pods of which some cannot go."""
        return tuple(Choice(each.keys, each.go, each.go) for each in self.in_turn if not each.complete)

    def during(self, before: Sequence[Alternative]) -> list[Alternative]:
        """At first, and where budgets limit the evictions, before the other pods are replaced."""
        during = [replace(each, new=()) for each in self._first(before)]
        if self.found.limited:
            during += [
                extended(each, self.going, (*self._doubtful, *self.held), self.new_limited) for each in before
            ]
        return during

    def stuck(self, before: Sequence[Alternative]) -> list[Alternative]:
        """The end where no replacement of the pods of a budget is ever ready."""
        if not self.found.limited:
            return []
        return [extended(each, new=self.new_free) for each in self._first(before)]

    def end(self, before: Sequence[Alternative]) -> list[Alternative]:
        return [extended(each, self.going, (*self._doubtful, *self.held), self.new) for each in before]

    def _first(self, before: Sequence[Alternative]) -> list[Alternative]:
        """When the pods without a limit are gone, and of the others as many as may go at once."""
        at_first = [Choice(each.keys, each.group.at_once, each.group.at_once) for each in self.in_turn]
        return [extended(each, self._free, (*self._doubtful, *at_first)) for each in before]

    @property
    def _free(self) -> frozenset[Key]:
        return frozenset(each.key for each in self.found.free)

    @property
    def _doubtful(self) -> tuple[Choice, ...]:
        doubtful = frozenset(each.key for each in self.found.doubtful)
        return (Choice(doubtful, 0, len(doubtful)),) if doubtful else ()


def course_of(found: Evictions, scheduling: Scheduling) -> Course:
    in_turn = [_in_turn(each, scheduling) for each in found.limited]
    free, limited = replacements(found.free), tuple(pod for each in in_turn for pod in each.new)
    return Course(found, in_turn, free, limited, (*limited, *free, *replacements(found.doubtful)))


def _in_turn(group: Limited, scheduling: Scheduling) -> InTurn:
    """The next pods go when replacements of the ones before are ready, so all go only if enough of these find a
    node."""
    new = replacements(group.pods)
    placed = scheduling.placed(new)
    awaited = len(group.pods) - group.at_once
    if len(placed) < awaited:
        return InTurn(group, len(placed) + group.at_once, _first_certain(placed, len(placed)))
    others = [pod for pod in new if pod not in placed]
    return InTurn(group, len(group.pods), _first_certain([*placed, *others], awaited))


def replacements(pods: Iterable[Seen]) -> tuple[NewPod, ...]:
    """What controllers create in place of these pods, and could serve: nothing for one that has finished."""
    made = (each.replacement() for each in pods if each.pod is None or each.pod.active)
    return tuple(pod for pod in made if pod is not None)


def _first_certain(pods: Sequence[NewPod], number: int) -> tuple[NewPod, ...]:
    """The pods, of which the first `number` become ready without doubt."""
    return (*(replace(pod, certain=True) for pod in pods[:number]), *pods[number:])
