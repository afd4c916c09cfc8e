"""The oracles of the data planes, and what etpguard says about the same objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etpguard.assess import DataPlane, KnownDataPlane
from etpguard.cluster import Picture
from etpguard.objects import SERVICE
from tests.assess.data_planes import oracle_others as others
from tests.assess.data_planes.faults import RIGHT, Copy
from tests.assess.data_planes.oracle_cilium import Cilium, OldCilium
from tests.assess.data_planes.states import labelled
from tests.assess.random_clusters import Cluster

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
