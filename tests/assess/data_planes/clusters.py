"""Nodes and named objects for tests of the detection, through the decoders."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from etpguard.assess.data_planes.choice import Choice
from etpguard.assess.data_planes.detection import Detection
from etpguard.assess.data_planes.interface import NodePlanes
from etpguard.objects import NODE, Key, Node, Reject, decode_item
from etpguard.objects.named import NAMED_KINDS, NAMED_OBJECTS, Listed, NamedObject, NamedObjects, named_object

Json = dict[str, Any]


def cilium_node_config(name: str, selector: Json | None, **defaults: str) -> Json:
    """`selector` is a LabelSelector. In the names of `defaults`, "_" is "-"."""
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNodeConfig",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"nodeSelector": selector, "defaults": {k.replace("_", "-"): v for k, v in defaults.items()}},
    }


def node(name: str, *, up: str = "", annotations: Json | None = None, **labels: Any) -> Json:
    """`up` is the reason of its condition NetworkUnavailable."""
    conditions = [{"type": "NetworkUnavailable", "status": "False", "reason": up}] if up else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations or {}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}, *conditions]},
    }


def config_map(name: str, **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": data,
    }


def daemon_set(name: str, image: str = "x:v1.0.0", namespace: str = "kube-system", **pod: Any) -> Json:
    """`pod` has fields of the pod, those of its only container, and `desired`."""
    desired = pod.pop("desired", 3)
    container = {"name": name, "image": image}
    container |= {field: pod.pop(field) for field in ("args", "command", "env") if field in pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"spec": {"containers": [container], **pod}}},
        "status": {"desiredNumberScheduled": desired},
    }


def cluster_object(kind: str, version: str, name: str, **spec: Any) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def not_on(label: str, *values: str) -> Json:
    """The affinity of pods that run on no node with that label."""
    terms = [{"matchExpressions": [{"key": label, "operator": "NotIn", "values": list(values)}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"nodeAffinity": required}


def identity(item: Json) -> NamedObject | None:
    """The named object that this object is."""
    kind = NAMED_KINDS.get((item["apiVersion"], item["kind"]))
    meta = item["metadata"]
    return named_object(kind, Key(meta.get("namespace", ""), meta["name"])) if kind else None


def named_objects(items: Iterable[Json], unread: Iterable[NamedObject] = ()) -> NamedObjects:
    """Those among the items. The others do not exist, but for the `unread`."""
    found: dict[NamedObject, Any] = {}
    lists: dict[NamedObject, list[Any]] = {}
    for item in items:
        if which := identity(item):
            record = decode_item(which.kind, json.dumps(item).encode())
            assert not isinstance(record, Reject), record.message
            if which.is_list:
                lists.setdefault(which, []).append(record)
            else:
                found[which] = record
    found |= {which: listed for which, records in lists.items() if (listed := Listed.of(records))}
    return NamedObjects(found, dict.fromkeys(unread, "403 Forbidden"))


def nodes_in(items: Iterable[Json]) -> list[Node]:
    made = [decode_item(NODE, json.dumps(item).encode()) for item in items if item["kind"] == "Node"]
    return [each for each in made if isinstance(each, Node)]


class Group(NamedTuple):
    """Names of nodes, and their data plane as "NAME MODE VERSION"."""

    nodes: str
    plane: str
    evidence: str
    how: str


class Detected(NamedTuple):
    groups: list[Group]
    planes: NodePlanes

    @property
    def possible(self) -> set[str]:
        """The data planes of the first group that are possible."""
        return {planes.groups[0].plane.name.value for planes in (self.planes, *self.planes.otherwise)}


def detect(items: Sequence[Json], choice: str = "auto", *, unread: Iterable[NamedObject] = ()) -> Detected:
    detection = Detection(Choice.parse(choice), named_objects(items, unread))
    nodes = nodes_in(items)
    members: dict[Any, int] = {}
    for bit, each in enumerate(nodes):
        signs = detection.signs(each)
        members[signs] = members.get(signs, 0) | 1 << bit
    planes = detection.planes(members)
    groups = []
    for group in planes.groups:
        names = [each.metadata.name for bit, each in enumerate(nodes) if group.nodes >> bit & 1]
        plane = group.plane
        text = " ".join(filter(None, (plane.name.value, plane.mode, plane.version)))
        groups.append(Group(" ".join(names), text, plane.evidence.value, plane.how))
    return Detected(groups, planes)


ALL = NAMED_OBJECTS
