"""Which sign shows which data plane."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest

from etpguard.assess import DataPlane, KnownDataPlane
from etpguard.assess.data_planes.kube_proxy import answers_arp_everywhere, node_port_ranges
from etpguard.assess.data_planes.mixed import Rules
from etpguard.objects import named
from tests.assess.data_planes.clusters import (
    ALL,
    Json,
    cluster_object,
    config_map,
    daemon_set,
    detect,
    node,
    not_on,
)
from tests.assess.data_planes.detected import (
    AKS,
    AKS_CILIUM,
    CALICO,
    CILIUM,
    FELIX,
    KPR,
    KUBE_PROXY,
    MIGRATED,
    NO_KPR,
)

WINDOWS: Json = {"kubernetes.io/os": "windows"}
EKS_AUTO: Json = {"eks.amazonaws.com/compute-type": "auto"}
GKE: Json = {"cloud.google.com/gke-nodepool": "p"}
ALL_OF_ANTREA = "antreaProxy: {proxyAll: true}"
OVN: Json = {
    "k8s.ovn.org/node-chassis-id": "c",
    "k8s.ovn.org/l3-gateway-config": '{"default":{"mode":"shared","node-port-enable":"true"}}',
}
A = node("a")


def proxy_config(text: str) -> Json:
    return config_map("kube-proxy", **{"config.conf": text})


ANTREA = daemon_set("antrea-agent", "antrea/antrea-agent-ubuntu:v2.4.1")


def antrea_config(text: str) -> Json:
    return config_map("antrea-config", **{"antrea-agent.conf": text})


def openshift(kind: str, **spec: Any) -> Json:
    return cluster_object("Network", "operator.openshift.io/v1", "cluster", defaultNetwork={"type": kind}, **spec)


def args(program: str, *arguments: str) -> Json:
    text = ",".join(f'"{each}"' for each in arguments)
    return {f"{program}.io/node-args": f"[{text}]"}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([A], "kube-proxy assumed: assumed", id="no sign"),
        pytest.param(
            [node("a", **AKS_CILIUM)],
            "cilium observed: the label kubernetes.azure.com/ebpf-dataplane=cilium",
            id="AKS with Cilium",
        ),
        pytest.param(
            [node("a", **WINDOWS)], "winkernel observed: the label kubernetes.io/os=windows", id="Windows"
        ),
        pytest.param(
            [node("a", annotations=OVN)],
            "ovn-kubernetes shared observed: the annotation k8s.ovn.org/node-chassis-id",
            id="OVN-Kubernetes",
        ),
        pytest.param(
            [node("a", **MIGRATED), NO_KPR, CILIUM],
            "cilium v1.20.2 observed: the label io.cilium.migration/kube-proxy-replacement=true",
            id="a node that Cilium's migration has reached",
        ),
        pytest.param(
            [node("a", **EKS_AUTO)],
            "kube-proxy documented: the label eks.amazonaws.com/compute-type=auto",
            id="EKS Auto Mode",
        ),
        pytest.param(
            [node("a", annotations=args("k3s", "server"))],
            "kube-proxy iptables observed: the annotation k3s.io/node-args, without --disable-kube-proxy",
            id="k3s",
        ),
        pytest.param(
            [node("a", annotations=args("rke2", "server", "--kube-proxy-arg", "proxy-mode=ipvs"))],
            "kube-proxy ipvs observed: the annotation rke2.io/node-args, without --disable-kube-proxy",
            id="RKE2 with a mode",
        ),
        pytest.param(
            [node("a", annotations=args("k3s", "server", "--disable-kube-proxy", "true"))],
            "other observed: --disable-kube-proxy in the annotation k3s.io/node-args of the servers",
            id="k3s without kube-proxy, and nothing shows what replaces it",
        ),
        pytest.param(
            [node("a", annotations=args("k3s", "server", "--disable-kube-proxy")), KPR, CILIUM],
            "cilium v1.20.2 observed: ConfigMap kube-system/cilium-config: kube-proxy-replacement=true",
            id="k3s without kube-proxy, with Cilium",
        ),
        pytest.param(
            [node("a", annotations=args("k3s", "server", "--disable-kube-proxy", "false"))],
            "kube-proxy iptables observed: the annotation k3s.io/node-args, without --disable-kube-proxy",
            id="a switch that is off",
        ),
        pytest.param([node("a", annotations=args("k3s", "agent"))], "kube-proxy assumed: assumed", id="no server"),
        pytest.param(
            [A, config_map("cilium-config", **{"kube-proxy-replacement": "strict"})],
            "cilium observed: ConfigMap kube-system/cilium-config: kube-proxy-replacement=strict",
            id="Cilium before 1.14",
        ),
        pytest.param([A, NO_KPR, CILIUM], "kube-proxy assumed: assumed", id="Cilium beside kube-proxy"),
        pytest.param(
            [A, NO_KPR, CILIUM, KUBE_PROXY],
            "kube-proxy observed: DaemonSet kube-system/kube-proxy",
            id="Cilium beside the DaemonSet of kube-proxy",
        ),
        pytest.param(
            [A, KUBE_PROXY, config_map("kube-proxy", **{"config.conf": 'mode: "nftables"'})],
            "kube-proxy nftables observed: DaemonSet kube-system/kube-proxy",
            id="kubeadm with a mode",
        ),
        pytest.param(
            [A, KUBE_PROXY, config_map("kube-proxy", **{"config.conf": 'mode: ""'})],
            "kube-proxy iptables observed: DaemonSet kube-system/kube-proxy",
            id="kubeadm",
        ),
        pytest.param(
            [A, KUBE_PROXY, config_map("kube-proxy-config", config="mode: ipvs")],
            "kube-proxy ipvs observed: DaemonSet kube-system/kube-proxy",
            id="EKS",
        ),
        pytest.param(
            [A, daemon_set("kube-proxy", command=["kube-proxy", "--proxy-mode=ipvs"])],
            "kube-proxy ipvs observed: DaemonSet kube-system/kube-proxy",
            id="a mode in the arguments",
        ),
        pytest.param(
            [A, daemon_set("kube-proxy", desired=0)],
            "other observed: DaemonSet kube-system/kube-proxy does not run on the node",
            id="kube-proxy is switched off",
        ),
        pytest.param(
            [node("a", **GKE), daemon_set("kube-proxy", desired=0)],
            "kube-proxy assumed: assumed",
            id="GKE, where kube-proxy is a static pod",
        ),
        pytest.param(
            [A, daemon_set("anetd", "gke.gcr.io/cilium/cilium:v1.15.6-gke.11"), KPR],
            "cilium v1.15.6-gke.11 observed: ConfigMap kube-system/cilium-config: kube-proxy-replacement=true",
            id="GKE Dataplane V2",
        ),
        pytest.param(
            [
                A,
                CALICO,
                cluster_object(
                    "Installation", "operator.tigera.io/v1", "default", calicoNetwork={"linuxDataplane": "BPF"}
                ),
            ],
            "calico-ebpf v3.31.0 observed: Installation default: linuxDataplane=BPF",
            id="Calico eBPF by its operator",
        ),
        pytest.param(
            [A, CALICO, cluster_object(*FELIX, bpfEnabled=True)],
            "calico-ebpf v3.31.0 observed: FelixConfiguration default: bpfEnabled=true",
            id="Calico eBPF by Felix",
        ),
        pytest.param(
            [A, daemon_set("calico-node", env=[{"name": "FELIX_BPFENABLED", "value": "true"}])],
            "calico-ebpf v1.0.0 observed: DaemonSet kube-system/calico-node: FELIX_BPFENABLED=true",
            id="Calico eBPF by its environment",
        ),
        pytest.param(
            [
                A,
                CALICO,
                cluster_object("Installation", "operator.tigera.io/v1", "default"),
                cluster_object(*FELIX, bpfEnabled=True),
            ],
            "calico-ebpf v3.31.0 observed: FelixConfiguration default: bpfEnabled=true",
            id="Calico eBPF by Felix, and an Installation that names no data plane",
        ),
        pytest.param(
            [
                A,
                CALICO,
                cluster_object("Installation", "operator.tigera.io/v1", "default", variant="Calico"),
                cluster_object(*FELIX, bpfEnabled=True),
            ],
            "calico-ebpf v3.31.0 observed: FelixConfiguration default: bpfEnabled=true",
            id="Calico, said so",
        ),
        pytest.param(
            [
                A,
                daemon_set("calico-node", "quay.io/tigera/node:v3.23.1", "calico-system"),
                cluster_object("Installation", "operator.tigera.io/v1", "default", variant="CalicoEnterprise"),
                cluster_object(*FELIX, bpfEnabled=True),
            ],
            "calico-ebpf observed: FelixConfiguration default: bpfEnabled=true",
            id="Calico Enterprise has releases of its own",
        ),
        pytest.param(
            [
                A,
                daemon_set("calico-node", "quay.io/tigera/cnx-node:v3.23.1", "calico-system"),
                cluster_object(*FELIX, bpfEnabled=True),
            ],
            "calico-ebpf observed: FelixConfiguration default: bpfEnabled=true",
            id="Calico Enterprise by its image",
        ),
        pytest.param([A, CALICO, cluster_object(*FELIX)], "kube-proxy assumed: assumed", id="Calico without eBPF"),
        pytest.param(
            [
                A,
                CALICO,
                cluster_object(
                    "Installation", "operator.tigera.io/v1", "default", calicoNetwork={"linuxDataplane": "VPP"}
                ),
            ],
            "other observed: Installation default: linuxDataplane=VPP",
            id="Calico VPP",
        ),
        pytest.param(
            [A, openshift("OVNKubernetes")],
            "ovn-kubernetes observed: Network cluster: defaultNetwork.type=OVNKubernetes",
            id="OpenShift",
        ),
        pytest.param(
            [A, openshift("OpenShiftSDN")],
            "kube-proxy observed: Network cluster: defaultNetwork.type=OpenShiftSDN",
            id="OpenShift SDN",
        ),
        pytest.param(
            [A, openshift("Calico", deployKubeProxy=True)],
            "kube-proxy observed: Network cluster: deployKubeProxy=true",
            id="OpenShift with kube-proxy",
        ),
        pytest.param(
            [A, openshift("Calico", deployKubeProxy=False)],
            "other observed: Network cluster: deployKubeProxy=false",
            id="OpenShift without kube-proxy, and nothing shows what replaces it",
        ),
        pytest.param(
            [A, openshift("Cilium", deployKubeProxy=False)],
            "cilium observed: Network cluster: defaultNetwork.type=Cilium with deployKubeProxy=false",
            id="OpenShift with Cilium",
        ),
        pytest.param(
            [A, daemon_set("ovnkube-node", namespace="ovn-kubernetes")],
            "ovn-kubernetes observed: DaemonSet ovn-kubernetes/ovnkube-node",
            id="OVN-Kubernetes by its DaemonSet",
        ),
        pytest.param(
            [A, ANTREA, antrea_config("antreaProxy:\n  # yes\n  proxyAll: true\n"), KUBE_PROXY],
            "antrea v2.4.1 observed: ConfigMap kube-system/antrea-config: proxyAll=true",
            id="Antrea precedes kube-proxy",
        ),
        pytest.param(
            [A, ANTREA, antrea_config("antreaProxy:\n  proxyAll: false\n"), KUBE_PROXY],
            "kube-proxy observed: DaemonSet kube-system/kube-proxy",
            id="Antrea without proxyAll",
        ),
        pytest.param(
            [A, ANTREA, antrea_config(f"featureGates: {{AntreaProxy: false}}\n{ALL_OF_ANTREA}"), KUBE_PROXY],
            "kube-proxy observed: DaemonSet kube-system/kube-proxy",
            id="Antrea without its proxy",
        ),
        pytest.param(
            [A, daemon_set("antrea-agent", "antrea:v2.0.0"), antrea_config(ALL_OF_ANTREA), KUBE_PROXY],
            "kube-proxy observed: DaemonSet kube-system/kube-proxy",
            id="kube-proxy precedes an old Antrea",
        ),
        pytest.param(
            [A, daemon_set("kube-router", "cloudnativelabs/kube-router:v2.11.1", args=["--run-router=true"])],
            "kube-router v2.11.1 observed: DaemonSet kube-system/kube-router: --run-service-proxy=true",
            id="kube-router",
        ),
        pytest.param(
            [A, daemon_set("kube-router", args=["--run-service-proxy=false"]), KUBE_PROXY],
            "kube-proxy observed: DaemonSet kube-system/kube-proxy",
            id="k0s: kube-router without its service proxy",
        ),
    ],
)
def test_one_data_plane(items: list[Json], expected: str) -> None:
    found = detect(items)
    (group,) = found.groups
    assert f"{group.plane} {group.evidence}: {group.how}" == expected
    assert found.planes.contradictions == ()
    assert found.planes.otherwise == ()


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([A, KUBE_PROXY], None, id="kube-proxy alone"),
        pytest.param([A, NO_KPR, CILIUM, KUBE_PROXY], "cilium v1.20.2", id="Cilium that does not replace it"),
        pytest.param([A, NO_KPR, CILIUM], "cilium v1.20.2", id="and no DaemonSet of kube-proxy"),
        pytest.param(
            [node("a", annotations=args("k3s", "server")), NO_KPR, CILIUM], "cilium v1.20.2", id="Cilium on k3s"
        ),
        pytest.param([node("a", up="CiliumIsUp"), KUBE_PROXY], "cilium", id="Cilium in another namespace"),
        pytest.param([A, ANTREA, antrea_config(""), KUBE_PROXY], "antrea", id="Antrea as by default"),
        pytest.param([A, ANTREA, KUBE_PROXY], "antrea", id="Antrea without its ConfigMap"),
        pytest.param(
            [A, ANTREA, antrea_config("antreaProxy: {enable: false}"), KUBE_PROXY], None, id="Antrea without proxy"
        ),
        pytest.param([A, CALICO, KUBE_PROXY], None, id="Calico"),
    ],
)
def test_what_serves_cluster_ips_for_pods_beside_kube_proxy(items: list[Json], expected: str | None) -> None:
    plane = detect(items).planes.groups[0].plane
    assert plane.name is DataPlane.KUBE_PROXY
    found = plane.for_pods
    assert (found and " ".join(filter(None, (found.name.value, found.version)))) == expected


@pytest.mark.parametrize(
    ("items", "plane", "possible"),
    [
        pytest.param(
            [A, KPR, CILIUM, KUBE_PROXY],
            "cilium v1.20.2",
            {"cilium", "kube-proxy"},
            id="Cilium replaces kube-proxy, and kube-proxy runs too",
        ),
        pytest.param(
            [node("a", annotations=args("k3s", "server")), KPR, CILIUM],
            "cilium v1.20.2",
            {"cilium", "kube-proxy"},
            id="k3s with kube-proxy, and Cilium replaces it",
        ),
        pytest.param(
            [node("a", **AKS_CILIUM), NO_KPR],
            "cilium",
            {"cilium", "kube-proxy"},
            id="the label and the ConfigMap differ",
        ),
        pytest.param(
            [A, CALICO, cluster_object(*FELIX, bpfEnabled=True), KUBE_PROXY],
            "calico-ebpf v3.31.0",
            {"calico-ebpf", "kube-proxy"},
            id="Calico eBPF, and kube-proxy runs too",
        ),
        pytest.param(
            [
                A,
                CALICO,
                cluster_object(*FELIX, bpfEnabled=False),
                cluster_object(
                    "Installation", "operator.tigera.io/v1", "default", calicoNetwork={"linuxDataplane": "BPF"}
                ),
            ],
            "calico-ebpf v3.31.0",
            {"calico-ebpf", "kube-proxy"},
            id="two objects of Calico differ",
        ),
        pytest.param(
            [A, daemon_set("antrea-agent", "antrea@sha256:0"), antrea_config(ALL_OF_ANTREA), KUBE_PROXY],
            "antrea",
            {"antrea", "kube-proxy"},
            id="Antrea of an unknown version, and kube-proxy runs too",
        ),
        pytest.param(
            [A, daemon_set("kube-router"), KUBE_PROXY],
            "kube-router v1.0.0",
            {"kube-router", "kube-proxy"},
            id="kube-router, and kube-proxy runs too",
        ),
        pytest.param(
            [A, daemon_set("anetd", "cilium:v1.15.6"), NO_KPR],
            "cilium v1.15.6",
            {"cilium", "kube-proxy"},
            id="GKE Dataplane V2 that keeps kube-proxy",
        ),
    ],
)
def test_contradictions(items: list[Json], plane: str, possible: set[str]) -> None:
    found = detect(items)
    (group,) = found.groups
    assert (group.plane, group.evidence) == (plane, "assumed")
    assert found.possible == possible
    (sentence,) = found.planes.contradictions
    assert sentence.endswith(", on 1 node")
    assert all(f"shows {name}" in sentence for name in possible)


@pytest.mark.parametrize(
    ("items", "unread", "possible"),
    [
        pytest.param([node("a", up="CiliumIsUp")], ALL, {"kube-proxy", "cilium"}, id="nothing is read"),
        pytest.param([node("a", up="CalicoIsUp")], ALL, {"kube-proxy"}, id="nothing is read"),
        pytest.param([A, CILIUM], (), {"kube-proxy", "cilium"}, id="Cilium without its ConfigMap"),
        pytest.param(
            [A, CILIUM, KUBE_PROXY],
            [named.CILIUM_CONFIG],
            {"kube-proxy", "cilium"},
            id="Cilium with an unread ConfigMap beside kube-proxy",
        ),
        pytest.param(
            [A, config_map("cilium-config", **{"kube-proxy-replacement": "partial"}), CILIUM],
            (),
            {"kube-proxy", "cilium"},
            id="Cilium replaces a part of kube-proxy",
        ),
        pytest.param([A, CALICO], [named.CALICO_FELIX], {"kube-proxy", "calico-ebpf"}, id="Calico, Felix unread"),
        pytest.param([A, ANTREA, KUBE_PROXY], (), {"kube-proxy", "antrea"}, id="Antrea without its ConfigMap"),
        pytest.param(
            [A, ANTREA, antrea_config("a: [")], (), {"kube-proxy", "antrea"}, id="Antrea, no YAML in its ConfigMap"
        ),
        pytest.param([A, daemon_set("anetd", "x@y")], (), {"cilium", "kube-proxy"}, id="GKE Dataplane V2"),
        pytest.param(
            [
                node("a", annotations=args("k3s", "server")),
                node("b", annotations=args("k3s", "server", "--disable-kube-proxy")),
            ],
            (),
            {"kube-proxy", "other"},
            id="the servers of k3s differ",
        ),
        pytest.param([node("a", **WINDOWS), ANTREA], (), {"winkernel", "antrea"}, id="Windows with Antrea"),
    ],
)
def test_what_is_not_excluded_is_possible(items: list[Json], unread: Any, possible: set[str]) -> None:
    found = detect(items, unread=unread)
    assert found.possible == possible
    assert found.planes.contradictions == ()
    if len(possible) > 1 and "winkernel" not in possible:
        assert {group.evidence for group in found.groups} == {"assumed"}


def names(items: list[Json], choice: str = "auto") -> dict[str, str]:
    return {group.nodes: group.plane.split()[0] for group in detect(items, choice).groups}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(
            [
                node("a", **AKS_CILIUM),
                node("b", **AKS),
                KPR,
                CILIUM,
                daemon_set("kube-proxy", affinity=not_on("kubernetes.azure.com/ebpf-dataplane", "cilium")),
            ],
            {"a": "cilium", "b": "kube-proxy"},
            id="node pools of AKS",
        ),
        pytest.param(
            [node("a", **AKS_CILIUM), node("b", **AKS)],
            {"a": "cilium", "b": "kube-proxy"},
            id="node pools of AKS without an object",
        ),
        pytest.param(
            [
                node("a", **MIGRATED),
                node("b"),
                NO_KPR,
                CILIUM,
                daemon_set("kube-proxy", affinity=not_on("io.cilium.migration/kube-proxy-replacement", "true")),
            ],
            {"a": "cilium", "b": "kube-proxy"},
            id="Cilium's migration",
        ),
        pytest.param(
            [node("a", annotations=OVN), node("b", **WINDOWS), openshift("OVNKubernetes")],
            {"a": "ovn-kubernetes", "b": "winkernel"},
            id="OpenShift with Windows",
        ),
        pytest.param(
            [node("a", annotations=OVN), node("b"), openshift("OVNKubernetes")],
            {"a": "ovn-kubernetes", "b": "kube-proxy"},
            id="a node that the migration to OVN-Kubernetes has not reached",
        ),
        pytest.param(
            [node("a", annotations=args("k3s", "server")), node("b", annotations=args("k3s", "agent"))],
            {"a b": "kube-proxy"},
            id="k3s: the server's arguments count for its agents",
        ),
        pytest.param(
            [A, node("b", kind="edge"), KPR, daemon_set("cilium", nodeSelector={"kind": "edge"}), KUBE_PROXY],
            {"a": "kube-proxy", "b": "cilium"},
            id="Cilium on a part of the nodes",
        ),
    ],
)
def test_mixed_clusters(items: list[Json], expected: dict[str, str]) -> None:
    assert names(items) == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        pytest.param("auto", {"a": "cilium", "b": "kube-proxy", "w": "winkernel"}, id="auto"),
        pytest.param("calico-ebpf", {"a b": "calico-ebpf", "w": "winkernel"}, id="a name is for nodes of Linux"),
        pytest.param("other", {"a b w": "other"}, id="other is for all nodes"),
        pytest.param("cilium:pool=b", {"a b": "cilium", "w": "winkernel"}, id="a selector, the others by signs"),
        pytest.param(
            "kube-router:pool in (a, w);antrea",
            {"a w": "kube-router", "b": "antrea"},
            id="a name for the others",
        ),
        pytest.param("other:pool=a;antrea:pool", {"a": "other", "b w": "antrea"}, id="the first selector counts"),
    ],
)
def test_the_flag_outranks_all_signs(choice: str, expected: dict[str, str]) -> None:
    items = [
        node("a", pool="a", **AKS_CILIUM),
        node("b", pool="b"),
        node("w", pool="w", **WINDOWS),
        daemon_set("kube-proxy", affinity=not_on("pool", "a")),
    ]
    found = detect(items, choice)
    merged: dict[str, list[str]] = {}
    for group in found.groups:
        merged.setdefault(group.plane.split()[0], []).append(group.nodes)
    assert {" ".join(sorted(" ".join(nodes).split())): name for name, nodes in merged.items()} == expected
    assert found.planes.contradictions == ()


def test_many_ambiguous_groups_are_unknown() -> None:
    """Each combination is an assessment more."""
    items: list[Json] = [CILIUM, daemon_set("kube-proxy", affinity=not_on("x", "y"))]
    items += [
        node(f"n{i}", up="CiliumIsUp", annotations=args("k3s", "agent", f"--kube-proxy-arg=v={i}"))
        for i in range(6)
    ]
    found = detect(items)
    assert 0 < len(found.planes.otherwise) <= 8
    assert any(g.plane.name.value == "other" for p in found.planes.otherwise for g in p.groups) or (
        len(found.groups) == 1
    )


def test_a_cluster_without_nodes() -> None:
    (group,) = detect([KPR]).groups
    assert (group.nodes, group.plane) == ("", "cilium")


def test_the_settings_of_the_data_plane() -> None:
    config = config_map(
        "cilium-config",
        **{"kube-proxy-replacement": "true", "debug": "true", "service-no-backend-response": "drop"},
    )
    (group,) = detect([A, config, CILIUM]).planes.groups
    assert group.plane.settings == (("kube-proxy-replacement", "true"), ("service-no-backend-response", "drop"))
    conf = "proxyAll: true, skipServices: [10.0.0.1, a/b], serviceProxyName: x, proxyLoadBalancerIPs: false"
    (group,) = detect([A, ANTREA, antrea_config(f"antreaProxy: {{{conf}}}")]).planes.groups
    assert group.plane.setting("skipServices") == "10.0.0.1,a/b"
    assert group.plane.setting("serviceProxyName") == "x"
    assert group.plane.setting("proxyLoadBalancerIPs") == "false"
    (group,) = detect([node("a", annotations=OVN), openshift("OVNKubernetes")]).planes.groups
    assert group.plane.settings == (("node-port-enable", "true"), ("openshift", "true"))
    args_ = ["--service-external-ip-range=10.0.0.0/8", "--service-external-ip-range", "192.0.2.0/24"]
    (group,) = detect([A, daemon_set("kube-router", args=args_)]).planes.groups
    assert group.plane.setting("service-external-ip-range") == "10.0.0.0/8,192.0.2.0/24"
    (group,) = detect([A], "kube-router").planes.groups
    assert group.plane.settings is None, "no object shows its arguments"


def test_nodes_that_show_the_same_have_equal_signs() -> None:
    """The engine asks for the data planes again only when the signs of a node change."""
    from etpguard.assess.data_planes.choice import Choice
    from etpguard.assess.data_planes.detection import Detection
    from tests.assess.data_planes.clusters import named_objects, nodes_in

    detection = Detection(Choice(), named_objects([KUBE_PROXY, CILIUM]))
    a, b, c = nodes_in([node("a", zone="x"), node("b", zone="y"), node("c", **AKS_CILIUM)])
    assert detection.signs(a) == detection.signs(b) != detection.signs(c)


def test_the_order_in_which_nodes_come_does_not_matter() -> None:
    """It differs between two replicas, and after a restart."""
    from etpguard.assess.data_planes.choice import Choice
    from etpguard.assess.data_planes.detection import Detection
    from tests.assess.data_planes.clusters import named_objects, nodes_in

    detection = Detection(Choice(), named_objects([CILIUM]))
    microk8s: dict[str, Any] = {"microk8s.io/cluster": "true"}
    shown = nodes_in([node("a"), node("b", **microk8s)])
    signs: dict[Hashable, int] = {detection.signs(each): 1 << bit for bit, each in enumerate(shown)}
    planes = detection.planes(signs)
    assert len(planes.otherwise) > 1
    reordered: dict[Hashable, int] = dict(reversed(signs.items()))
    assert detection.planes(reordered) == planes


def test_a_node_beside_k3s_has_no_data_plane_of_k3s() -> None:
    found = detect([node("a", annotations=args("k3s", "server")), A | {"metadata": {"name": "b"}}])
    assert {group.nodes: group.evidence for group in found.groups} == {"a": "observed", "b": "assumed"}


def test_the_label_of_openshift_decides_the_rule_of_ovn_kubernetes() -> None:
    label: Json = {"node.openshift.io/os_id": "rhcos"}
    settings = [
        dict(detect([node("a", annotations=OVN, **labels)]).planes.groups[0].plane.settings or ())
        for labels in ({}, label)
    ]
    assert [each.get("openshift") for each in settings] == [None, "true"]


def test_what_cilium_and_antrea_leave_open_does_not_concern_kube_router() -> None:
    found = detect([A, daemon_set("kube-router")], unread=[named.CILIUM_NODE_CONFIGS])
    assert found.possible == {"kube-router"}


def test_a_mode_of_kube_proxy_that_has_no_rule_is_not_known() -> None:
    found = detect([A, daemon_set("kube-proxy", args=["--proxy-mode=userspace"])])
    assert [group.plane for group in found.groups] == ["kube-proxy"]


def test_a_configuration_of_kube_proxy_that_is_no_yaml_mapping_has_no_mode() -> None:
    found = detect([A, KUBE_PROXY, config_map("kube-proxy", **{"config.conf": "- a list"})])
    assert [group.plane for group in found.groups] == ["kube-proxy"]


def test_a_mode_of_k3s_that_has_no_rule_is_that_of_the_default() -> None:
    arguments = args("k3s", "server", "--kube-proxy-arg", "proxy-mode=userspace")
    found = detect([node("a", annotations=arguments)])
    assert [group.plane for group in found.groups] == ["kube-proxy iptables"]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([KUBE_PROXY], False, id="kube-proxy"),
        pytest.param([KUBE_PROXY, proxy_config("mode: nftables")], True, id="nftables"),
        pytest.param([KUBE_PROXY, proxy_config("nodePortAddresses: [primary]")], True, id="primary"),
        pytest.param([KUBE_PROXY, proxy_config("nodePortAddresses: [10.0.0.0/8]")], True, id="a range"),
        pytest.param([KUBE_PROXY, proxy_config("nodePortAddresses: [all]")], False, id="the word all"),
        pytest.param([KUBE_PROXY, proxy_config("nodePortAddresses: [primary, all]")], False, id="primary and all"),
        pytest.param(
            [KUBE_PROXY, proxy_config("nodePortAddresses: [primary, localhost]")], True, id="primary and localhost"
        ),
        pytest.param(
            [daemon_set("kube-proxy", args=["--nodeport-addresses=primary, 0.0.0.0/0"])],
            False,
            id="with a space",
        ),
        pytest.param([KUBE_PROXY, proxy_config("nodePortAddresses: null")], False, id="null"),
        pytest.param([KUBE_PROXY, proxy_config('{mode: nftables, nodePortAddresses: ["::/0"]}')], False, id="all"),
        pytest.param([daemon_set("kube-proxy", args=["--nodeport-addresses=primary"])], True, id="an argument"),
        pytest.param(
            [daemon_set("kube-proxy", args=["--proxy-mode=nftables", "--nodeport-addresses=0.0.0.0/0"])],
            False,
            id="an argument, all addresses",
        ),
        pytest.param(
            [daemon_set("kube-proxy", args=["--config=/x", "--nodeport-addresses=primary"])], False, id="a file"
        ),
    ],
)
def test_at_which_addresses_kube_proxy_serves_node_ports(items: list[Json], expected: bool) -> None:
    assert bool(Rules(detect([A, *items]).planes).node_port_ranges["IPv4"]) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param([], False, id="default"),
        pytest.param(["--kube-proxy-arg=proxy-mode=nftables"], True, id="nftables"),
        pytest.param(["--kube-proxy-arg=nodeport-addresses=primary"], True, id="primary"),
    ],
)
def test_at_which_addresses_k3s_serves_node_ports(given: list[str], expected: bool) -> None:
    found = detect([node("a", annotations=args("k3s", "server", *given))])
    assert bool(Rules(found.planes).node_port_ranges["IPv4"]) is expected


@pytest.mark.parametrize(
    ("setting", "ipv4", "ipv6"),
    [
        pytest.param("10.0.0.0/8, ::/0", ["10.0.0.0/8"], [], id="all of IPv6"),
        pytest.param("0.0.0.0/0,fd00::/8", [], ["fd00::/8"], id="all of IPv4"),
        pytest.param("10.0.0.0/8", ["10.0.0.0/8"], [], id="no range of IPv6"),
        pytest.param("primary", ["primary"], ["primary"], id="primary"),
        pytest.param("primary, all", [], [], id="primary and all"),
        pytest.param("localhost", ["127.0.0.0/8"], ["::1/128"], id="localhost"),
    ],
)
def test_the_families_of_node_port_addresses(setting: str, ipv4: list[str], ipv6: list[str]) -> None:
    """pkg/proxy/util/nodeport_addresses.go NewNodePortAddresses, server.go expandNodePortAddressKeywords."""
    plane = KnownDataPlane(DataPlane.KUBE_PROXY, settings=(("nodePortAddresses", setting),))
    assert [list(node_port_ranges(plane, "IPv4")), list(node_port_ranges(plane, "IPv6"))] == [ipv4, ipv6]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([KUBE_PROXY, proxy_config("{mode: ipvs, ipvs: {strictARP: false}}")], True, id="off"),
        pytest.param([KUBE_PROXY, proxy_config("{mode: ipvs, ipvs: {strictARP: true}}")], False, id="on"),
        pytest.param([KUBE_PROXY, proxy_config("{mode: ipvs, ipvs: {scheduler: rr}}")], True, id="the default"),
        pytest.param([KUBE_PROXY, proxy_config("{mode: ipvs, ipvs: null}")], True, id="null"),
        pytest.param(
            [KUBE_PROXY, proxy_config("{mode: iptables, ipvs: {strictARP: false}}")], False, id="iptables"
        ),
        pytest.param([daemon_set("kube-proxy", args=["--proxy-mode=ipvs"])], True, id="by arguments"),
        pytest.param(
            [daemon_set("kube-proxy", args=["--proxy-mode=ipvs", "--ipvs-strict-arp"])], False, id="a bare switch"
        ),
        pytest.param(
            [daemon_set("kube-proxy", args=["--proxy-mode=ipvs", "--ipvs-strict-arp=false"])],
            True,
            id="switched off",
        ),
    ],
)
def test_whether_every_node_answers_arp(items: list[Json], expected: bool) -> None:
    assert answers_arp_everywhere(detect([A, *items]).planes.groups[0].plane) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param([], True, id="default"),
        pytest.param(["--kube-proxy-arg=ipvs-strict-arp=true"], False, id="on"),
        pytest.param(["--kube-proxy-arg=--ipvs-strict-arp"], False, id="a bare switch"),
        pytest.param(["--kube-proxy-arg=ipvs-strict-arp=false"], True, id="off"),
    ],
)
def test_whether_every_node_of_k3s_answers_arp(given: list[str], expected: bool) -> None:
    given = ["--kube-proxy-arg=proxy-mode=ipvs", *given]
    found = detect([node("a", annotations=args("k3s", "server", *given))])
    assert answers_arp_everywhere(found.planes.groups[0].plane) is expected
