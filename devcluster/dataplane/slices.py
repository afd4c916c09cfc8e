"""Whether the EndpointSlice controller has caught up with the pods: the condition for going on, nothing more.

After k8s.io/endpointslice v0.37.2, utils.go (podToEndpoint, getEndpointPorts) and reconciler.go.
"""

from __future__ import annotations

from typing import Any

from devcluster import Cluster
from devcluster.dataplane.addresses import Family, family_of

_CONTROLLER = "endpointslice-controller.k8s.io"

Json = dict[str, Any]
Key = tuple[str, str, Family, str]
"""Namespace, Service, family, pod."""
Endpoint = tuple[str, bool, bool, bool, frozenset[tuple[str, str, int]]]
"""Address, ready, serving, terminating, and (name, protocol, number) of each port."""


def difference(cluster: Cluster) -> str:
    """What the slices still lack, in words; empty when they are what the pods and Services ask for.

    Not asked of pods whose Node object is gone: they stay until something else touches the Service.
    """
    nodes = {node["metadata"]["name"] for node in _list(cluster, "/api/v1/nodes")}
    wanted, found = _wanted(cluster, nodes), _found(cluster, nodes)
    return "; ".join(
        f"{'/'.join(key)}: wanted {wanted.get(key)}, found {found.get(key)}"
        for key in sorted(wanted.keys() | found.keys())
        if wanted.get(key) != found.get(key)
    )


def _wanted(cluster: Cluster, nodes: set[str]) -> dict[Key, Endpoint]:
    pods = _list(cluster, "/api/v1/pods")
    wanted: dict[Key, Endpoint] = {}
    for service in _list(cluster, "/api/v1/services"):
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        spec = service["spec"]
        selector = spec.get("selector") or {}
        if not selector or "deletionTimestamp" in service["metadata"]:
            continue
        publish = spec.get("publishNotReadyAddresses", False)
        for pod in pods:
            meta, status = pod["metadata"], pod.get("status", {})
            if meta["namespace"] != namespace or not selector.items() <= meta.get("labels", {}).items():
                continue
            if status.get("phase") in ("Succeeded", "Failed"):
                continue
            if pod["spec"].get("nodeName") not in nodes:
                continue
            serving = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
            terminating = "deletionTimestamp" in meta
            ready = publish or (serving and not terminating)
            for family in spec.get("ipFamilies", ()):
                of_family = [ip["ip"] for ip in status.get("podIPs", ()) if family_of(ip["ip"]) == family]
                if of_family:
                    key = (namespace, name, family, meta["name"])
                    wanted[key] = (of_family[0], ready, serving, terminating, _ports(spec, pod))
    return wanted


def _ports(spec: Json, pod: Json) -> frozenset[tuple[str, str, int]]:
    """A named target port is looked for by name and protocol; one that the pod lacks is left out."""
    found = set()
    for port in spec.get("ports", ()):
        name, protocol, target = port.get("name", ""), port["protocol"], port.get("targetPort", port["port"])
        if isinstance(target, int):
            found.add((name, protocol, target))
            continue
        for container in pod["spec"]["containers"]:
            for named in container.get("ports", ()):
                if (named.get("name"), named["protocol"]) == (target, protocol):
                    found.add((name, protocol, named["containerPort"]))
    return frozenset(found)


def _found(cluster: Cluster, nodes: set[str]) -> dict[Key, Endpoint]:
    found: dict[Key, Endpoint] = {}
    for item in _list(cluster, "/apis/discovery.k8s.io/v1/endpointslices"):
        labels = item["metadata"].get("labels", {})
        if labels.get("endpointslice.kubernetes.io/managed-by") != _CONTROLLER:
            continue
        ports = frozenset((p["name"], p["protocol"], p["port"]) for p in item.get("ports") or ())
        service = labels["kubernetes.io/service-name"]
        for endpoint in item.get("endpoints") or ():
            if endpoint.get("nodeName") not in nodes:
                continue
            says = endpoint["conditions"]
            key = (item["metadata"]["namespace"], service, item["addressType"], endpoint["targetRef"]["name"])
            conditions = says["ready"], says["serving"], says["terminating"]
            found[key] = (endpoint["addresses"][0], *conditions, ports)
    return found


def _list(cluster: Cluster, path: str) -> list[Json]:
    return list(cluster.call("GET", path).get("items") or ())
