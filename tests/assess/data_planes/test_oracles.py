"""Each data plane's rule against a second rendering of it, on random clusters, and faults that must be caught."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from etpguard.assess import DataPlane, KnownDataPlane
from etpguard.cluster import Picture
from etpguard.objects import SERVICE
from tests.assess.data_planes import oracle_others as others
from tests.assess.data_planes.faults import RIGHT, Copy, faulty
from tests.assess.data_planes.faults_by_plane import FAULTS
from tests.assess.data_planes.oracle_cilium import Cilium, OldCilium
from tests.assess.data_planes.random_planes import random_planes_cluster, shapes
from tests.assess.data_planes.states import labelled
from tests.assess.random_clusters import Cluster
from tests.assess.test_against_kube_proxy import picture_of

pytestmark = [pytest.mark.no_cover, pytest.mark.one_python]

CLUSTERS = 500
SOAK_CLUSTERS = 4000
FAULT_CLUSTERS = 800

Make = Callable[[Cluster], others.Oracle]
Found = dict[tuple[Any, ...], Any]

ENVOY = (("enable-gateway-api", "true"),)
PLANES: dict[str, tuple[KnownDataPlane, Make]] = {
    "kube-proxy": (KnownDataPlane(DataPlane.KUBE_PROXY), lambda c: others.KubeProxy(c.slices)),
    "cilium": (
        KnownDataPlane(DataPlane.CILIUM, version="v1.20.2", settings=()),
        lambda c: Cilium(c.nodes, c.slices),
    ),
    "cilium with Gateway API": (
        KnownDataPlane(DataPlane.CILIUM, version="v1.18.0", settings=ENVOY),
        lambda c: Cilium(c.nodes, c.slices, envoy=True),
    ),
    "cilium 1.15": (
        KnownDataPlane(DataPlane.CILIUM, version="v1.15.19", settings=()),
        lambda c: OldCilium(c.slices),
    ),
    "cilium 1.15 without terminating endpoints": (
        KnownDataPlane(
            DataPlane.CILIUM, version="v1.15.19", settings=(("enable-k8s-terminating-endpoint", "false"),)
        ),
        lambda c: OldCilium(c.slices, terminating_endpoints=False),
    ),
    "cilium 1.17": (
        KnownDataPlane(DataPlane.CILIUM, version="v1.17.0", settings=()),
        lambda c: OldCilium(c.slices, envoy_healthy=True, labels_of_1_17=True),
    ),
    "calico 3.32": (
        KnownDataPlane(DataPlane.CALICO_EBPF, version="v3.32.1"),
        lambda c: others.Calico(c.nodes, c.slices),
    ),
    "calico 3.30": (
        KnownDataPlane(DataPlane.CALICO_EBPF, version="v3.30.0"),
        lambda c: others.Calico(c.nodes, c.slices, hints=False),
    ),
    "ovn-kubernetes": (
        KnownDataPlane(DataPlane.OVN_KUBERNETES, settings=()),
        lambda c: others.OVNKubernetes(c.slices),
    ),
    "ovn-kubernetes of OpenShift": (
        KnownDataPlane(DataPlane.OVN_KUBERNETES, settings=(("openshift", "true"),)),
        lambda c: others.OVNKubernetes(c.slices, openshift=True),
    ),
    "antrea": (KnownDataPlane(DataPlane.ANTREA), lambda c: others.Antrea(c.slices)),
    "kube-router": (
        KnownDataPlane(DataPlane.KUBE_ROUTER, settings=(("service-external-ip-range", "203.0.113.0/24"),)),
        lambda c: others.KubeRouter(c.slices, ("203.0.113.0/24",)),
    ),
    "winkernel": (KnownDataPlane(DataPlane.WINKERNEL), lambda c: others.Winkernel(c.slices)),
}


def by_oracle(cluster: Cluster, oracle: others.Oracle) -> Found:
    found: Found = {}
    for service in cluster.services:
        if service["spec"].get("externalTrafficPolicy") != "Local":
            continue
        at = (service["metadata"]["namespace"], service["metadata"]["name"])
        served = False
        for node in cluster.node_names:
            for key, answer in oracle.answers(service, node).items():
                found[*at, *key, node] = answer.forwards
                found[*at, *key, "usable"] = answer.usable
                served = True
        if served:
            for node in cluster.node_names:
                found[*at, "healthy", node] = oracle.healthy(service, node)
    return found


@functools.lru_cache(FAULT_CLUSTERS)
def random_cluster(seed: int) -> tuple[Cluster, Picture]:
    """The tests share it, and change neither."""
    cluster = random_planes_cluster(seed)
    return cluster, picture_of(cluster)


@functools.lru_cache(FAULT_CLUSTERS)
def expected(name: str, seed: int) -> Found:
    """What the oracle says: each fault of a plane is compared with it."""
    cluster, _ = random_cluster(seed)
    return by_oracle(cluster, PLANES[name][1](cluster))


def by_etpguard(cluster: Cluster, picture: Picture, plane: KnownDataPlane, copy: Copy = RIGHT) -> Found:
    labels = {node["metadata"]["name"]: node["metadata"].get("labels") or {} for node in cluster.nodes}
    having = labelled(picture.nodes, labels)
    found: Found = {}
    for service in picture.store(SERVICE):
        if service.policy != "Local":
            continue
        states = copy.states(plane, service, picture.slices(service.key), picture.nodes.bit, having)
        for node in cluster.node_names:
            bit = picture.nodes.bit(node)
            for port in states.ports:
                key = (*service.key, port.port, port.protocol, port.family)
                found[*key, node] = bool(port.forwarding & bit)
                found[*key, "usable"] = port.usable
                assert not port.ready & port.terminating & bit
            if states.ports:
                known = not states.health_not_known & bit
                healthy = bool(states.healthy.get("IPv4", 0) & bit)
                found[*service.key, "healthy", node] = healthy if known else None
    return found


@pytest.mark.parametrize("name", PLANES)
def test_no_random_cluster_differs(name: str) -> None:
    compare(name, CLUSTERS)


@pytest.mark.soak
@pytest.mark.parametrize("name", PLANES)
def test_no_cluster_of_thousands_differs(name: str) -> None:
    compare(name, SOAK_CLUSTERS)


def compare(name: str, clusters: int) -> None:
    plane, _ = PLANES[name]
    seen: Counter[str] = Counter()
    answers: Counter[object] = Counter()
    for seed in range(clusters):
        cluster, picture = random_cluster(seed)
        answered = expected(name, seed)
        assert by_etpguard(cluster, picture, plane) == answered, f"random_planes_cluster({seed})"
        seen += shapes(cluster)
        answers += Counter(value for key, value in answered.items() if key[-2] != "healthy")
    assert all(count > 10 for count in seen.values()), seen
    assert answers[True] > 1000
    assert answers[False] > 1000


@pytest.mark.parametrize(
    ("name", "module", "right", "wrong"),
    [
        pytest.param(name, *fault, id=f"{name}, {fault[1].strip()[:40]} -> {fault[2].strip()[:30]}")
        for name, faults in FAULTS.items()
        for fault in faults
    ],
)
def test_a_fault_in_one_line_is_caught(name: str, module: str, right: str, wrong: str) -> None:
    plane, _ = PLANES[name]
    with faulty(module, right, wrong) as copy:
        for seed in range(FAULT_CLUSTERS):
            cluster, picture = random_cluster(seed)
            if by_etpguard(cluster, picture, plane, copy) != expected(name, seed):
                return
    pytest.fail("no cluster shows the fault")
