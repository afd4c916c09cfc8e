"""Which pods a drain evicts, and which block it: the filters of kubectl and the rules of the eviction."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.foresight.changes import By, Drain
from etpguard.foresight.eviction import EVICT_DAEMONS, evictions
from etpguard.foresight.pods import Seen
from etpguard.objects import decode_item
from etpguard.objects.disruption_budgets import POD_DISRUPTION_BUDGET, PodDisruptionBudget
from etpguard.objects.pods import POD, Pod
from tests.foresight.clusters import Json, budget, pod

EMPTY_DIR: dict[str, Any] = {"volumes": [{"name": "v", "emptyDir": {}}]}
MEMORY: dict[str, Any] = {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]}
HOST_PATH: dict[str, Any] = {"volumes": [{"name": "v", "hostPath": {"path": "/var"}}]}
DO_NOT_DISRUPT: dict[str, str] = {"karpenter.sh/do-not-disrupt": "true"}
SAFE_VOLUMES: dict[str, str] = {"cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": "u,v"}
SAFE: dict[str, str] = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}
DAEMON = pod("d", "a", owner="DaemonSet/d")
MIRROR: dict[str, str] = {"kubernetes.io/config.mirror": "x"}


def system(raw: Json) -> Json:
    """The object in kube-system."""
    return {**raw, "metadata": {**raw["metadata"], "namespace": "kube-system"}}


def result(pods: list[Json], budgets: list[Json] | None = None, **drain: Any) -> str:
    """The pods that go, those that a budget limits, and the blocked ones with their reason and status."""
    records = [each for raw in pods if isinstance(each := decode_item(POD, raw), Pod)]
    assert len(records) == len(pods)
    known: list[PodDisruptionBudget] | None = None
    if budgets is not None:
        decoded = [decode_item(POD_DISRUPTION_BUDGET, raw) for raw in budgets]
        known = [each for each in decoded if isinstance(each, PodDisruptionBudget)]
    found = evictions(Drain(("a",), **drain), [("a", [Seen(each.key, "a", each) for each in records])], known)
    parts = [each.key.name for each in found.free]
    parts += [f"{'+'.join(p.key.name for p in each.pods)}:{each.at_once}" for each in found.limited]
    parts += [f"{each.key.name}?" for each in found.doubtful]
    parts += [f"{each.pod.name}={each.reason}{each.code or ''}" for each in found.blocked]
    return " ".join(parts)


@pytest.mark.parametrize(
    ("pods", "budgets", "drain", "expected"),
    [
        pytest.param([pod("p", "a")], [], {}, "p", id="a pod of a ReplicaSet goes"),
        pytest.param([pod("p", "a", owner="DaemonSet/d")], [], {}, "p=DaemonSet", id="one of a DaemonSet stays"),
        pytest.param([pod("p", "a", annotations=MIRROR)], [], {}, "p=MirrorPod", id="a mirror pod stays"),
        pytest.param(
            [pod("p", "a", owner=""), pod("q", "a")],
            [],
            {},
            "p=BarePod q=DrainRefused",
            id="a bare pod refuses all",
        ),
        pytest.param([pod("p", "a", owner="")], [], {"force": True}, "p", id="--force"),
        pytest.param([pod("p", "a", **EMPTY_DIR)], [], {}, "p=EmptyDir", id="an emptyDir refuses"),
        pytest.param([pod("p", "a", **EMPTY_DIR)], [], {"delete_emptydir_data": True}, "p", id="its flag"),
        pytest.param([pod("p", "a", owner="", phase="Succeeded")], [], {}, "p", id="a finished pod goes"),
        pytest.param([pod("p", "a")], [budget(0)], {}, "p=DisruptionBudget429", id="no disruption is allowed"),
        pytest.param([pod("p", "a")], [budget(1)], {}, "p", id="one disruption is allowed"),
        pytest.param([pod("p", "a"), pod("q", "a")], [budget(1)], {}, "p+q:1", id="one at a time"),
        pytest.param(
            [pod("p", "a")],
            [budget(5), budget(5, "other")],
            {},
            "p=SeveralBudgets500",
            id="two budgets on one pod",
        ),
        pytest.param([pod("p", "a")], [budget(0, labels={"app": "x"})], {}, "p", id="a budget of other pods"),
        pytest.param([pod("p", "a", phase="Pending")], [budget(0)], {}, "p", id="a pending pod goes"),
        pytest.param([pod("p", "a", deleting=True)], [budget(0)], {}, "p", id="a deleted pod goes"),
        pytest.param(
            [pod("p", "a", ready=False)],
            [budget(0, currentHealthy=2, desiredHealthy=2)],
            {},
            "p",
            id="an unready pod goes while enough are healthy",
        ),
        pytest.param(
            [pod("p", "a", ready=False)],
            [budget(0, currentHealthy=1, desiredHealthy=2)],
            {},
            "p=DisruptionBudget429",
            id="an unready pod is held while too few are healthy",
        ),
        pytest.param(
            [pod("p", "a", ready=False)],
            [budget(0, spec={"unhealthyPodEvictionPolicy": "AlwaysAllow"})],
            {},
            "p",
            id="AlwaysAllow",
        ),
        pytest.param(
            [pod("p", "a")],
            [budget(0, spec={"unhealthyPodEvictionPolicy": "AlwaysAllow"}, currentHealthy=2, desiredHealthy=2)],
            {},
            "p=DisruptionBudget429",
            id="a ready pod is held, whatever the budget says of others",
        ),
        pytest.param(
            [pod("p", "a")], [budget(1, observedGeneration=0)], {}, "p=DisruptionBudget429", id="a stale budget"
        ),
        pytest.param(
            [pod("p", "a")],
            [budget(0, observedGeneration=None)],
            {},
            "p=DisruptionBudget429",
            id="a budget whose pods its controller cannot count",
        ),
        pytest.param([pod("p", "a")], None, {}, "p?", id="budgets cannot be read"),
        pytest.param(
            [pod("p", "a", owner="", **EMPTY_DIR)], [], {"by": By.KARPENTER}, "p", id="Karpenter evicts bare pods"
        ),
        pytest.param(
            [pod("p", "a", annotations=DO_NOT_DISRUPT), pod("q", "a")],
            [],
            {"by": By.KARPENTER},
            "q p=DoNotDisrupt",
            id="do-not-disrupt: only this pod stays",
        ),
        pytest.param(
            [
                pod("p", "a", owner="DaemonSet/d", annotations=DO_NOT_DISRUPT),
                pod("q", "a", annotations={**MIRROR, **DO_NOT_DISRUPT}),
            ],
            [],
            {"by": By.KARPENTER},
            "p=DoNotDisrupt q=DoNotDisrupt",
            id="do-not-disrupt: pods of DaemonSets and mirror pods block too",
        ),
        pytest.param(
            [pod("p", "a", annotations=DO_NOT_DISRUPT, deleting=True)],
            [],
            {"by": By.KARPENTER},
            "p",
            id="do-not-disrupt: a deleted pod blocks nothing",
        ),
        pytest.param(
            [pod("p", "a", **EMPTY_DIR)],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "p=EmptyDir",
            id="autoscaler: emptyDir",
        ),
        pytest.param(
            [pod("p", "a", annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"})],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "p=NotSafeToEvict",
            id="autoscaler: not safe to evict",
        ),
        pytest.param(
            [pod("p", "a", **MEMORY)],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "p",
            id="autoscaler: an emptyDir in memory goes",
        ),
        pytest.param(
            [pod("p", "a", annotations=SAFE_VOLUMES, **EMPTY_DIR)],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "p",
            id="autoscaler: a volume that is safe to evict",
        ),
        pytest.param(
            [pod("p", "a", annotations=SAFE_VOLUMES, volumes=[{"name": "w", "emptyDir": {}}])],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "p=EmptyDir",
            id="autoscaler: another volume",
        ),
        pytest.param(
            [pod("p", "a", **HOST_PATH), pod("q", "a")],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "p=HostPath q=DrainRefused",
            id="autoscaler: hostPath",
        ),
        pytest.param(
            [system(pod("p", "a"))],
            [budget(1)],
            {"by": By.CLUSTER_AUTOSCALER},
            "p=SystemPod",
            id="autoscaler: kube-system without a budget of its own",
        ),
        pytest.param(
            [system(pod("p", "a"))],
            [system(budget(1))],
            {"by": By.CLUSTER_AUTOSCALER},
            "p",
            id="autoscaler: kube-system with a budget",
        ),
        pytest.param(
            [system(pod("p", "a", annotations=SAFE, **HOST_PATH))],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "p",
            id="autoscaler: safe to evict",
        ),
        pytest.param(
            [DAEMON, pod("q", "a")], [], {"by": By.KARPENTER}, "q d", id="Karpenter evicts pods of DaemonSets"
        ),
        pytest.param(
            [pod("d", "a", owner="DaemonSet/d", tolerations=[{"operator": "Exists"}]), pod("q", "a")],
            [],
            {"by": By.KARPENTER},
            "q d=DaemonSet",
            id="Karpenter: one that tolerates every taint",
        ),
        pytest.param(
            [DAEMON], [budget(0)], {"by": By.KARPENTER}, "d=DisruptionBudget429", id="Karpenter: with a budget"
        ),
        pytest.param(
            [DAEMON, pod("q", "a")],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "q d",
            id="autoscaler: pods of DaemonSets go with others",
        ),
        pytest.param([DAEMON], [], {"by": By.CLUSTER_AUTOSCALER}, "d=DaemonSet", id="autoscaler: not alone"),
        pytest.param(
            [pod("d", "a", owner="DaemonSet/d", annotations={EVICT_DAEMONS: "true"})],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "d",
            id="autoscaler: unless they wish it",
        ),
        pytest.param(
            [pod("d", "a", owner="DaemonSet/d", annotations={EVICT_DAEMONS: "false"}), pod("q", "a")],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "q d=DaemonSet",
            id="autoscaler: or not",
        ),
        pytest.param(
            [DAEMON, pod("q", "a", labels={"app": "x"})],
            [budget(0)],
            {"by": By.CLUSTER_AUTOSCALER},
            "q d?",
            id="autoscaler: the drain does not wait for pods of DaemonSets",
        ),
        pytest.param(
            [DAEMON, pod("q", "a", **HOST_PATH)],
            [],
            {"by": By.CLUSTER_AUTOSCALER},
            "q=HostPath d=DaemonSet",
            id="autoscaler: nothing goes",
        ),
        pytest.param([pod("p", "a", **HOST_PATH)], [], {}, "p", id="kubectl: hostPath"),
        pytest.param([pod("p", "a", **MEMORY)], [], {}, "p=EmptyDir", id="kubectl: an emptyDir in memory refuses"),
    ],
)
def test_evictions(pods: list[Json], budgets: list[Json] | None, drain: dict[str, Any], expected: str) -> None:
    assert result(pods, budgets, **drain) == expected


def test_how_many_pods_a_budget_without_a_status_lets_go_is_not_known() -> None:
    """An apply may bring a budget that allows no disruption, or all of them at once."""
    raw = budget(1)
    del raw["status"]
    assert result([pod("p", "a")], [raw]) == "p?"
