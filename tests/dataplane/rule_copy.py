"""kube-proxy's rule once more, plain and from raw JSON, with one thing that can be got wrong on purpose.

Comparing it with the packets shows that the comparison can fail; right, it agrees with them as etpguard does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from devcluster import Cluster
from devcluster.dataplane.addresses import Family
from devcluster.dataplane.matrix import PortKey, State, served

Json = dict[str, Any]


class RuleCopy:
    """`terminating_fallback` False: as if local endpoints that serve while they terminate got no traffic."""

    def __init__(self, *, terminating_fallback: bool = True) -> None:
        self._fallback = terminating_fallback

    def states(self, cluster: Cluster, namespaces: Collection[str]) -> dict[PortKey, dict[str, State]]:
        nodes = [node["metadata"]["name"] for node in cluster.call("GET", "/api/v1/nodes")["items"]]
        predicted: dict[PortKey, dict[str, State]] = {}
        for namespace in namespaces:
            slices = cluster.call("GET", f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")[
                "items"
            ]
            for service in cluster.call("GET", f"/api/v1/namespaces/{namespace}/services")["items"]:
                if service["spec"].get("externalTrafficPolicy") == "Local":
                    for key, _, _ in served(service):
                        endpoints = _endpoints(slices, key)
                        predicted[key] = {node: self._state(endpoints, node) for node in nodes}
        return predicted

    def healthy(self, cluster: Cluster, namespace: str, name: str, family: Family) -> set[str]:
        predicted = self.states(cluster, [namespace])
        return {
            node
            for key, states in predicted.items()
            if (key.service, key.family) == (name, family)
            for node, state in states.items()
            if state == "ready"
        }

    def _state(self, endpoints: list[Json], node: str) -> State:
        ready = [e.get("nodeName") for e in endpoints if _holds(e, "ready", True)]
        leaving = [
            e.get("nodeName")
            for e in endpoints
            if not _holds(e, "ready", True) and _holds(e, "serving", True) and _holds(e, "terminating", False)
        ]
        if node in ready:
            return "ready"
        if node in leaving and self._fallback:
            return "terminating"
        return "dropped" if ready or leaving else "rejected"


def _endpoints(slices: list[Json], key: PortKey) -> list[Json]:
    found: dict[tuple[str, int], Json] = {}
    for item in slices:
        labels = item["metadata"].get("labels", {})
        bound = labels.get("kubernetes.io/service-name") == key.service
        if not bound or "service.kubernetes.io/headless" in labels or item["addressType"] != key.family:
            continue
        for port in item.get("ports") or ():
            if (port.get("name", ""), port.get("protocol"), bool(port.get("port"))) != (
                key.port,
                key.protocol,
                True,
            ):
                continue
            for endpoint in item.get("endpoints") or ():
                at = endpoint["addresses"][0], port["port"]
                if at not in found or not _holds(endpoint, "terminating", False):
                    found[at] = endpoint
    return list(found.values())


def _holds(endpoint: Json, condition: str, default: bool) -> bool:
    value = endpoint.get("conditions", {}).get(condition)
    return default if value is None else bool(value)
