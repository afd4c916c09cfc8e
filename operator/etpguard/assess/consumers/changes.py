"""The changes that advice proposes: as data for patches and forecasts, and as commands to copy. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import Struct

from etpguard.objects import Key
from etpguard.objects.shell import command_line, quoted

Json = dict[str, Any]

_API_VERSIONS = {"Service": "v1", "Node": "v1", "Ingress": "networking.k8s.io/v1"}


class ObjectChange(Struct, frozen=True):
    """A change of one object. `fields` is JSON with the fields that change, null for one that is removed: a
    strategic merge patch of a kind that Kubernetes serves itself, a merge patch of any other."""

    api_version: str
    kind: str
    key: Key
    fields: str
    creates: bool = False
    """Whether `fields` are those of a whole object, which may not exist yet."""

    @property
    def document(self) -> Json:
        """The change with the apiVersion, kind and name of its object."""
        fields: Json = json.loads(self.fields)
        namespace = {"namespace": self.key.namespace} if self.key.namespace else {}
        metadata = {"name": self.key.name, **namespace, **fields.pop("metadata", {})}
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata, **fields}


class WorkloadChange(Enum):
    """A change of the workload behind the Service. Its object and fields depend on Pods and workloads, which
    families do not read."""

    SPREAD = "a ready pod on every node that its pods may use"
    HAND_OVER = "pods that serve until the load balancer has stopped"
    TOLERATE = "a pod of the DaemonSet on tainted nodes too"
    SURGE = "a new pod of the DaemonSet before the old one ends"


Change = tuple[ObjectChange, ...] | WorkloadChange
"""What an item of advice changes; () for nothing that the API holds, and for what needs a decision first."""


class Step(NamedTuple):
    """The last two fields of an `Advice`."""

    command: str
    change: Change


NO_STEP = Step("", ())


def kubectl(*words: str) -> str:
    """Every word is quoted."""
    return command_line(("kubectl", *words))


@lru_cache(maxsize=16)
def _spec(field: str, value: str | bool) -> str:
    return json.dumps({"spec": {field: value}}, separators=(",", ":"))


def annotated(kind: str, key: Key, pairs: Mapping[str, str | None]) -> Step:
    """Set annotations of a Service or an Ingress; None removes one."""
    fields = json.dumps({"metadata": {"annotations": dict(pairs)}})
    words = [f"{name}-" if value is None else f"{name}={value}" for name, value in pairs.items()]
    overwrite = ["--overwrite"] if any(value is not None for value in pairs.values()) else []
    command = kubectl("-n", key.namespace, "annotate", kind.lower(), key.name, *overwrite, *words)
    return Step(command, (ObjectChange(_API_VERSIONS[kind], kind, key, fields),))


def service_spec(key: Key, field: str, value: str | bool) -> Step:
    """Set a field of the spec of a Service."""
    patch = _spec(field, value)
    command = kubectl("-n", key.namespace, "patch", "service", key.name, "-p", patch)
    return Step(command, (ObjectChange("v1", "Service", key, patch),))


def in_turn(steps: Iterable[Step]) -> Step:
    """These changes of objects as one step, with one command a line."""
    made = list(steps)
    objects = (each for step in made if isinstance(step.change, tuple) for each in step.change)
    return Step("\n".join(step.command for step in made), tuple(objects))


def without_label(nodes: Iterable[str], label: str) -> Step:
    """Remove a label from Nodes."""
    names = list(nodes)
    fields = json.dumps({"metadata": {"labels": {label: None}}})
    return Step(
        kubectl("label", "node", *names, f"{label}-"),
        tuple(ObjectChange("v1", "Node", Key("", name), fields) for name in names),
    )


def merge(api_version: str, kind: str, key: Key, spec: object) -> Step:
    """Patch the spec of a custom resource."""
    fields = json.dumps({"spec": spec})
    where = ("-n", key.namespace) if key.namespace else ()
    command = kubectl(*where, "patch", kind.lower(), key.name, "--type", "merge", "-p", fields)
    return Step(command, (ObjectChange(api_version, kind, key, fields),))


def create(body: Json) -> Step:
    """Create a whole object. The command fails where one with that name exists, which an apply would change."""
    meta = body["metadata"]
    key = Key(meta.get("namespace", ""), meta["name"])
    change = ObjectChange(body["apiVersion"], body["kind"], key, json.dumps(body), creates=True)
    return Step(f"kubectl create -f - <<< {quoted(json.dumps(body))}", (change,))


def with_labels(written: str, labels: Mapping[str, str], *, keep: bool) -> str:
    """A selector `k=v,k=v` for these labels. With `keep`, they are added to `written`, a selector in which commas
    mean `and`."""
    added = ",".join(f"{key}={value}" for key, value in labels.items())
    return f"{written},{added}" if keep and written else added
