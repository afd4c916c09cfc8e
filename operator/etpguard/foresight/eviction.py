"""Which pods a drain evicts, which stay, and which block it. Pure.

kubectl: k8s.io/kubectl v0.37.2 pkg/drain/filters.go, with --ignore-daemonsets. One refused pod, and kubectl evicts
none of the node. The eviction: k8s.io/kubernetes v1.37.2 pkg/registry/core/pod/storage/eviction.go. The cluster
autoscaler: kubernetes/autoscaler 084264c1 cluster-autoscaler/simulator/drainability/rules/rules.go, with its flags
as they are by default, and utils/drain/drain.go; core/scaledown/actuation/drain.go podsToEvict for the pods of
DaemonSets, whose eviction may fail. Karpenter: kubernetes-sigs/karpenter pkg/controllers/state/statenode.go
ValidatePodsDisruptable, where pods of DaemonSets and mirror pods count too, and pkg/utils/pod IsEvictable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from etpguard.foresight.changes import By, Drain
from etpguard.foresight.placement.node_filters import KARPENTER, untolerated
from etpguard.foresight.pods import Seen
from etpguard.objects import Key
from etpguard.objects.disruption_budgets import PodDisruptionBudget
from etpguard.objects.pods import Pod

MIRROR = "kubernetes.io/config.mirror"
DO_NOT_DISRUPT = "karpenter.sh/do-not-disrupt"
SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
EVICT_DAEMONS = "cluster-autoscaler.kubernetes.io/enable-ds-eviction"
SAFE_VOLUMES = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"


@dataclass(frozen=True, slots=True)
class Blocked:
    """A pod that is not evicted. `code` is the HTTP status of the eviction, 0 where none is sent."""

    pod: Key
    node: str
    reason: str
    detail: str
    code: int = 0
    stays: bool = False
    """Whether the drain is complete without it, as for a mirror pod and for some pods of DaemonSets."""


@dataclass(frozen=True, slots=True)
class Limited:
    """Pods, and how many of them a PodDisruptionBudget lets go before replacements are ready."""

    budget: Key
    pods: tuple[Seen, ...]
    at_once: int


@dataclass
class Evictions:
    """What happens to the pods of the drained nodes."""

    free: list[Seen] = field(default_factory=list)
    """They go, whatever happens to the others."""
    limited: list[Limited] = field(default_factory=list)
    doubtful: list[Seen] = field(default_factory=list)
    """They go or stay: something that decides cannot be read."""
    blocked: list[Blocked] = field(default_factory=list)

    @property
    def allowed(self) -> list[Seen]:
        """The pods that may go, at once or in turn."""
        return [*self.free, *(pod for each in self.limited for pod in each.pods)]

    @property
    def complete(self) -> bool:
        """Whether the drain can end: nothing certainly blocks it."""
        return all(each.stays for each in self.blocked)


def evictions(
    change: Drain, pods: Iterable[tuple[str, Sequence[Seen]]], budgets: Sequence[PodDisruptionBudget] | None
) -> Evictions:
    """`pods` are those of each drained node; `budgets` None if they cannot be read."""
    found = Evictions()
    by_budget: dict[Key, list[Seen]] = defaultdict(list)
    by_key = {budget.key: budget for budget in budgets or ()}
    for node, on_node in pods:
        evicted = _chosen(change, node, on_node, budgets, found)
        for each in evicted:
            _evict(each, node, budgets, found, by_budget)
    for key, members in by_budget.items():
        allowed = _allowed(by_key[key])
        if allowed is None:
            found.doubtful += members
        elif 0 < allowed < len(members):
            found.limited.append(Limited(key, tuple(members), allowed))
        elif allowed:
            found.free += members
        else:
            for each in members:
                found.blocked.append(
                    Blocked(each.key, each.node, "DisruptionBudget", f"{key} allows no disruption now", 429)
                )
    return found


def _chosen(
    change: Drain,
    node: str,
    pods: Sequence[Seen],
    budgets: Sequence[PodDisruptionBudget] | None,
    found: Evictions,
) -> list[Seen]:
    """The pods of one node that the drain sends evictions for."""
    chosen: list[Seen] = []
    refused: list[Blocked] = []
    daemons: list[tuple[Seen, Pod]] = []
    for each in pods:
        pod = each.pod
        if pod is None:
            found.doubtful.append(each)
            continue
        if pod.finished:
            chosen.append(each)  # it can be removed, and serves nothing
            continue
        if change.by is By.KARPENTER and pod.active and pod.annotations.get(DO_NOT_DISRUPT) == "true":
            found.blocked.append(Blocked(pod.key, node, "DoNotDisrupt", f"it has the annotation {DO_NOT_DISRUPT}"))
        elif MIRROR in pod.annotations or each.controlled_by == "Node":
            found.blocked.append(Blocked(pod.key, node, "MirrorPod", "kubelet runs it from a file", stays=True))
        elif each.controlled_by == "DaemonSet":
            daemons.append((each, pod))
        elif why := _refusal(change, pod, each.controlled_by or "", budgets):
            refused.append(Blocked(pod.key, node, *why))
        else:
            chosen.append(each)
    if refused:
        found.blocked += refused
        held = f"the drain of {node} is refused because of {refused[0].pod}"
        found.blocked += [Blocked(each.key, node, "DrainRefused", held) for each in chosen]
        chosen = []
    others = bool(chosen)
    for each, pod in daemons:
        if why_stays := _stays(change, pod, others):
            found.blocked.append(Blocked(pod.key, node, "DaemonSet", why_stays, stays=True))
        elif change.by is By.CLUSTER_AUTOSCALER and (budgets is None or any(b.covers(pod) for b in budgets)):
            found.doubtful.append(each)  # the drain does not wait for it
        else:
            chosen.append(each)
    return chosen


def _stays(change: Drain, pod: Pod, others: bool) -> str:
    """Why a pod of a DaemonSet is not evicted; "" if it is. `others`: whether other pods of the node are."""
    match change.by:
        case By.KUBECTL:
            return "a drain leaves the pods of DaemonSets"
        case By.KARPENTER:
            evicted = untolerated(pod.spec.tolerations or (), [KARPENTER])
            return "" if evicted else f"it tolerates the taint {KARPENTER.key}"
        case By.CLUSTER_AUTOSCALER:
            wish = pod.annotations.get(EVICT_DAEMONS)
            if wish == "false":
                return f"it has the annotation {EVICT_DAEMONS}=false"
            if not others and wish != "true":
                return "no other pod of the node is evicted (--daemonset-eviction-for-empty-nodes, off by default)"
            return ""


def _refusal(
    change: Drain, pod: Pod, controller: str, budgets: Sequence[PodDisruptionBudget] | None
) -> tuple[str, str] | None:
    """Why the drain of the node is refused because of this pod: a code and a sentence. Karpenter, once it has
    begun, evicts the others."""
    match change.by:
        case By.KUBECTL:
            local = any(volume.empty_dir is not None for volume in pod.spec.volumes or ())
            if local and not change.delete_emptydir_data:
                return "EmptyDir", "it has an emptyDir, and --delete-emptydir-data is not given"
            if not controller and not change.force:
                return "BarePod", "it has no controller, and --force is not given"
        case By.CLUSTER_AUTOSCALER:
            return _kept_by_autoscaler(pod, controller, budgets)
    return None


def _kept_by_autoscaler(
    pod: Pod, controller: str, budgets: Sequence[PodDisruptionBudget] | None
) -> tuple[str, str] | None:
    safe = pod.annotations.get(SAFE_TO_EVICT)
    if safe == "true":
        return None
    if safe == "false":
        return "NotSafeToEvict", f"it has the annotation {SAFE_TO_EVICT}=false"
    if not controller:
        return "BarePod", "it has no controller"
    if pod.key.namespace == "kube-system" and budgets is not None and not any(b.covers(pod) for b in budgets):
        why = "it is in kube-system without a PodDisruptionBudget (--skip-nodes-with-system-pods, on by default)"
        return "SystemPod", why
    spared = pod.annotations.get(SAFE_VOLUMES, "").split(",")
    for volume in pod.spec.volumes or ():
        if volume.name in spared:
            continue
        if volume.host_path is not None:
            return "HostPath", "it has a hostPath (--skip-nodes-with-local-storage, on by default)"
        if volume.empty_dir is not None and volume.empty_dir.medium != "Memory":
            return "EmptyDir", "it has an emptyDir (--skip-nodes-with-local-storage, on by default)"
    return None


def _evict(
    each: Seen,
    node: str,
    budgets: Sequence[PodDisruptionBudget] | None,
    found: Evictions,
    by_budget: dict[Key, list[Seen]],
) -> None:
    pod = each.pod
    if pod is None or pod.finished or pod.deleting or pod.phase == "Pending":
        found.free.append(each)  # canIgnorePDB
        return
    if budgets is None:
        found.doubtful.append(each)
        return
    covering = [budget for budget in budgets if budget.covers(pod)]
    if len(covering) > 1:
        names = " and ".join(str(budget.key) for budget in covering[:2])
        detail = f"{names} both select it, which the eviction does not support"
        found.blocked.append(Blocked(pod.key, node, "SeveralBudgets", detail, 500))
    elif not covering or (not pod.ready and _lets_unready_go(covering[0])):
        found.free.append(each)
    else:
        by_budget[covering[0].key].append(each)


def _lets_unready_go(budget: PodDisruptionBudget) -> bool:
    if budget.spec is not None and budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow":
        return True
    status = budget.status
    return status is not None and (status.current_healthy or 0) >= (status.desired_healthy or 0) > 0


def _allowed(budget: PodDisruptionBudget) -> int | None:
    """How many disruptions the budget allows now: none while its controller has not seen its last version, or
    cannot count the pods, as those of a DaemonSet. None for a manifest without a status."""
    status = budget.status
    if status is None or status.disruptions_allowed is None:
        return None
    if (status.observed_generation or 0) < (budget.metadata.generation or 0):
        return 0
    return max(status.disruptions_allowed, 0)
