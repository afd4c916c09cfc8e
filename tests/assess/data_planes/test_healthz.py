"""What a health check of port 10256 of a node gets, under each data plane."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from etpguard.assess import DataPlane, KnownDataPlane
from etpguard.assess.data_planes.mixed import rule_of
from etpguard.assess.data_planes.rule import Leaving
from etpguard.objects import named
from etpguard.objects.named import NamedObject
from tests.assess.data_planes.clusters import cluster_object, config_map, daemon_set, detect, node

Json = dict[str, Any]
A = node("a")


def healthz(*items: Json, choice: str = "auto", unread: Sequence[NamedObject] = ()) -> str:
    """ "passes", "fails" or "not known", under each data plane that the objects leave possible."""
    found = detect(items, choice, unread=unread).planes
    answers = {
        rule_of(group.plane).healthz for each in (found, *found.otherwise) for group in each.groups if group.nodes
    }
    words = {"not known" if isinstance(each, str) else "passes" if each else "fails" for each in answers}
    return " or ".join(sorted(words))


def of(name: DataPlane, version: str = "", **settings: str) -> bool | str:
    """What the rule says, with a configuration that was read."""
    known = tuple(sorted((key.replace("_", "-"), value) for key, value in settings.items()))
    return rule_of(KnownDataPlane(name, version=version, settings=known)).healthz


ALONE, BESIDE = {"healthz-of-kube-proxy": "false"}, {"healthz-of-kube-proxy": "true"}
ADDRESSES = {
    "0.0.0.0:10256": True,
    "[::]:10256": True,
    ":10256": True,
    "10.0.0.1:10256": True,
    "0.0.0.0:10257": False,
    "127.0.0.1:10256": False,
    "127.8.8.8:10256": False,
    "[::1]:10256": False,
    "localhost:10256": False,
    "": False,
}


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        pytest.param(DataPlane.KUBE_PROXY, "healthz-bind-address", id="kube-proxy"),
        pytest.param(DataPlane.WINKERNEL, "healthz-bind-address", id="winkernel"),
        pytest.param(DataPlane.CILIUM, "kube-proxy-replacement-healthz-bind-address", id="Cilium"),
        pytest.param(DataPlane.OVN_KUBERNETES, "healthz-bind-address", id="OVN-Kubernetes"),
    ],
)
def test_an_address_must_be_reachable_from_outside(name: DataPlane, setting: str) -> None:
    assert {address: of(name, **{setting: address}) for address in ADDRESSES} == ADDRESSES


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("0.0.0.0", True, id="all addresses"),
        pytest.param("::", True, id="all addresses of IPv6"),
        pytest.param("127.0.0.1", False, id="loopback"),
        pytest.param("::1", False, id="loopback of IPv6"),
    ],
)
def test_kube_proxy_adds_a_port_that_lacks(address: str, expected: bool) -> None:
    assert of(DataPlane.KUBE_PROXY, healthz_bind_address=address) is expected


def args(program: str, *given: str, os: str = "linux") -> Json:
    labels: Any = {"kubernetes.io/os": os}
    return node("a", annotations={f"{program}.io/node-args": json.dumps(given)}, **labels)


def labelled(label: str, value: str) -> Json:
    labels: Any = {label: value}
    return node("a", **labels)


def kube_proxy_config(address: str, key: str = "config.conf") -> Json:
    name = "kube-proxy" if key == "config.conf" else "kube-proxy-config"
    return config_map(name, **{key: f"mode: iptables\nhealthzBindAddress: {address}\n"})


KUBE_PROXY = daemon_set("kube-proxy")
NO_KUBE_PROXY = daemon_set("kube-proxy", desired=0)
WITHOUT_KUBE_PROXY = node("b", annotations={"rke2.io/node-args": '["server", "--disable-kube-proxy"]'})
OPEN = "--kube-proxy-arg=healthz-bind-address=0.0.0.0"


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([A], "passes", id="kube-proxy by assumption"),
        pytest.param([A, KUBE_PROXY], "passes", id="kube-proxy without a configuration"),
        pytest.param([A, KUBE_PROXY, kube_proxy_config('""')], "passes", id="no address: the default"),
        pytest.param([A, KUBE_PROXY, kube_proxy_config("0.0.0.0:10256")], "passes", id="an address of all nodes"),
        pytest.param([A, KUBE_PROXY, kube_proxy_config("127.0.0.1:10256")], "fails", id="loopback"),
        pytest.param([A, KUBE_PROXY, kube_proxy_config("127.0.0.1", "config")], "fails", id="loopback on EKS"),
        pytest.param([A, KUBE_PROXY, kube_proxy_config("0.0.0.0:9999")], "fails", id="another port"),
        pytest.param([A, KUBE_PROXY, kube_proxy_config("[]")], "passes", id="an address that is no text"),
        pytest.param(
            [A, daemon_set("kube-proxy", args=["--healthz-bind-address=127.0.0.1"])], "fails", id="as an argument"
        ),
        pytest.param([A, daemon_set("kube-proxy", args=["--healthz-bind-address="])], "fails", id="turned off"),
        pytest.param(
            [
                A,
                daemon_set("kube-proxy", args=["--config=/x/config.conf", "--healthz-bind-address=127.0.0.1"]),
                kube_proxy_config("0.0.0.0"),
            ],
            "passes",
            id="the file goes before the argument",
        ),
        pytest.param([args("k3s", "server")], "fails", id="k3s"),
        pytest.param([args("rke2", "server")], "fails", id="RKE2"),
        pytest.param([args("k3s", "agent")], "fails", id="k3s without a server, by assumption"),
        pytest.param([args("k3s", "server", OPEN)], "passes", id="k3s with an address of all nodes"),
        pytest.param([args("k3s", "server", "--kube-proxy-arg=config=/x")], "not known", id="k3s with a file"),
        pytest.param(
            [node("b", annotations={"rke2.io/node-args": '["server"]'}), args("rke2", "agent", os="windows")],
            "fails",
            id="RKE2 on Windows",
        ),
        pytest.param(
            [args("rke2", "server", OPEN), KUBE_PROXY, kube_proxy_config("127.0.0.1")],
            "passes",
            id="k3s and RKE2 have no configuration in a ConfigMap",
        ),
        pytest.param(
            [args("k3s", "server", "--disable-kube-proxy"), KUBE_PROXY, kube_proxy_config("0.0.0.0")],
            "passes",
            id="a kube-proxy of the user's own instead of that of k3s",
        ),
        pytest.param(
            [WITHOUT_KUBE_PROXY, args("rke2", "agent"), KUBE_PROXY, kube_proxy_config("0.0.0.0")],
            "passes",
            id="on an agent of RKE2 too",
        ),
        pytest.param(
            [WITHOUT_KUBE_PROXY, args("rke2", "agent"), KUBE_PROXY, kube_proxy_config("127.0.0.1")],
            "fails",
            id="the user's own has its own address",
        ),
        pytest.param([labelled("kubernetes.io/os", "windows")], "passes", id="Windows"),
        pytest.param([labelled("microk8s.io/cluster", "true")], "not known", id="MicroK8s"),
    ],
)
def test_kube_proxy(items: list[Json], expected: str) -> None:
    assert healthz(*items) == expected


def test_the_flag_names_kube_proxy() -> None:
    assert healthz(args("k3s", "server"), choice="kube-proxy") == "fails"
    windows = (node("b", annotations={"rke2.io/node-args": '["server"]'}), args("rke2", "agent", os="windows"))
    assert healthz(*windows, choice="kube-proxy") == "fails"
    assert healthz(*windows[1:], choice="winkernel") == "fails"


@pytest.mark.parametrize(
    ("version", "settings", "expected"),
    [
        pytest.param("v3.28.0", {}, False, id="a release without the server"),
        pytest.param("v3.30.3", {}, False, id="the last one without"),
        pytest.param("v3.30.4", {}, True, id="the first one with it"),
        pytest.param("v3.31.0", {}, True, id="the default port"),
        pytest.param("v3.32.1", {"bpfKubeProxyHealthzPort": "10256"}, True, id="the same port"),
        pytest.param("v3.32.1", {"bpfKubeProxyHealthzPort": "10258"}, False, id="another port"),
        pytest.param("v3.32.1", {"bpfKubeProxyHealthzPort": "0"}, False, id="turned off"),
        pytest.param("", {"bpfKubeProxyHealthzPort": "0"}, False, id="turned off, whatever the release"),
    ],
)
def test_calico(version: str, settings: dict[str, str], expected: bool) -> None:
    assert of(DataPlane.CALICO_EBPF, version, healthz_of_kube_proxy="false", **settings) is expected


def test_kube_proxy_may_answer_where_calico_does_not() -> None:
    off = {"bpfKubeProxyHealthzPort": "0"}
    assert isinstance(of(DataPlane.CALICO_EBPF, "v3.32.1", **off), str)
    assert isinstance(rule_of(KnownDataPlane(DataPlane.CALICO_EBPF, version="v3.28.0")).healthz, str)
    assert of(DataPlane.CALICO_EBPF, "v3.32.1", **off, healthz_of_kube_proxy="true") is True
    assert of(DataPlane.CALICO_EBPF, "v3.32.1", **off, healthz_of_kube_proxy="why") == "why"


BPF = {"name": "FELIX_BPFENABLED", "value": "true"}
PORT = "FELIX_BPFKUBEPROXYHEALTHZPORT"


def calico(version: str, **variables: str) -> Json:
    env = [BPF, *({"name": name, "value": value} for name, value in variables.items())]
    return daemon_set("calico-node", f"calico/node:{version}", env=env)


def felix(**spec: Any) -> Json:
    return cluster_object("FelixConfiguration", "crd.projectcalico.org/v1", "default", **spec)


@pytest.mark.parametrize(
    ("items", "unread", "expected"),
    [
        pytest.param([calico("v3.31.0")], (), "passes", id="no configuration"),
        pytest.param([calico("v3.28.0"), NO_KUBE_PROXY], (), "fails", id="an old release"),
        pytest.param([calico("v3.28.0")], (), "not known", id="an old release, maybe beside kube-proxy"),
        pytest.param([calico("latest")], (), "not known", id="a release that is not known"),
        pytest.param(
            [
                calico("v3.23.1"),
                cluster_object(
                    "Installation", "operator.tigera.io/v1", "default", variant="TigeraSecureEnterprise"
                ),
            ],
            (),
            "not known",
            id="a release of Calico Enterprise",
        ),
        pytest.param(
            [calico("v3.32.1"), felix(bpfKubeProxyHealthzPort=0), NO_KUBE_PROXY], (), "fails", id="turned off"
        ),
        pytest.param(
            [calico("v3.32.1"), felix(bpfKubeProxyHealthzPort=0)],
            (),
            "not known",
            id="turned off, maybe beside kube-proxy",
        ),
        pytest.param(
            [calico("v3.32.1"), felix(bpfEnabled=True)], (), "passes", id="a configuration without the port"
        ),
        pytest.param([calico("v3.32.1", **{PORT: "10258"}), felix(), NO_KUBE_PROXY], (), "fails", id="a variable"),
        pytest.param(
            [calico("v3.32.1", **{PORT: "10256"}), felix(bpfKubeProxyHealthzPort=0)],
            (),
            "passes",
            id="the variable goes first",
        ),
        pytest.param(
            [calico("v3.32.1")], [named.CALICO_FELIX], "not known", id="a configuration that was not read"
        ),
        pytest.param(
            [calico("v3.32.1"), felix()], [named.CALICO_FELIX_V3], "passes", id="read in one of its two versions"
        ),
        pytest.param(
            [calico("v3.32.1"), felix(bpfKubeProxyHealthzPort=0), KUBE_PROXY],
            (),
            "passes",
            id="kube-proxy answers instead",
        ),
        pytest.param(
            [
                calico("v3.32.1"),
                felix(bpfKubeProxyHealthzPort=0),
                KUBE_PROXY,
                kube_proxy_config("127.0.0.1"),
            ],
            (),
            "fails",
            id="kube-proxy on loopback",
        ),
    ],
)
@pytest.mark.parametrize("choice", ["auto", "calico-ebpf"])
def test_the_objects_of_calico(
    items: list[Json], unread: Sequence[NamedObject], expected: str, choice: str
) -> None:
    assert healthz(A, *items, unread=unread, choice=choice) == expected


DISABLED = {"disableServiceHealthCheckServer": "true"}
ADDRESS = "serviceHealthCheckServerBindAddress"


@pytest.mark.parametrize(
    ("version", "settings", "expected"),
    [
        pytest.param("v2.4.3", {}, False, id="a release without the server"),
        pytest.param("v2.5.0", {}, True, id="the first one with it"),
        pytest.param("v2.6.0", DISABLED, False, id="turned off"),
        pytest.param("", DISABLED, False, id="turned off, whatever the release"),
        pytest.param("v2.6.0", {ADDRESS: "0.0.0.0:10256"}, True, id="the default address"),
        pytest.param("v2.6.0", {ADDRESS: "0.0.0.0:10352"}, False, id="another port"),
        pytest.param("v2.6.0", {ADDRESS: "127.0.0.1:10256"}, False, id="loopback"),
    ],
)
def test_antrea(version: str, settings: dict[str, str], expected: bool) -> None:
    without_kube_proxy = {"healthz-of-kube-proxy": "false"}
    assert of(DataPlane.ANTREA, version, **settings, **without_kube_proxy) is expected


def antrea(version: str, **proxy: Any) -> list[Json]:
    conf = json.dumps({"antreaProxy": {"proxyAll": True, **proxy}})
    return [
        daemon_set("antrea-agent", f"antrea/x:{version}"),
        config_map("antrea-config", **{"antrea-agent.conf": conf}),
    ]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([A, *antrea("v2.4.0")], "not known", id="an old release, and kube-proxy may run"),
        pytest.param([A, *antrea("v2.5.0")], "passes", id="a release with the server"),
        pytest.param([A, *antrea("v2.6.0", disableServiceHealthCheckServer=True)], "not known", id="turned off"),
        pytest.param([A, *antrea("v2.6.0", **{ADDRESS: "0.0.0.0:10352"})], "not known", id="another port"),
        pytest.param([A, *antrea("v2.4.0"), KUBE_PROXY], "passes", id="kube-proxy answers instead"),
        pytest.param(
            [A, *antrea("v2.4.0"), KUBE_PROXY, kube_proxy_config("127.0.0.1")],
            "fails",
            id="kube-proxy on loopback",
        ),
        pytest.param([args("k3s", "server"), *antrea("v2.5.0")], "passes", id="k3s beside Antrea"),
        pytest.param([args("k3s", "server"), *antrea("v2.4.0")], "fails", id="k3s beside an old Antrea"),
        pytest.param(
            [args("k3s", "server", "--kube-proxy-arg=config=/x"), *antrea("v2.4.0")],
            "not known",
            id="k3s with a file",
        ),
        pytest.param(
            [args("k3s", "server", "--disable-kube-proxy"), *antrea("v2.4.0")],
            "fails",
            id="k3s without kube-proxy",
        ),
    ],
)
def test_the_objects_of_antrea(items: list[Json], expected: str) -> None:
    assert healthz(*items) == expected


def test_an_antrea_without_a_version_or_a_configuration() -> None:
    assert isinstance(of(DataPlane.ANTREA), str)
    assert isinstance(rule_of(KnownDataPlane(DataPlane.ANTREA, version="v2.6.0")).healthz, str)
    assert "kube-proxy" in str(rule_of(KnownDataPlane(DataPlane.ANTREA, version="v2.4.0")).healthz)


ANSWERS = {"kube-proxy-replacement-healthz-bind-address": "0.0.0.0:10256"}


@pytest.mark.parametrize(
    ("name", "version", "settings", "expected"),
    [
        pytest.param(DataPlane.KUBE_PROXY, "", {}, "passes fails fails", id="kube-proxy"),
        pytest.param(DataPlane.WINKERNEL, "", {}, "passes fails fails", id="winkernel"),
        pytest.param(DataPlane.ANTREA, "v2.5.0", ALONE, "passes fails fails", id="Antrea"),
        pytest.param(DataPlane.ANTREA, "v2.4.0", BESIDE, "passes fails fails", id="Antrea beside kube-proxy"),
        pytest.param(DataPlane.CALICO_EBPF, "v3.32.1", ALONE, "passes passes passes", id="Calico"),
        pytest.param(DataPlane.CALICO_EBPF, "v3.32.1", BESIDE, "passes fails fails", id="Calico, kube-proxy too"),
        pytest.param(DataPlane.CALICO_EBPF, "v3.32.1", {}, "passes unknown unknown", id="Calico, or kube-proxy"),
        pytest.param(DataPlane.CALICO_EBPF, "v3.28.0", {}, "unknown fails fails", id="kube-proxy at most"),
        pytest.param(DataPlane.CILIUM, "v1.17.5", ANSWERS, "passes passes passes", id="Cilium before it"),
        pytest.param(DataPlane.CILIUM, "v1.17.6", ANSWERS, "fails fails fails", id="the Cilium that panics"),
        pytest.param(DataPlane.CILIUM, "v1.17.7", ANSWERS, "passes passes fails", id="Cilium with the fix"),
        pytest.param(DataPlane.CILIUM, "v1.20.2", ANSWERS, "passes passes fails", id="Cilium"),
        pytest.param(DataPlane.CILIUM, "", ANSWERS, "passes passes unknown", id="some Cilium"),
        pytest.param(DataPlane.CILIUM, "", {}, "fails fails fails", id="Cilium without the address"),
        pytest.param(
            DataPlane.OVN_KUBERNETES,
            "",
            {"healthz-bind-address": "0.0.0.0:10256"},
            "passes passes passes",
            id="OVN-Kubernetes",
        ),
        pytest.param(DataPlane.KUBE_ROUTER, "v2.11.1", {}, "fails fails fails", id="kube-router"),
    ],
)
def test_a_node_that_leaves(name: DataPlane, version: str, settings: dict[str, str], expected: str) -> None:
    """Of a node that stays, one with the taint of the cluster autoscaler, and one that is being deleted."""
    rule = rule_of(KnownDataPlane(name, version=version, settings=tuple(sorted(settings.items()))))
    answers = [rule.healthz, rule.healthz_before(Leaving.TAINTED), rule.healthz_before(Leaving.DELETED)]
    words = ["unknown" if isinstance(each, str) else "passes" if each else "fails" for each in answers]
    assert " ".join(words) == expected
