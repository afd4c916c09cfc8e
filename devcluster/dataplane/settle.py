"""Waits until what was written to the API is in the rules of every node: first the slices, then a barrier.

The barrier is a Service with an EndpointSlice a family whose port is a number never used before. kube-proxy reads
each kind by one ordered watch and programs all it has read, so once a node's rules name the new number in the
Service's and in both slices' place, all that was written before is in them too.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from typing import Any

from devcluster import Cluster
from devcluster.dataplane import addresses
from devcluster.dataplane.addresses import FAMILIES, Family
from devcluster.dataplane.nodes import Node, Nodes
from devcluster.dataplane.slices import difference

NAMESPACE = "etpguard-barrier"
_SERVICE = "barrier"
_PORTS = range(20_000, 60_000)
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"

Json = dict[str, Any]


class NotSettledError(AssertionError):
    """The control plane or a kube-proxy did not follow in time; the message says which, and what it lacks."""


class Settler:
    """Makes the barrier's objects in a namespace of their own, which `close` deletes."""

    def __init__(self, cluster: Cluster, nodes: Nodes, seconds: float = 60) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._seconds = seconds
        self._numbers = _numbers()
        self._make_barrier(next(self._numbers))

    def settle(self) -> None:
        """Raises NotSettledError after the given seconds; StartError when a kube-proxy has ended."""
        deadline = time.monotonic() + self._seconds
        while missing := difference(self._cluster):
            if time.monotonic() > deadline:
                raise NotSettledError(f"EndpointSlices lag behind: {missing}")
            time.sleep(0.05)
        number = next(self._numbers)
        self._raise_barrier(number)
        for node in self._nodes.running.values():
            while lacking := self._lacking(node, number):
                node.proxy.require_running()
                if time.monotonic() > deadline:
                    raise NotSettledError(f"{node.name}: not in its rules: {lacking}: {node.proxy.log_tail()}")
                time.sleep(0.1)

    def close(self) -> None:
        self._cluster.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/services/{_SERVICE}")
        self._cluster.request("DELETE", _SLICES.format(NAMESPACE))

    def _lacking(self, node: Node, number: int) -> list[str]:
        rules = self._nodes.rules(node.name)
        return [mark for mark in self._nodes.marks(addresses.NOBODY, number) if mark not in rules]

    def _make_barrier(self, number: int) -> None:
        call = self._cluster.request
        call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})  # there already, after another lab
        self.close()
        service = {
            "metadata": {"name": _SERVICE},
            "spec": {"ipFamilyPolicy": "RequireDualStack", "ports": [{"port": number}]},
        }
        self._cluster.call("POST", f"/api/v1/namespaces/{NAMESPACE}/services", service)
        for family in FAMILIES:
            self._cluster.call("POST", _SLICES.format(NAMESPACE), _slice(family, number))

    def _raise_barrier(self, number: int) -> None:
        path = f"/api/v1/namespaces/{NAMESPACE}/services/{_SERVICE}"
        self._cluster.call("PATCH", path, {"spec": {"ports": [{"port": number, "targetPort": number}]}})
        for family in FAMILIES:
            path = f"{_SLICES.format(NAMESPACE)}/{_slice_name(family)}"
            self._cluster.call("PATCH", path, {"ports": _slice(family, number)["ports"]})


def _numbers() -> Iterator[int]:
    start = random.randrange(len(_PORTS))
    return itertools.cycle([*_PORTS[start:], *_PORTS[:start]])


def _slice_name(family: Family) -> str:
    return f"{_SERVICE}-{family.lower()}"


def _slice(family: Family, number: int) -> Json:
    return {
        "metadata": {"name": _slice_name(family), "labels": {"kubernetes.io/service-name": _SERVICE}},
        "addressType": family,
        "ports": [{"name": "", "port": number, "protocol": "TCP"}],
        "endpoints": [{"addresses": [addresses.NOBODY.of(family)]}],
    }
