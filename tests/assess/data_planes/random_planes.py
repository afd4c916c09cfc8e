"""Random clusters with the shapes that data planes read in different ways."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from tests.assess.random_clusters import Cluster, random_cluster

Json = dict[str, Any]
NODE_LABEL = "service.cilium.io/node"
SELECTORS = (
    "topology.kubernetes.io/zone=a",
    "topology.kubernetes.io/zone in (a, c)",
    f"{NODE_LABEL}!=edge",
    NODE_LABEL,
    "",
    "not a selector (",
)


def random_planes_cluster(seed: int) -> Cluster:
    made, random = random_cluster(seed), Random(f"planes {seed}")
    for node in made.nodes:
        if random.random() < 0.4:
            node["metadata"]["labels"][NODE_LABEL] = random.choice(("edge", "core"))
        if random.random() < 0.2:
            del node["metadata"]["labels"]["topology.kubernetes.io/zone"]
    for service in made.services:
        _change_service(service, random)
    for slice_ in made.slices:
        _change_slice(slice_, made.node_names, random)
    for service in made.services:
        if random.random() < 0.05 and "selector" not in service["spec"]:
            made.slices.append(_placeholder(service))
    return made


def _change_service(service: Json, random: Random) -> None:
    meta, spec = service["metadata"], service["spec"]
    notes: dict[str, str] = {}
    for chance, name, values in (
        (0.12, "service.cilium.io/node-selector", SELECTORS),
        (0.12, NODE_LABEL, ("edge", "core", "none")),
        (0.15, "service.cilium.io/type", ("LoadBalancer", "NodePort", "ClusterIP", "Any")),
        (0.3, "service.kubernetes.io/topology-mode", ("Auto", "auto", "Disabled")),
        (0.1, "lb.projectcalico.org/external-traffic-strategy", ("maglev",)),
        (0.1, "traffic-policy.network.alpha.openshift.io/local-with-fallback", ("",)),
    ):
        if random.random() < chance:
            notes[name] = random.choice(values)
    if notes:
        meta["annotations"] = notes
    if random.random() < 0.05:
        meta.setdefault("labels", {})["service.kubernetes.io/headless"] = ""
    if random.random() < 0.15:
        spec["publishNotReadyAddresses"] = True
    if random.random() < 0.1 and spec.get("clusterIPs") and spec["clusterIP"] != "None":
        spec.pop("ipFamilies", None)
        spec["clusterIPs"] = ["10.96.0.99", "fd00:96::99"]
    if random.random() < 0.6:
        spec["selector"] = {"app": "web"}


def _change_slice(slice_: Json, node_names: list[str], random: Random) -> None:
    meta, family = slice_["metadata"], slice_["addressType"]
    if random.random() < 0.15:
        meta["annotations"] = {
            "service.cilium.io/weight": random.choice(("0", "00", "1", "no", "", "-0", "70000"))
        }
    if random.random() < 0.06:
        managers = ("endpointslice-mesh-controller.cilium.io", "endpointslice-controller.k8s.io")
        meta["labels"]["endpointslice.kubernetes.io/managed-by"] = random.choice(managers)
    for port in slice_.get("ports") or ():
        if random.random() < 0.08:
            port["name"] = ""
        elif not port.get("name") and random.random() < 0.3:
            port["name"] = "web"
        if port.get("port") == 0:
            port["port"] = None  # the API server refuses 0
    endpoints = slice_.get("endpoints") or []
    for endpoint in list(endpoints):
        if family == "IPv6" and "10.0.0.99" in endpoint["addresses"]:
            endpoint["addresses"] = endpoint["addresses"][:-1]  # the API server refuses it
        if endpoint["addresses"] and family in ("IPv4", "IPv6") and random.random() < 0.15:
            last = random.randint(1, 9)
            endpoint["addresses"].append(f"10.0.0.{last}" if family == "IPv4" else f"2001:db8::{last:x}")
        if "nodeName" not in endpoint and random.random() < 0.5:
            endpoint["deprecatedTopology"] = {"kubernetes.io/hostname": random.choice(node_names)}
        if random.random() < 0.6:
            endpoint["hints"] = _hints(node_names, random)
        if random.random() < 0.1:
            copy = {**endpoint, "conditions": {"ready": random.random() < 0.5}}
            if random.random() < 0.5:
                copy["nodeName"] = random.choice(node_names)
            endpoints.append(copy)


def _hints(node_names: list[str], random: Random) -> Json:
    hints: Json = {}
    if random.random() < 0.8:
        hints["forZones"] = [{"name": zone} for zone in random.sample("abc", random.randint(1, 2))]
    if random.random() < 0.4:
        hints["forNodes"] = [{"name": random.choice(node_names)}]
    return hints


def _placeholder(service: Json) -> Json:
    meta = service["metadata"]
    return {
        "metadata": {
            "name": f"{meta['name']}-envoy",
            "namespace": meta["namespace"],
            "uid": f"uid-{meta['name']}-envoy",
            "resourceVersion": "1",
            "labels": {"kubernetes.io/service-name": meta["name"]},
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 9999, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["192.192.192.192"], "conditions": {"ready": True}}],
    }


def shapes(cluster: Cluster) -> Counter[str]:
    """How often the shapes that were added occur."""
    found: Counter[str] = Counter()
    for service in cluster.services:
        for name in service["metadata"].get("annotations") or ():
            found[name] += 1
        found["headless label on a Service"] += "service.kubernetes.io/headless" in (
            service["metadata"].get("labels") or {}
        )
        found["publishNotReadyAddresses"] += bool(service["spec"].get("publishNotReadyAddresses"))
        found["two clusterIPs without ipFamilies"] += len(
            service["spec"].get("clusterIPs") or ()
        ) == 2 and not service["spec"].get("ipFamilies")
    for slice_ in cluster.slices:
        found["weight"] += "annotations" in slice_["metadata"]
        labels = slice_["metadata"]["labels"]
        found["slice of a mesh"] += labels.get("endpointslice.kubernetes.io/managed-by", "").startswith(
            "endpointslice-mesh"
        )
        found["unnamed slice port"] += any(port.get("name") == "" for port in slice_.get("ports") or ())
        for endpoint in slice_.get("endpoints") or ():
            found["deprecatedTopology"] += "deprecatedTopology" in endpoint
            found["second address"] += len(endpoint["addresses"]) > 1
            found["node hint"] += "forNodes" in (endpoint.get("hints") or {})
            found["placeholder of Envoy"] += endpoint["addresses"] == ["192.192.192.192"]
    return found
