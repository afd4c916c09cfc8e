"""Clusters with pods for the tests of `what-if`: API objects as dicts, and forecasts over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from etpguard.assess import Assessment, Engine, picture_for
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cluster import Picture
from etpguard.foresight.changes import Change
from etpguard.foresight.forecasts.forecast import Forecast, Phases
from etpguard.foresight.what_if import what_if
from etpguard.objects import Key, Reject, decode_item
from etpguard.objects.pod_controllers import WORKLOAD_KINDS

Json = dict[str, Any]

WEB = Key("shop", "web")
ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"
APP = {"app": "web"}
_numbers = count(1)


def node(name: str, *, zone: str = "", ready: str = "True", **more: Any) -> Json:
    labels = {HOSTNAME: name, **({ZONE: zone} if zone else {}), **more.pop("labels", {})}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"providerID": f"aws:///eu-west-1a/i-{name}", **more},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
        },
    }


def pod(
    name: str,
    on: str,
    *,
    owner: str = "ReplicaSet/web-1",
    ready: bool = True,
    labels: Mapping[str, str] = APP,
    phase: str = "Running",
    annotations: Mapping[str, str] | None = None,
    deleting: bool = False,
    **spec: Any,
) -> Json:
    kind, _, of = owner.partition("/")
    meta: Json = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "labels": dict(labels),
        "annotations": dict(annotations or {}),
    }
    if kind:
        meta["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": kind, "name": of, "controller": True}]
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"nodeName": on or None, "containers": [{"name": "c"}], **spec},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def service(policy: str = "Local", name: str = "web", **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
        "spec": {
            "type": "NodePort",
            "externalTrafficPolicy": policy,
            "clusterIP": "10.96.0.1",
            "clusterIPs": ["10.96.0.1"],
            "ipFamilies": ["IPv4"],
            "selector": APP,
            "ports": [{"name": "http", "port": 80, "nodePort": 30080, "protocol": "TCP"}],
            **spec,
        },
    }


def endpoints(pods: Iterable[Json], of: str = "web") -> Json:
    """The EndpointSlice that the controller makes of these pods."""
    made = []
    for number, each in enumerate(pods):
        meta, status = each["metadata"], each["status"]
        if not each["spec"]["nodeName"] or status["phase"] in ("Succeeded", "Failed"):
            continue
        ready = status["conditions"][0]["status"] == "True"
        ending = "deletionTimestamp" in meta
        made.append(
            {
                "addresses": [f"10.0.{number // 250}.{number % 250 + 1}"],
                "conditions": {"ready": ready and not ending, "serving": ready, "terminating": ending},
                "nodeName": each["spec"]["nodeName"],
                "targetRef": {"kind": "Pod", "name": meta["name"], "namespace": "shop"},
            }
        )
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{of}-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": of}},
        "addressType": "IPv4",
        "endpoints": made,
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
    }


def workload(kind: str, name: str = "web", replicas: int | None = None, owner: str = "", **spec: Any) -> Json:
    meta: Json = {"name": name, "namespace": "shop", "uid": f"uid-{name}"}
    if owner:
        of, _, by = owner.partition("/")
        meta["ownerReferences"] = [{"kind": of, "name": by, "controller": True}]
    template = {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c"}]}}
    counted = {} if replicas is None else {"replicas": replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": meta,
        "spec": {"selector": {"matchLabels": APP}, "template": template, **counted, **spec},
    }


def deployment(replicas: int, **spec: Any) -> list[Json]:
    return [
        workload("Deployment", "web", replicas, **spec),
        workload("ReplicaSet", "web-1", replicas, owner="Deployment/web"),
    ]


def budget(allowed: int, name: str = "web", labels: Mapping[str, str] = APP, **more: Any) -> Json:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "shop", "generation": 1},
        "spec": {"selector": {"matchLabels": dict(labels)}, **more.pop("spec", {})},
        "status": {"observedGeneration": 1, "disruptionsAllowed": allowed, **more},
    }


def alb(*, health_check: str = "traffic-port", **annotations: str) -> list[Json]:
    """An Ingress of the AWS Load Balancer Controller, which targets every node."""
    prefix = "alb.ingress.kubernetes.io/"
    given = {f"{prefix}healthcheck-port": health_check, f"{prefix}target-type": "instance", **annotations}
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "alb"},
            "spec": {"controller": "ingress.k8s.aws/alb"},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "web", "namespace": "shop", "annotations": given},
            "spec": {
                "ingressClassName": "alb",
                "defaultBackend": {"service": {"name": "web", "port": {"name": "http"}}},
            },
        },
    ]


def picture_of(
    objects: Iterable[Json], *, unread: Sequence[str] = (), families: Sequence[ConsumerFamily] | None = None
) -> tuple[Picture, Sequence[ConsumerFamily]]:
    known = consumer_families() if families is None else families
    picture = picture_for(known, WORKLOAD_KINDS)
    for raw in objects:
        for kind in picture.kinds:
            if (kind.api_version, kind.name) == (raw["apiVersion"], raw["kind"]):
                record = decode_item(kind, {**raw, "metadata": {**raw["metadata"]}})
                assert not isinstance(record, Reject), record.message
                picture.absorb(picture.store(kind).replace([record]))
    for kind in picture.kinds:
        if kind.plural in unread:
            picture.unread[kind] = "forbidden"
            picture.absorb(picture.store(kind).clear())
    return picture, known


def check(objects: Iterable[Json]) -> dict[Key, Assessment]:
    """What `check` says of these objects."""
    picture, families = picture_of(objects)
    engine = Engine(picture, families)
    engine.refresh_all()
    return dict(engine.assessments)


def forecast(objects: Iterable[Json], *changes: Change, unread: Sequence[str] = ()) -> Forecast:
    picture, families = picture_of(objects, unread=unread)
    engine = Engine(picture, families)
    engine.refresh_all()
    return what_if(picture, engine, changes)


def phases_of(found: Forecast, service: Key = WEB) -> Phases | None:
    return next((each for each in found.services if each.service == service), None)


def seen(found: Forecast, service: Key = WEB) -> str:
    """`now | during worst .. best | settled worst .. best`; "unchanged" where nothing changes."""
    phases = phases_of(found, service)
    if phases is None:
        return "unchanged"
    during, settled = phases.during, phases.settled
    return (
        f"{phases.now.outcome.name} | {during.worst.outcome.name} .. {during.best.outcome.name} | "
        f"{settled.worst.outcome.name} .. {settled.best.outcome.name}"
    )
