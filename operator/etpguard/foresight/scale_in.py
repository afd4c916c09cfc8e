"""Which pods a ReplicaSet deletes when it is scaled in, as far as the API shows it. Pure.

k8s.io/kubernetes v1.37.2 pkg/controller/controller_utils.go ActivePodsWithRanks.Less and pkg/controller/replicaset
getPodsRankedByRelatedPodsOnSameNode. Two pods that differ in none of the first five rules are tied: the rest
depends on the time of the deletion, in logarithmic steps, and on the UIDs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from etpguard.objects import Key
from etpguard.objects.pod_controllers import PodController
from etpguard.objects.pods import Pod

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


class Victims(NamedTuple):
    """The pods that are surely deleted, and tied pods, of which the scale-in deletes `of_tied` more."""

    certain: tuple[Key, ...]
    tied: tuple[Key, ...]
    of_tied: int


def victims(pods: Sequence[Pod], number: int, related: Sequence[Pod]) -> Victims:
    """The victims among the active `pods` of one ReplicaSet. `related` are the active pods of all ReplicaSets of
    the same controller, by which pods that share a node are counted. A ReplicaSet without a controller has none:
    getReplicaSetsWithSameController."""
    number = min(max(number, 0), len(pods))
    shared = Counter(pod.node for pod in related if pod.node)
    ranked = sorted((_rank(pod, shared), pod.key) for pod in pods)
    ranks = [rank for rank, _ in ranked]
    if number in (0, len(ranked)):
        return Victims(tuple(key for _, key in ranked[:number]), (), 0)
    last = ranks[number - 1]
    begin, end = bisect_left(ranks, last), bisect_right(ranks, last)
    if end == number:
        return Victims(tuple(key for _, key in ranked[:number]), (), 0)
    certain = tuple(key for _, key in ranked[:begin])
    return Victims(certain, tuple(key for _, key in ranked[begin:end]), number - begin)


def _rank(pod: Pod, shared: Counter[str]) -> tuple[int, int, int, int, int]:
    """The first five rules: what sorts first is deleted first."""
    return (int(bool(pod.node)), _PHASES.get(pod.phase, 0), int(pod.ready), deletion_cost(pod), -shared[pod.node])


def deletion_cost(pod: Pod) -> int:
    """pkg/apis/core/helper GetDeletionCostFromPodAnnotations: an int32 without a sign "+" or leading zeros; 0 for
    anything else."""
    text = pod.annotations.get(DELETION_COST, "")
    digits = text.removeprefix("-")
    plain = digits.isascii() and digits.isdecimal() and (digits == "0" or not digits.startswith("0"))
    if not plain or text == "-0":
        return 0
    value = int(text)
    return value if -(2**31) <= value < 2**31 else 0


def outside(stateful_set: PodController, pods: Iterable[Key], replicas: int) -> frozenset[Key]:
    """The pods that a StatefulSet with this number of replicas deletes: those whose ordinal is out of range.
    pkg/controller/statefulset/stateful_set_control.go updateStatefulSet."""
    ordinals = stateful_set.spec.ordinals
    end = (ordinals.start if ordinals and ordinals.start else 0) + replicas
    return frozenset(pod for pod in pods if ordinal(pod.name) >= end)


def ordinal(name: str) -> int:
    """The ordinal of a StatefulSet's pod, -1 if its name has none."""
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdecimal() else -1
