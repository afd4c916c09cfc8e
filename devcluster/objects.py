"""Objects that most tests need, made as their real writers (kubelet, kubectl, a user) would make them."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import yaml

from devcluster.cluster import Cluster
from devcluster.errors import ApiError

Object = dict[str, Any]
T = TypeVar("T")

YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""With libyaml it takes a tenth of the time."""


def node(
    cluster: Cluster,
    name: str,
    *,
    ready: bool = True,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Mapping[str, str]] = (),
    provider_id: str | None = None,
    internal_ip: str | Sequence[str] = (),
    unschedulable: bool = False,
) -> Object:
    """Creates a Node as a kubelet registers it: addresses and conditions in the same request."""
    addresses = [internal_ip] if isinstance(internal_ip, str) else internal_ip
    return cluster.call(
        "POST",
        "/api/v1/nodes",
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})},
            },
            "spec": {
                "taints": list(taints),
                "unschedulable": unschedulable,
                **({"providerID": provider_id} if provider_id is not None else {}),
            },
            "status": {
                "conditions": [_condition("Ready", ready)],
                "addresses": [{"type": "InternalIP", "address": address} for address in addresses]
                + [{"type": "Hostname", "address": name}],
                "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "1000"},
                "capacity": {"cpu": "64", "memory": "256Gi", "pods": "1000"},
            },
        },
    )


def set_node_ready(cluster: Cluster, name: str, ready: bool) -> Object:
    """Sets the Node's condition Ready, as its kubelet would."""
    return _patch_status(cluster, f"/api/v1/nodes/{name}", {"conditions": [_condition("Ready", ready)]})


def pod(
    cluster: Cluster,
    namespace: str,
    name: str,
    node: str,
    labels: Mapping[str, str],
    *,
    ip: str | Sequence[str],
    ready: bool = True,
    ports: Mapping[str, int] | None = None,
    udp_ports: Mapping[str, int] | None = None,
    host_network: bool = False,
    grace: int | None = None,
    pre_stop_sleep: int = 0,
) -> Object:
    """Creates a Pod bound to ``node``, then gives it the status of a running one with these IPs.

    That is all the EndpointSlice controller looks at: the Pod becomes an endpoint of every Service that selects
    ``labels``. ``ports`` (TCP) and ``udp_ports`` are named container ports, for Services whose target port is a
    name: the controller looks for name and protocol.
    """
    ips = [ip] if isinstance(ip, str) else list(ip)
    for address in ips:
        ipaddress.ip_address(address)  # ValueError here, rather than the API server's longer complaint
    created = cluster.call(
        "POST",
        f"/api/v1/namespaces/{namespace}/pods",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": dict(labels)},
            "spec": {
                "nodeName": node,
                # Nobody here ends containers: a deleted pod stays terminating unless forced, whatever this says.
                "terminationGracePeriodSeconds": 3600 if grace is None else grace,
                "tolerations": [{"operator": "Exists"}],
                "hostNetwork": host_network,
                "containers": [
                    {
                        "name": "main",
                        "image": "unused",
                        **(
                            {"lifecycle": {"preStop": {"sleep": {"seconds": pre_stop_sleep}}}}
                            if pre_stop_sleep
                            else {}
                        ),
                        "ports": [
                            {"name": n, "containerPort": number, "protocol": protocol}
                            for protocol, named in (("TCP", ports), ("UDP", udp_ports))
                            for n, number in (named or {}).items()
                        ],
                    }
                ],
            },
        },
    )
    return _patch_status(
        cluster,
        _path(created),
        {
            "phase": "Running",
            "startTime": _now(),
            "podIP": ips[0],
            "podIPs": [{"ip": address} for address in ips],
            "conditions": [_condition("Ready", ready), _condition("ContainersReady", ready)],
        },
    )


def set_ready(cluster: Cluster, pod: Object, ready: bool) -> Object:
    """Sets the Pod's conditions Ready and ContainersReady, as a passing or failing readiness probe would."""
    conditions = [_condition("Ready", ready), _condition("ContainersReady", ready)]
    return _patch_status(cluster, _path(pod), {"conditions": conditions})


def terminate(cluster: Cluster, pod: Object) -> Object:
    """Deletes the Pod with its long grace period.

    It stays, with a deletion timestamp: its endpoint is terminating, and serving for as long as the Pod is ready.
    ``delete`` ends it.
    """
    return cluster.call("DELETE", _path(pod))


def delete(cluster: Cluster, obj: Object) -> None:
    """Deletes a Pod or Node at once, without a grace period; one that is gone already is fine."""
    response = cluster.request("DELETE", f"{_path(obj)}?gracePeriodSeconds=0")
    if not response.ok and response.status != 404:
        raise ApiError(f"DELETE {_path(obj)}: {response.status}: {response.body.decode(errors='replace').strip()}")


def apply(cluster: Cluster, manifests: str | Object | Iterable[Object]) -> list[Object]:
    """Applies YAML documents or objects, and returns the objects as they are then.

    Sends the request of ``kubectl apply --server-side`` without its process, which takes fifty times the processor
    time. Raises ``ApiError`` when the API server refuses one, and ``TimeoutError`` when it does not serve a kind.
    """
    if isinstance(manifests, str):
        manifests = [each for each in yaml.load_all(manifests, YAML_LOADER) if each]
    elif isinstance(manifests, dict):
        manifests = [manifests]
    return [_apply(cluster, each) for each in manifests]


def _apply(cluster: Cluster, manifest: Object) -> Object:
    version, metadata = manifest["apiVersion"], manifest["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    # A CustomResourceDefinition is served a moment after it is created.
    served = wait_for(
        partial(_resource, cluster, root, manifest["kind"]), 10, f"{version} {manifest['kind']} to be served"
    )
    assert served
    plural, namespaced = served
    namespace = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
    return cluster.call(
        "PATCH",
        f"{root}{namespace}/{plural}/{metadata['name']}?fieldManager=kubectl&fieldValidation=Strict&force=false",
        json.dumps(manifest).encode(),
        content_type="application/apply-patch+yaml",
    )


def _resource(cluster: Cluster, root: str, kind: str) -> tuple[str, bool] | None:
    """The plural name of a kind, and whether its objects are in namespaces."""
    response = cluster.request("GET", root)
    for resource in response.json()["resources"] if response.ok else []:
        if resource["kind"] == kind and "/" not in resource["name"]:
            return str(resource["name"]), bool(resource["namespaced"])
    return None


def endpoint_slices(cluster: Cluster, namespace: str, service: str) -> list[Object]:
    """The EndpointSlices of a Service, whichever controller wrote them."""
    selector = f"kubernetes.io/service-name%3D{service}"
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector={selector}"
    return list(cluster.call("GET", path)["items"])


def wait_for(predicate: Callable[[], T], timeout: float = 60, what: str | None = None) -> T:
    """Calls ``predicate`` until it gives something true, and gives that; ``TimeoutError`` after ``timeout`` s.

    ``what`` names in the error what was waited for; the predicate's name by default. It is called 20 times a
    second at first and 4 times after some seconds: many tests at once must not spend the machine on asking.
    """
    began = time.monotonic()
    end = began + timeout
    while not (result := predicate()):
        if time.monotonic() > end:
            name = what or getattr(predicate, "__qualname__", repr(predicate))
            raise TimeoutError(f"waited {timeout:g} s for {name}; the last result was {result!r}")
        time.sleep(min(0.25, max(0.05, (time.monotonic() - began) / 20)))
    return result


def _patch_status(cluster: Cluster, path: str, status: Object) -> Object:
    return cluster.call("PATCH", f"{path}/status", {"status": status})


def _path(obj: Object) -> str:
    metadata = obj["metadata"]
    match obj["kind"]:
        case "Node":
            return f"/api/v1/nodes/{metadata['name']}"
        case "Pod":
            return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        case kind:
            raise ValueError(f"a Pod or a Node is needed here, not a {kind}")


def _condition(kind: str, holds: bool) -> Object:
    now = _now()
    return {
        "type": kind,
        "status": str(holds),
        "reason": "Set",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
