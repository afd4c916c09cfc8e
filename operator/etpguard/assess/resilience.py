"""How many nodes and zones a consumer can lose before it loses more traffic than now. Pure.

To lose a node is to lose the Node and the endpoints on it, without rescheduling. The outcome of a consumer then
depends only on how many nodes of four classes are left: eligible nodes that are covered or not, and on which the
health check passes or not. So the loss of one node of each class answers for all nodes of the class, and the sets
only have to be counted. `tests/assess/test_resilience.py` compares this with an engine that lost the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import combinations
from typing import NamedTuple

from msgspec import Struct

from etpguard.assess.node_states import PortState

MAX_ZONES = 64
"""With more values of the zone label, the zones of a cluster are not considered."""
_ENUMERATED_ZONES = 6
"""Up to this number of zones, every combination of zones is tried. With more zones, the result is a lower
bound."""

Zones = tuple[tuple[str, int], ...]
"""The zones by name, each with the set of its nodes."""


class MinimumHealthy(Struct, frozen=True):
    """Below any of these thresholds of healthy targets the load balancer sends to all targets."""

    count: int = 1
    percentage: int = 0
    """Percent of all targets; 0 for no such threshold."""
    by_zone: bool = False
    """Whether the load balancer counts the targets of each zone for itself, because it sends from a zone to the
    targets there alone. The API does not show this for sure."""

    def missed(self, healthy: int, targets: int) -> bool:
        """Whether `healthy` of `targets` are too few."""
        return healthy < self.count or healthy * 100 < self.percentage * targets

    @property
    def differs_by_zone(self) -> bool:
        """Whether zones matter: a single healthy target is enough everywhere by default, and a zone without one
        gets no traffic."""
        return self.by_zone and (self.count > 1 or self.percentage > 0)

    def missed_in_zones(self, healthy: int, targets: int, zones: Zones) -> bool | None:
        """As `missed`, for node sets and each zone for itself; None where only some zones miss it. Targets outside
        of all zones count as one zone."""
        found = set()
        for _, nodes in (*zones, ("", targets)):
            if here := targets & nodes:
                found.add(self.missed((here & healthy).bit_count(), here.bit_count()))
            targets &= ~nodes
        return found.pop() if len(found) == 1 else None


ONE_HEALTHY = MinimumHealthy()


class Resilience(Struct, frozen=True):
    """How close a consumer is to losing traffic, or to losing more of it than now. Node sets are integers of
    `NodeTable`. Zones are those of the eligible nodes; the numbers of zones are None where no eligible node has
    the zone label."""

    covered_nodes: int
    """How many eligible nodes forward the traffic."""
    tolerates_nodes: int
    """How many nodes can be lost, whichever they are, without harm."""
    single_points: int
    """The nodes of which the loss of a single one does harm."""
    covered_zones: int | None = None
    """How many zones have a covered node."""
    tolerates_zones: int | None = None
    """How many zones can be lost, whichever they are, without harm."""
    uncovered_zones: tuple[str, ...] = ()
    """Zones that have eligible nodes and no covered one."""
    pods: tuple[int, int] | None = None
    """The least and the most pods that share the traffic of one covered node; None if not known."""

    @property
    def per_pod_share(self) -> tuple[float, float] | None:
        """The least and the most share of the traffic that one pod gets, if each covered node gets the same."""
        if self.pods is None or not self.covered_nodes:
            return None
        least, most = self.pods
        return 1 / (self.covered_nodes * most), 1 / (self.covered_nodes * least)


class _Counts(NamedTuple):
    """Eligible nodes by class."""

    covered_passing: int
    covered_failing: int
    uncovered_passing: int
    uncovered_failing: int

    def minus(self, others: Iterable[_Counts]) -> _Counts:
        a, b, c, d = self
        for other in others:
            a, b, c, d = a - other[0], b - other[1], c - other[2], d - other[3]
        return _Counts(a, b, c, d)


_FIRST = (1 << 60) - 1

_ONE_OF = tuple(_Counts(*(int(index == each) for each in range(4))) for index in range(4))
"""One node of each class."""


class Coverage(Struct, frozen=True, dict=True):
    """What decides on the outcome of one consumer for one port and family, and its `resilience`.

    The caller creates it only where the outcome is known. Two of them are equal if their fields are.
    """

    state: PortState
    eligible: int
    passes: int
    """The nodes on which the health check passes. It counts only where an eligible node is uncovered, or with
    `spare`."""
    zones: Zones = ()
    fails_open: bool = False
    """Whether the consumer sends to all targets while none is healthy. If it does not, or if that is not known,
    all traffic counts as lost then."""
    minimum: MinimumHealthy = ONE_HEALTHY
    """Counts only with `fails_open`."""
    spare: int = 0
    """The nodes that the rule selects once no eligible node is left."""

    @cached_property
    def resilience(self) -> Resilience:
        """Computed when first read: most passes of the engine need only the outcome."""
        return _resilience(
            _Traffic(
                self.state.forwarding,
                self.state.crowded,
                self.eligible,
                self.passes,
                self.zones,
                self.fails_open,
                self.minimum,
                self.spare,
            )
        )


class _Traffic(NamedTuple):
    """The node sets of a `Coverage`, without what distinguishes its port from others."""

    forwarding: int
    crowded: tuple[int, ...]
    eligible: int
    passes: int
    zones: Zones
    fails_open: bool
    minimum: MinimumHealthy
    spare: int

    def __hash__(self) -> int:
        # Of the first nodes alone: to hash whole sets takes longer than to compare them, mostly with themselves.
        return hash((self.forwarding & _FIRST, self.eligible & _FIRST, self.passes & _FIRST))

    def resilience(self) -> Resilience:
        # Each operation copies a set, and of one that is empty it copies nothing.
        covered = self.eligible & self.forwarding
        uncovered = self.eligible ^ covered
        passing, uncovered_passing = covered & self.passes, uncovered & self.passes
        classes = (passing, covered ^ passing, uncovered_passing, uncovered ^ uncovered_passing)
        counts = _counted(classes)
        now = self._lost(counts)
        single_points = 0
        if now < 1:
            for nodes, one in zip(classes, _ONE_OF, strict=True):
                if nodes and self._after(nodes & -nodes, counts.minus((one,))) > now:
                    single_points |= nodes
        zones = tuple((name, nodes) for name, nodes in self.zones if nodes & self.eligible)
        bare = tuple(name for name, nodes in zones if not nodes & covered)
        return Resilience(
            covered_nodes=covered.bit_count(),
            tolerates_nodes=self._tolerated_nodes(counts, now),
            single_points=single_points,
            covered_zones=len(zones) - len(bare) if zones else None,
            tolerates_zones=self._tolerated_zones(zones, classes, counts, now) if zones else None,
            uncovered_zones=bare,
            pods=self._pods(covered),
        )

    def _lost(self, counts: _Counts) -> float:
        """The share of the traffic that is lost; 1 where the share is not known."""
        a, b, c, d = counts
        covered, uncovered = a + b, c + d
        if not covered:
            return 1.0
        if not uncovered:
            return 0.0
        healthy, total = a + c, covered + uncovered
        if not healthy:
            return uncovered / total if self.fails_open else 1.0
        if self.fails_open and self.minimum.missed(healthy, total):
            return uncovered / total
        return c / healthy

    def _after(self, lost: int, left: _Counts) -> float:
        """The lost share after the loss of these nodes. `left` is the number of eligible nodes after it."""
        if not self.spare or self.eligible & ~lost:
            return self._lost(left)
        eligible, forwarding, passes = self.spare & ~lost, self.forwarding & ~lost, self.passes & ~lost
        covered, uncovered = eligible & forwarding, eligible & ~forwarding
        return self._lost(_counted((covered & passes, covered & ~passes, uncovered & passes, uncovered & ~passes)))

    def _tolerated_nodes(self, counts: _Counts, now: float) -> int:
        a, b, c, d = counts
        if now >= 1:
            return 0
        if not c and not d:
            return a + b - 1
        if now:
            return 0  # the loss of a covered node makes the lost share grow
        tolerated = a - 1
        if self.fails_open:
            tolerated = min(tolerated, a - self.minimum.count)
            if percentage := self.minimum.percentage:
                tolerated = min(tolerated, (100 * a - percentage * (a + b + d)) // (100 - percentage))
        return max(tolerated, 0)

    def _tolerated_zones(self, zones: Zones, classes: Sequence[int], counts: _Counts, now: float) -> int:
        if now >= 1:
            return 0
        if not counts.uncovered_passing and not counts.uncovered_failing:
            return self._tolerated_while_covered(zones, classes[0] | classes[1])
        taken = []
        for _, nodes in zones:
            taken.append(_counted([each & nodes for each in classes]))
            if self._after(nodes, counts.minus(taken[-1:])) > now:
                return 0
        if len(zones) > _ENUMERATED_ZONES:
            return 1
        for number in range(2, len(zones) + 1):
            if any(self._lost(counts.minus(lost)) > now for lost in combinations(taken, number)):
                return number - 1
        return len(zones)

    def _tolerated_while_covered(self, zones: Zones, covered: int) -> int:
        """All eligible nodes are covered: harm begins with the loss of the last of them."""
        zoned = 0
        for _, nodes in zones:
            zoned |= nodes
        if covered & ~zoned:
            return len(zones)
        if len(zones) == 1 and self.spare and not self._after(zones[0][1], _Counts(0, 0, 0, 0)):
            return 1
        return len(zones) - 1

    def _pods(self, covered: int) -> tuple[int, int] | None:
        """The least and the most pods on one of the covered nodes."""
        if not covered or self.forwarding < 0:
            return None
        least = most = 1
        for level, nodes in enumerate(self.crowded, 2):
            crowded = nodes & covered
            if not crowded:
                break
            most = level
            if crowded == covered:
                least = level
        return least, most


@lru_cache(maxsize=8)
def _resilience(traffic: _Traffic) -> Resilience:
    """The ports of a Service usually have the same endpoints."""
    return traffic.resilience()


def _counted(classes: Iterable[int]) -> _Counts:
    return _Counts(*[each.bit_count() for each in classes])


def worst(found: Sequence[Resilience]) -> Resilience | None:
    """The worst value of each figure over ports, families or consumers, because the traffic of each counts. None
    without any."""
    if not found or all(each is found[0] for each in found):
        return found[0] if found else None
    single_points = 0
    for each in found:
        single_points |= each.single_points
    pods = [each.pods for each in found if each.pods is not None]
    return Resilience(
        covered_nodes=min(each.covered_nodes for each in found),
        tolerates_nodes=min(each.tolerates_nodes for each in found),
        single_points=single_points,
        covered_zones=_least(each.covered_zones for each in found),
        tolerates_zones=_least(each.tolerates_zones for each in found),
        uncovered_zones=tuple(sorted({name for each in found for name in each.uncovered_zones})),
        pods=(min(least for least, _ in pods), max(most for _, most in pods)) if pods else None,
    )


def _least(numbers: Iterable[int | None]) -> int | None:
    return min((number for number in numbers if number is not None), default=None)
