"""Which nodes a pod template leaves out: taints, the node selector, and the required node affinity. Pure.

k8s.io/kubernetes v1.37.2 pkg/scheduler/framework/plugins tainttoleration and nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from etpguard.objects import Node
from etpguard.objects.nodes import Taint
from etpguard.objects.pods import PodSpec, Toleration

UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "NoSchedule")
KARPENTER = Taint("karpenter.sh/disrupted", "NoSchedule")
_REPELLING = ("NoSchedule", "NoExecute")


def untolerated(tolerations: Iterable[Toleration], taints: Iterable[Taint]) -> Taint | None:
    """The first of these taints that keeps a pod with these tolerations away."""
    return next(iter(all_untolerated(tolerations, taints)), None)


def all_untolerated(tolerations: Iterable[Toleration], taints: Iterable[Taint]) -> list[Taint]:
    """Those of these taints that keep a pod with these tolerations away."""
    known = tuple(tolerations)
    return [
        taint
        for taint in taints
        if taint.effect in _REPELLING and not any(each.tolerates(taint) for each in known)
    ]


def unmet_selector(spec: PodSpec, labels: Mapping[str, str]) -> dict[str, str]:
    """The entries of the node selector that a node with these labels does not meet."""
    return {key: value for key, value in (spec.node_selector or {}).items() if labels.get(key) != value}


def affinity_admits(spec: PodSpec, node: Node) -> bool:
    """Whether the required node affinity admits the node. No affinity admits every node."""
    affinity = spec.affinity and spec.affinity.node_affinity
    return not affinity or affinity.admits(node.metadata.name, node.labels)
