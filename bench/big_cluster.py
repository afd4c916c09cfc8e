"""A large cluster's objects in a real kube-apiserver: made through the API, as their writers make them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from devcluster import Cluster

Object = dict[str, Any]

NAMESPACE = "bench"
PATHS = {
    "nodes": "/api/v1/nodes",
    "services": f"/api/v1/namespaces/{NAMESPACE}/services",
    "endpointslices": f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices",
}
LISTS = {
    "nodes": "/api/v1/nodes",
    "services": "/api/v1/services",
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
}


@dataclass(frozen=True)
class Size:
    nodes: int = 5_000
    images: int = 50
    services: int = 10_000
    local: int = 2_000
    endpoints: int = 15

    @property
    def objects(self) -> int:
        """Nodes, Services and EndpointSlices together."""
        return self.nodes + 2 * self.services

    def times(self, factor: float) -> Size:
        return replace(
            self,
            nodes=round(self.nodes * factor),
            services=round(self.services * factor),
            local=round(self.local * factor),
        )


NOTHING = Size(nodes=0, services=0, local=0)


def load(cluster: Cluster, size: Size, beyond: Size = NOTHING, say: Callable[[str], None] = print) -> None:
    """Create the objects of this size, 40 requests at a time; those of the size `beyond` exist. Raises ApiError on
    the first that is refused."""
    if beyond == NOTHING:
        cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for plural, objects in (
        ("nodes", nodes(size, beyond.nodes)),
        ("services", services(size, beyond.services)),
        ("endpointslices", slices(size, beyond.services)),
    ):
        say(f"  creating {plural}")
        _create_all(cluster, PATHS[plural], objects)


@contextmanager
def at_work(cluster: Cluster) -> Iterator[None]:
    """One object of each kind changes every ten seconds, as they do in any cluster at work: where none of a kind
    has for five minutes, the API server takes its pages from etcd instead of its cache."""
    ended = threading.Event()

    def work() -> None:
        number = 0
        while not ended.wait(10 if number else 0):
            number += 1
            patch = {"metadata": {"annotations": {"bench.example.com/turn": str(number)}}}
            for plural, name in (
                ("nodes", node_name(0)),
                ("services", "service-0"),
                ("endpointslices", "service-0-slice"),
            ):
                cluster.call("PATCH", f"{PATHS[plural]}/{name}", patch)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def _create_all(cluster: Cluster, path: str, objects: Iterable[Object]) -> None:
    with ThreadPoolExecutor(40) as pool:
        for _ in pool.map(lambda o: cluster.call("POST", path, o, timeout=60), objects, chunksize=16):
            pass


def node_name(number: int) -> str:
    return f"ip-10-{number // 65536}-{number // 256 % 256}-{number % 256}.ec2.internal"


def nodes(size: Size, first: int = 0) -> Iterator[Object]:
    for i in range(first, size.nodes):
        images = [
            {
                "names": [
                    f"registry.example.com/team-{k % 7}/application-{k}@sha256:{k:064x}",
                    f"registry.example.com/team-{k % 7}/application-{k}:v1.{k}.{i % 9}",
                ],
                "sizeBytes": 50_000_000 + 1000 * k + i,
            }
            for k in range(size.images)
        ]
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": node_name(i),
                "labels": {
                    "kubernetes.io/hostname": node_name(i),
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                    "topology.kubernetes.io/zone": f"eu-central-1{'abc'[i % 3]}",
                    "node.kubernetes.io/instance-type": "m6i.2xlarge",
                },
            },
            "spec": {"providerID": f"aws:///eu-central-1{'abc'[i % 3]}/i-{i:017x}"},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": f"10.{i // 65536}.{i // 256 % 256}.{i % 256}"},
                    {"type": "Hostname", "address": node_name(i)},
                ],
                "conditions": [
                    {"type": kind, "status": status, "reason": f"Kubelet{kind}", "message": "as the kubelet says"}
                    for kind, status in (
                        ("MemoryPressure", "False"),
                        ("DiskPressure", "False"),
                        ("PIDPressure", "False"),
                        ("Ready", "True"),
                    )
                ],
                "images": images,
            },
        }


def is_local(size: Size, i: int) -> bool:
    """Local Services are spread evenly, so that a part of the cluster has the same share."""
    return i * size.local // size.services != (i + 1) * size.local // size.services


def services(size: Size, first: int = 0) -> Iterator[Object]:
    for i in range(first, size.services):
        local = is_local(size, i)
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": f"service-{i}",
                "labels": {"app.kubernetes.io/name": f"service-{i}", "app.kubernetes.io/part-of": "bench"},
            },
            "spec": {
                "type": "NodePort" if local else "ClusterIP",
                **({"externalTrafficPolicy": "Local"} if local else {}),
                "selector": {"app.kubernetes.io/name": f"service-{i}"},
                "ports": [
                    {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"},
                    {"name": "https", "port": 443, "targetPort": 8443, "protocol": "TCP"},
                ],
            },
        }


def slices(size: Size, first: int = 0) -> Iterator[Object]:
    for i in range(first, size.services):
        yield slice_(size, i)


def slice_(size: Size, i: int, shift: int = 0) -> Object:
    """The EndpointSlice of Service i; another `shift` puts its endpoints on other nodes."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"service-{i}-slice",
            "labels": {
                "kubernetes.io/service-name": f"service-{i}",
                "endpointslice.kubernetes.io/managed-by": "bench",
            },
        },
        "addressType": "IPv4",
        "ports": [
            {"name": "http", "port": 8080, "protocol": "TCP"},
            {"name": "https", "port": 8443, "protocol": "TCP"},
        ],
        "endpoints": [
            {
                "addresses": [f"100.{64 + i % 64}.{(i * 7 + k) % 250 + 1}.{k + 1}"],
                "nodeName": node_name((i * 31 + k * 97 + shift) % size.nodes),
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": f"service-{i}-{k:05x}"},
                "zone": f"eu-central-1{'abc'[k % 3]}",
            }
            for k in range(size.endpoints)
        ],
    }
