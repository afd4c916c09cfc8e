"""What is not certain about pods after a change, and the worlds that are possible for one Service. Pure.

An `Alternative` is one way in which things may go: pods that are gone, pods of which some go, and new pods whose
nodes the scheduler chooses. For one Service only the nodes with its endpoints matter, and its outcome only gets
better as more of its nodes are covered. So few worlds have the best and the worst outcome: those with the fewest
and the most covered nodes, and, where no endpoint is left, those with one endpoint on a node without traffic.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations, islice, product
from math import comb, prod
from typing import NamedTuple

from etpguard.foresight.placement.scheduling import NewPod, Rivals, Scheduling
from etpguard.objects import Key

_TRIED_COMBINATIONS = 70
"""Up to this number of combinations of victims, each is tried."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Some of these pods go: `least` of them at least, and `most` at most."""

    pods: frozenset[Key]
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Alternative:
    gone: frozenset[Key] = frozenset()
    choices: tuple[Choice, ...] = ()
    new: tuple[NewPod, ...] = ()

    def pods(self) -> Set[Key]:
        """The pods that go or may go."""
        return self.gone.union(*(choice.pods for choice in self.choices))

    def may_take(self, pods: Set[Key]) -> bool:
        """Whether all of these pods may be gone."""
        left = pods - self.gone
        possible = sum(min(len(choice.pods & left), choice.most) for choice in self.choices)
        return left <= self.pods() and possible >= len(left)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a Service looks like before pods move: the nodes of its pods, and which nodes the consumers send to."""

    hosts: Mapping[Key, str]
    """The node of each of its pods with an endpoint that gets traffic."""
    fixed: frozenset[str]
    """The nodes of its endpoints that are no pods. They stay."""
    eligible: frozenset[str]
    wanted: tuple[str, ...]
    """Its uncovered eligible nodes. First those on which a health check passes although they are uncovered."""


Moves = tuple[frozenset[Key], tuple[str, ...]]
"""The pods that are gone, and the nodes of new endpoints."""


class Worlds(NamedTuple):
    found: Sequence[Moves]
    complete: bool
    """Whether the best and the worst outcome are surely among them."""


def worlds(ground: Ground, alternative: Alternative, scheduling: Scheduling) -> Worlds:
    """The worlds of one Service among which the best and the worst outcome are. `alternative.new` has only new
    pods that serve it."""
    found: dict[Moves, None] = {}
    removals, complete = _removals(ground, alternative)
    for removed in removals:
        left = {node for pod, node in ground.hosts.items() if pod not in removed} | ground.fixed
        for added in _placements(ground, left, alternative.new, scheduling):
            found[removed, tuple(sorted(added))] = None
    return Worlds(list(found), complete)


def _removals(ground: Ground, alternative: Alternative) -> tuple[Iterable[frozenset[Key]], bool]:
    """The pods that may be gone, and whether these are all that count. The extremes of a single choice are; those
    of several choices are not, because two choices may empty a node together."""
    certain = alternative.gone & frozenset(ground.hosts)
    staying = {pod: node for pod, node in ground.hosts.items() if pod not in certain}
    choices = [choice for choice in alternative.choices if choice.pods & staying.keys()]
    options = [_victims(ground, choice, staying, _TRIED_COMBINATIONS) for choice in choices]
    for number in sorted(range(len(options)), key=lambda number: -len(options[number].found)):
        if prod(len(each.found) for each in options) > _TRIED_COMBINATIONS:
            options[number] = _victims(ground, choices[number], staying, 0)
    complete = len(options) < 2 or all(each.every for each in options)
    tried = islice(product(*(each.found for each in options)), _TRIED_COMBINATIONS)
    return (certain.union(*chosen) for chosen in tried), complete


class _Victims(NamedTuple):
    found: Sequence[frozenset[Key]]
    every: bool
    """Whether no combination is left out that leaves pods on other nodes."""


def _victims(ground: Ground, choice: Choice, staying: Mapping[Key, str], most: int) -> _Victims:
    """The combinations of victims of a choice among the pods that are `staying` otherwise. Only the extremes,
    where there are more combinations than `most`."""
    inside = sorted(choice.pods & staying.keys())
    outside = len(choice.pods) - len(inside)
    numbers = sorted({max(0, choice.least - outside), min(choice.most, len(inside))})
    if sum(comb(len(inside), number) for number in numbers) > most:
        extremes = [victims for number in numbers for victims in _extremes(ground, inside, staying, number)]
        return _Victims(list(dict.fromkeys(extremes)), every=False)
    found: dict[tuple[tuple[str, int], ...], frozenset[Key]] = {}
    for number in numbers:
        for chosen in combinations(inside, number):
            found.setdefault(tuple(sorted(Counter(staying[pod] for pod in chosen).items())), frozenset(chosen))
    return _Victims(list(found.values()), every=True)


def _extremes(
    ground: Ground, inside: Sequence[Key], staying: Mapping[Key, str], number: int
) -> Iterator[frozenset[Key]]:
    """The victims that leave the fewest eligible nodes with a pod, and those that leave the most."""
    by_node: dict[str, list[Key]] = defaultdict(list)
    for pod in inside:
        by_node[staying[pod]].append(pod)
    total = Counter(staying.values())
    emptied = [node for node, pods in by_node.items() if len(pods) == total[node] and node not in ground.fixed]
    first = sorted(emptied, key=lambda node: (node not in ground.eligible, total[node], node))
    rest = sorted(by_node.keys() - set(first))
    yield frozenset([pod for node in (*first, *rest) for pod in by_node[node]][:number])
    spared = [pods[:-1] if node in set(emptied) else pods for node, pods in sorted(by_node.items())]
    last = [by_node[node][-1] for node in reversed(first)]
    yield frozenset([*(pod for pods in spared for pod in pods), *last][:number])


def _placements(
    ground: Ground, left: set[str], new: Sequence[NewPod], scheduling: Scheduling
) -> Iterator[tuple[str, ...]]:
    """The nodes of the new endpoints."""
    certain = [pod for pod in new if pod.certain]
    least = _crowded(ground, left, certain, scheduling)
    yield least
    if not new:
        return
    if not left and not least:
        # One endpoint anywhere makes the other nodes drop instead of reject.
        for elsewhere in (True, False):
            node = _first(ground, new, scheduling, elsewhere)
            if node is not None:
                yield (node,)
    yield _spread(ground, left, new, scheduling)


def _crowded(ground: Ground, left: set[str], certain: Sequence[NewPod], scheduling: Scheduling) -> tuple[str, ...]:
    """Each new pod on a node that covers nothing new, where such a node exists."""
    taken: list[tuple[NewPod, str]] = []
    covered = set(left)
    for pod in certain:
        admitted = scheduling.beside(pod, taken)
        useless = [name for name in admitted if name not in ground.eligible]
        again = [name for name in admitted if name in covered]
        choice = useless or again or admitted
        if choice:
            taken.append((pod, choice[0]))
            covered.add(choice[0])
    return tuple(name for _, name in taken)


def _first(ground: Ground, new: Sequence[NewPod], scheduling: Scheduling, elsewhere: bool) -> str | None:
    """A node for one of the new pods: one that gets traffic, or one `elsewhere`."""
    admitted = (name for pod in new for name in scheduling.admitted(pod))
    return next((name for name in admitted if (name not in ground.eligible) is elsewhere), None)


def _spread(ground: Ground, left: set[str], new: Sequence[NewPod], scheduling: Scheduling) -> tuple[str, ...]:
    """The new pods on as many uncovered nodes as possible: a matching of pods and nodes, by augmenting paths. Pods
    that cover nothing new go to any node that admits them."""
    targets = [name for name in ground.wanted if name not in left]
    if not targets:
        eligible = ground.eligible - left
        targets = sorted(eligible)
    order = {name: number for number, name in enumerate(targets)}
    options = [
        sorted((name for name in scheduling.admitted(pod) if name in order), key=order.__getitem__) for pod in new
    ]
    kinds = list({pod.like: pod for pod in new}.values())
    # The pods of a DaemonSet have a node each, so they do not compete with one another.
    apart = [
        any(scheduling.apart(pod, kind) for kind in kinds if pod.only_on is None or kind.like != pod.like)
        for pod in new
    ]
    holder: dict[str, int] = {}

    def place(number: int, tried: set[str]) -> bool:
        rivals: Rivals = {}
        if apart[number]:
            others = ((new[other], host) for host, other in holder.items() if other != number)
            rivals = scheduling.rivals(new[number], others)
        for name in options[number]:
            if name in tried:
                continue
            tried.add(name)
            if scheduling.rivals_at(name, rivals) - {name}:
                continue
            if name not in holder or place(holder[name], tried):
                holder[name] = number
                return True
        return False

    for number in range(len(new)):
        place(number, set())
    placed = [(new[number], name) for name, number in holder.items()]
    taken = set(holder)
    for number, pod in enumerate(new):
        if number not in holder.values():
            more = [name for name in scheduling.beside(pod, placed) if name not in taken]
            more = [name for name in more if name in ground.eligible] or more
            if more:
                placed.append((pod, more[0]))
                taken.add(more[0])
    return tuple(name for _, name in placed)
