"""What a person needs to understand a mismatch: objects and rules, nothing else of the cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from devcluster.dataplane.lab import Lab
from devcluster.dataplane.matrix import Mismatch

_NOISE = ("managedFields", "uid", "creationTimestamp", "generateName", "ownerReferences", "selfLink")


def describe(lab: Lab, mismatches: Sequence[Mismatch], *, seed: object = None, steps: Iterable[str] = ()) -> str:
    """Seed and steps that led here, each mismatch, the objects of its Service, and the rules of its node."""
    lines = [f"{len(mismatches)} mismatches between etpguard's word and the packets, {lab.mode} mode"]
    lines += [f"seed {seed}"] if seed is not None else []
    lines += [f"  step {number}: {step}" for number, step in enumerate(steps, 1)]
    lines += [f"MISMATCH {mismatch}" for mismatch in mismatches]
    for namespace, service in sorted({(m.key.namespace, m.key.service) for m in mismatches}):
        lines += [f"--- objects of {namespace}/{service}", *objects_of(lab, namespace, service)]
        for node in sorted({m.cell.node for m in mismatches if m.cell and m.key.service == service}):
            lines.append(f"--- rules of {node} for {namespace}/{service}")
            lines += rules_of(lab.nodes.rules(node), f"{namespace}/{service}")
    for namespace in sorted({m.key.namespace for m in mismatches}):
        pods = lab.cluster.call("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
        lines += [f"--- pods of {namespace}", *(json.dumps(_short_pod(pod), sort_keys=True) for pod in pods)]
    return "\n".join(lines)


def rules_of(rules: str, service: str) -> list[str]:
    """Of what nft or iptables-save printed: lines that name the Service, and whole chains whose name does."""
    named = re.compile(re.escape(service) + r"(?![\w-])")
    kept: list[str] = []
    within = False
    for line in rules.splitlines():
        if line.startswith("\tchain "):
            within = bool(named.search(line))
        if within or named.search(line):
            kept.append(line)
        if line.startswith("\t}"):
            within = False
    return kept


def objects_of(lab: Lab, namespace: str, service: str) -> list[str]:
    """The Service and its EndpointSlices, a line of JSON each."""
    get = lab.cluster.call
    selector = f"labelSelector=kubernetes.io/service-name%3D{service}"
    found = get("GET", f"/api/v1/namespaces/{namespace}/services")["items"]
    items = [item for item in found if item["metadata"]["name"] == service]
    items += get("GET", f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?{selector}")["items"]
    return [json.dumps(_without_noise(item), sort_keys=True) for item in items]


def _short_pod(pod: dict[str, Any]) -> dict[str, Any]:
    meta, status = pod["metadata"], pod.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
    return {
        "pod": meta["name"],
        "labels": meta.get("labels"),
        "node": pod["spec"].get("nodeName"),
        "ips": [ip["ip"] for ip in status.get("podIPs", ())],
        "ready": ready,
        "deletionTimestamp": meta.get("deletionTimestamp"),
    }


def _without_noise(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_noise(item) for key, item in value.items() if key not in _NOISE}
    if isinstance(value, list):
        return [_without_noise(item) for item in value]
    return value
