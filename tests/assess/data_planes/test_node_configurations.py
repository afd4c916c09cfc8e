"""Configurations of single nodes: CiliumNodeConfigs and the FelixConfigurations `node.NAME`."""

from __future__ import annotations

import pytest

from etpguard.assess.data_planes.choice import Choice
from etpguard.assess.data_planes.detection import Detection
from etpguard.objects import named
from tests.assess.data_planes.clusters import (
    Json,
    cilium_node_config,
    cluster_object,
    daemon_set,
    detect,
    named_objects,
    node,
    not_on,
)
from tests.assess.data_planes.detected import AKS_CILIUM, CALICO, CILIUM, FELIX, KPR, KUBE_PROXY, MIGRATED, NO_KPR

NEW: Json = {"pool": "new"}
A = node("a")
B = node("b", **NEW)
SELECTED: Json = {"matchLabels": NEW}
ON = cilium_node_config("on", SELECTED, kube_proxy_replacement="true")
OFF = cilium_node_config("off", SELECTED, kube_proxy_replacement="false")
BY_CILIUM = "kube-proxy-replacement"
CALICO_NODES = (named.CALICO_FELIX_NODES,)
CILIUM_NODES = (named.CILIUM_NODE_CONFIGS,)
EBPF_ON = daemon_set("calico-node", env=[{"name": "FELIX_BPFENABLED", "value": "true"}])
ALPHA = ON | {"apiVersion": "cilium.io/v2alpha1"}


def felix(name: str, *, bpf: bool, version: str = "crd.projectcalico.org/v1") -> Json:
    return cluster_object("FelixConfiguration", version, name, bpfEnabled=bpf)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(
            [NO_KPR, CILIUM, ON],
            {"a": "kube-proxy assumed", "b": f"CiliumNodeConfig kube-system/on: {BY_CILIUM}=true"},
            id="a migration: selected nodes",
        ),
        pytest.param(
            [NO_KPR, CILIUM, ALPHA],
            {"a": "kube-proxy assumed", "b": f"CiliumNodeConfig kube-system/on: {BY_CILIUM}=true"},
            id="Cilium before 1.15",
        ),
        pytest.param(
            [NO_KPR, CILIUM, ON, ALPHA],
            {"a": "kube-proxy assumed", "b": f"CiliumNodeConfig kube-system/on: {BY_CILIUM}=true"},
            id="both versions of the API",
        ),
        pytest.param(
            [NO_KPR, CILIUM, ON, OFF],
            {"a": "kube-proxy assumed", "b": f"CiliumNodeConfig kube-system/on: {BY_CILIUM}=true"},
            id="of two that overlap, the last by name wins",
        ),
        pytest.param(
            [NO_KPR, CILIUM, ON, cilium_node_config("z", SELECTED, kube_proxy_replacement="false", debug="true")],
            {"a b": "kube-proxy assumed"},
            id="of two that overlap, the last by name wins: kube-proxy",
        ),
        pytest.param(
            [KPR, CILIUM, OFF],
            {"a": f"ConfigMap kube-system/cilium-config: {BY_CILIUM}=true", "b": "kube-proxy assumed"},
            id="selected nodes keep kube-proxy",
        ),
        pytest.param(
            [NO_KPR, CILIUM, ON, daemon_set("kube-proxy", affinity=not_on("pool", "new"))],
            {
                "a": "DaemonSet kube-system/kube-proxy",
                "b": f"CiliumNodeConfig kube-system/on: {BY_CILIUM}=true",
            },
            id="kube-proxy leaves the selected nodes",
        ),
        pytest.param(
            [CILIUM, cilium_node_config("all", {}, kube_proxy_replacement="true")],
            {"a b": f"CiliumNodeConfig kube-system/all: {BY_CILIUM}=true"},
            id="an empty selector selects all nodes",
        ),
        pytest.param(
            [NO_KPR, CILIUM, cilium_node_config("none", None, kube_proxy_replacement="true")],
            {"a b": "kube-proxy assumed"},
            id="no selector selects no node",
        ),
        pytest.param(
            [
                NO_KPR,
                CILIUM,
                cilium_node_config(
                    "x",
                    {"matchExpressions": [{"key": "pool", "operator": "DoesNotExist"}]},
                    kube_proxy_replacement="true",
                ),
            ],
            {"a": f"CiliumNodeConfig kube-system/x: {BY_CILIUM}=true", "b": "kube-proxy assumed"},
            id="an expression",
        ),
        pytest.param(
            [NO_KPR, CILIUM, cilium_node_config("debug", {}, debug="true")],
            {"a b": "kube-proxy assumed"},
            id="keys that no rule reads",
        ),
        pytest.param(
            [CALICO, felix("default", bpf=False), felix("node.b", bpf=True)],
            {"a": "kube-proxy assumed", "b": "FelixConfiguration node.NAME: bpfEnabled=true"},
            id="Felix: the node outranks the default",
        ),
        pytest.param(
            [CALICO, felix("default", bpf=True), felix("node.b", bpf=False)],
            {"a": "FelixConfiguration default: bpfEnabled=true", "b": "kube-proxy assumed"},
            id="Felix: a node without eBPF",
        ),
        pytest.param(
            [CALICO, felix("node.b", bpf=True, version="projectcalico.org/v3")],
            {"a": "kube-proxy assumed", "b": "FelixConfiguration node.NAME: bpfEnabled=true"},
            id="Felix: the other API",
        ),
        pytest.param(
            [EBPF_ON, felix("node.b", bpf=False)],
            {"a b": "DaemonSet kube-system/calico-node: FELIX_BPFENABLED=true"},
            id="Felix: the environment outranks the node",
        ),
        pytest.param(
            [CALICO, cluster_object(*FELIX[:2], "node.b"), felix("other.b", bpf=True)],
            {"a b": "kube-proxy assumed"},
            id="Felix: objects that say nothing of eBPF on a node",
        ),
    ],
)
def test_the_nodes_that_are_selected(items: list[Json], expected: dict[str, str]) -> None:
    found = detect([A, B, *items])
    shown = {g.nodes: g.how if g.evidence != "assumed" else f"{g.plane} {g.evidence}" for g in found.groups}
    assert shown == expected
    assert found.planes.contradictions == ()
    assert found.planes.otherwise == ()


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        pytest.param(
            [node("a", **NEW, **MIGRATED), NO_KPR, CILIUM, OFF],
            "the label io.cilium.migration/kube-proxy-replacement=true shows cilium, but "
            f"CiliumNodeConfig kube-system/off: {BY_CILIUM}=false shows kube-proxy, on 1 node",
            id="the label of the migration",
        ),
        pytest.param(
            [node("a", **NEW), NO_KPR, CILIUM, ON, KUBE_PROXY],
            f"CiliumNodeConfig kube-system/on: {BY_CILIUM}=true shows cilium, but "
            "DaemonSet kube-system/kube-proxy shows kube-proxy, on 1 node",
            id="kube-proxy runs on a selected node",
        ),
    ],
)
def test_contradictions(items: list[Json], sentence: str) -> None:
    found = detect(items)
    assert found.planes.contradictions == (sentence,)
    assert found.possible == {"cilium", "kube-proxy"}
    assert found.groups[0].evidence == "assumed"


@pytest.mark.parametrize(
    ("items", "unread", "possible"),
    [
        pytest.param([A], named.NAMED_OBJECTS, {"kube-proxy"}, id="nothing shows Cilium or Calico"),
        pytest.param([A, KPR, CILIUM], CILIUM_NODES, {"cilium", "kube-proxy"}, id="Cilium"),
        pytest.param(
            [A, KPR, CILIUM], [named.CILIUM_NODE_CONFIGS_ALPHA], {"cilium", "kube-proxy"}, id="Cilium, old version"
        ),
        pytest.param(
            [A, KPR, CILIUM, daemon_set("kube-proxy", desired=0)],
            CILIUM_NODES,
            {"cilium"},
            id="no kube-proxy on the node",
        ),
        pytest.param([node("a", **AKS_CILIUM), KPR], CILIUM_NODES, {"cilium"}, id="AKS says it of the node"),
        pytest.param([node("a", **MIGRATED), NO_KPR, CILIUM], CILIUM_NODES, {"cilium"}, id="the label says it"),
        pytest.param([A, NO_KPR, CILIUM], CILIUM_NODES, {"cilium", "kube-proxy"}, id="Cilium beside kube-proxy"),
        pytest.param(
            [A, NO_KPR, CILIUM, KUBE_PROXY],
            CILIUM_NODES,
            {"cilium", "kube-proxy"},
            id="Cilium beside the DaemonSet of kube-proxy",
        ),
        pytest.param([A, KUBE_PROXY], CILIUM_NODES, {"kube-proxy"}, id="no Cilium"),
        pytest.param([A, CALICO], CALICO_NODES, {"kube-proxy", "calico-ebpf"}, id="Calico"),
        pytest.param(
            [A, CALICO, felix("default", bpf=False)], CALICO_NODES, {"kube-proxy", "calico-ebpf"}, id="iptables"
        ),
        pytest.param(
            [A, CALICO, felix("default", bpf=True)],
            [named.CALICO_FELIX_NODES_V3],
            {"kube-proxy", "calico-ebpf"},
            id="eBPF",
        ),
        pytest.param([A, EBPF_ON], CALICO_NODES, {"calico-ebpf"}, id="the environment decides"),
        pytest.param([A, KUBE_PROXY], CALICO_NODES, {"kube-proxy"}, id="no Calico"),
        pytest.param(
            [B, KPR, CILIUM, cilium_node_config("x", SELECTED, kube_proxy_replacement="partial")],
            (),
            {"cilium", "kube-proxy"},
            id="an override leaves it open",
        ),
    ],
)
def test_what_no_list_excludes(items: list[Json], unread: list[named.NamedObject], possible: set[str]) -> None:
    found = detect(items, unread=unread)
    assert found.possible == possible
    assert found.planes.contradictions == ()


def test_a_change_of_a_list_is_a_change() -> None:
    detections = [Detection(Choice(), named_objects([NO_KPR, config])) for config in (ON, OFF, ON)]
    first, other, again = (detection.objects.substance for detection in detections)
    assert first == again != other
