"""Clusters in shorthand, as `kubectl get -o json` would print them.

A cluster is a mapping. `cloud` gives the form of the providerIDs, `nodes` names the nodes ("a b c", or a mapping
of their peculiarities), and `services` has the Services by namespace/name. A Service is of type LoadBalancer and
has an address unless its shorthand says otherwise; `pods`, `not_ready` and `terminating` place its endpoints, for
all ports or by port. `objects` are further objects as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]

_SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mc_example"
_PROVIDER_ID = {
    "": "",
    "aws": "aws:///eu-west-1a/i-0abc{n:08x}",
    "azure": f"azure://{_SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachineScaleSets/pool/virtualMachines/{{n}}",
    "gce": "gce://example-project/europe-west1-b/{name}",
    "openstack": "openstack:///0a1b2c3d-0000-4000-8000-{n:012d}",
    "hcloud": "hcloud://{n}0001",
    "hrobot": "hrobot://{n}0002",
    "oci": "ocid1.instance.oc1.eu-frankfurt-1.abtheljr{n:08d}",
    "alibaba": "cn-hangzhou.i-bp1{n:08d}",
    "ibm": "ibm://0123456789abcdef///c1/kube-c1-default-{n:08d}",
    "upcloud": "upcloud:////0a1b2c3d-0000-4000-8000-{n:012d}",
}
_PORT = re.compile(r"(?P<name>[a-z0-9-]*):(?P<port>\d+)(?:>(?P<node_port>\d+))?(?:/(?P<protocol>[A-Z]+))?")
_SINCE = "2026-03-02T09:00:00Z"
_VERSIONS = {"Service": "v1", "Node": "v1", "EndpointSlice": "discovery.k8s.io/v1"}
HEALTH_CHECK_NODE_PORT = 31497


def listed(cluster: Mapping[str, Any]) -> Json:
    """All objects of the cluster in one List."""
    cloud = cluster.get("cloud", "")
    items = [_node(name, n, cloud, given) for n, (name, given) in enumerate(_named(cluster["nodes"]), 1)]
    for n, (key, given) in enumerate(cluster["services"].items(), 1):
        items += _served(key, n, given or {})
    items += cluster.get("objects", ())
    for n, item in enumerate(items, 1):
        kind = item["kind"]
        item.setdefault("apiVersion", _VERSIONS.get(kind, "v1"))
        meta = {"uid": f"00000000-0000-4000-8000-{n:012d}", "resourceVersion": str(1000 + n)}
        item["metadata"] = {**meta, "creationTimestamp": _SINCE, **item["metadata"]}
        if item["metadata"].get("uid") == "":
            del item["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _named(given: Any) -> Iterator[tuple[str, Json]]:
    if isinstance(given, str):
        given = dict.fromkeys(given.split())
    for name, peculiar in given.items():
        yield name, peculiar or {}


def _node(name: str, n: int, cloud: str, given: Json) -> Json:
    form = _PROVIDER_ID.get(given.get("cloud", cloud), f"{given.get('cloud', cloud)}://{{name}}")
    provider_id = given.get("id", form.format(name=name, n=n))
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    spec: Json = {"providerID": provider_id} if provider_id else {}
    taints = [_taint(each) for each in given.get("taints", ())]
    if given.get("cordoned"):
        spec["unschedulable"] = True
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    if taints:
        spec["taints"] = taints
    addresses = [{"type": "InternalIP", "address": each} for each in given.get("ips", (f"192.0.2.{10 + n}",))]
    addresses += [{"type": "ExternalIP", "address": each} for each in given.get("external", ())]
    addresses.append({"type": "Hostname", "address": given.get("hostname", name)})
    ready = given.get("ready", "True")
    conditions = [{"type": "Ready", "status": ready, "reason": "KubeletReady", "lastTransitionTime": _SINCE}]
    conditions += given.get("conditions", ())
    metadata: Json = {"name": name, "labels": labels | given.get("labels", {})}
    if given.get("deleting"):
        metadata["deletionTimestamp"] = _SINCE
    info = {"kubeletVersion": given.get("version", "v1.34.1"), "operatingSystem": "linux"}
    return {
        "kind": "Node",
        "metadata": metadata,
        "spec": spec,
        "status": {"addresses": addresses, "conditions": conditions, "nodeInfo": info},
    }


def _taint(text: str) -> Json:
    left, _, effect = text.rpartition(":")
    key, _, value = left.partition("=")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})


def _served(key: str, n: int, given: Json) -> Iterator[Json]:
    namespace, _, name = key.rpartition("/")
    kind = given.get("type", "LoadBalancer")
    families: list[str] = given.get("families", ["IPv4"])
    ports = [_port(each, i, n, given) for i, each in enumerate(given.get("ports", "http:80 https:443").split())]
    spec: Json = {
        "type": kind,
        "externalTrafficPolicy": given.get("policy", "Local"),
        "internalTrafficPolicy": "Cluster",
        "clusterIP": f"198.51.100.{20 + n}",
        "clusterIPs": [f"198.51.100.{20 + n}", f"2001:db8:ff::{n}"][: len(families)],
        "ipFamilies": families,
        "ipFamilyPolicy": "SingleStack" if len(families) == 1 else "RequireDualStack",
        "ports": ports,
        "selector": given.get("selector", {"app": name}),
        "sessionAffinity": "None",
    }
    if kind == "LoadBalancer":
        spec["allocateLoadBalancerNodePorts"] = given.get("node_ports", True)
        spec["healthCheckNodePort"] = HEALTH_CHECK_NODE_PORT + n - 1
    if "class" in given:
        spec["loadBalancerClass"] = given["class"]
    spec |= given.get("spec", {})
    metadata: Json = {"name": name, "namespace": namespace or "edge"}
    metadata |= {k: given[k] for k in ("annotations", "labels", "finalizers") if k in given}
    entries = [_entry(each) for each in str(given.get("at", f"203.0.113.{50 + n}")).split()]
    status: Json = {"loadBalancer": {"ingress": entries} if entries and kind == "LoadBalancer" else {}}
    if "conditions" in given:
        status["conditions"] = given["conditions"]
    if given.get("manifest"):
        metadata["uid"], status = "", {}
    yield {"kind": "Service", "metadata": metadata, "spec": spec, "status": status}
    placed: list[str] = given.get("endpoint_families", families)
    for family in placed:
        yield from _slices(metadata, ports, given, family, n)


def _entry(text: str) -> Json:
    return (
        {"ip": text, "ipMode": "VIP"}
        if re.fullmatch(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:]*", text)
        else {"hostname": text}
    )


def _port(text: str, i: int, n: int, given: Json) -> Json:
    found = _PORT.fullmatch(text)
    assert found, text
    made: Json = {"port": int(found["port"]), "protocol": found["protocol"] or "TCP"}
    if found["name"]:
        made |= {"name": found["name"], "targetPort": found["name"]}
    if given.get("node_ports", True) and given.get("type") != "ClusterIP":
        made["nodePort"] = int(found["node_port"] or 30000 + 100 * n + i)
    return made


def _slices(service: Json, ports: list[Json], given: Json, family: str, n: int) -> Iterator[Json]:
    """One slice for the ports whose endpoints are on the same nodes."""
    by_place: dict[tuple[str, str, str], list[Json]] = {}
    for port in ports:
        place = tuple(
            _at(given.get(key, ""), port.get("name", "")) for key in ("pods", "not_ready", "terminating")
        )
        by_place.setdefault(place, []).append(port)  # type: ignore[arg-type]
    for i, (place, served) in enumerate(by_place.items()):
        endpoints: list[Json] = []
        for names, (ready, serving) in zip(place, ((True, True), (False, False), (False, True)), strict=True):
            for name in names.split():
                endpoints.append(
                    _endpoint(service, name, family, (n, i, len(endpoints)), ready=ready, serving=serving)
                )
        if not endpoints and given.get("empty_slices", True) is False:
            continue
        yield {
            "kind": "EndpointSlice",
            "addressType": family,
            "metadata": {
                "name": f"{service['name']}-{'abcdefgh'[i]}{family[-1]}x7k",
                "namespace": service["namespace"],
                "labels": {
                    "kubernetes.io/service-name": service["name"],
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                },
            },
            "endpoints": endpoints,
            "ports": [
                {"name": each.get("name", ""), "port": 8080 + j, "protocol": each["protocol"]}
                for j, each in enumerate(served)
            ],
        }


def _at(given: Any, port: str) -> str:
    return str((given.get(port) if isinstance(given, Mapping) else given) or "")


def _endpoint(service: Json, node: str, family: str, at: Iterable[int], *, ready: bool, serving: bool) -> Json:
    a, b, c = at
    address = f"10.{a}.{b}.{c + 1}" if family == "IPv4" else f"2001:db8:{a}:{b}::{c + 1}"
    made: Json = {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": serving, "terminating": serving and not ready},
        "targetRef": {"kind": "Pod", "name": f"{service['name']}-{a}{b}{c}", "namespace": service["namespace"]},
    }
    return made if node == "-" else made | {"nodeName": node}
