"""Manifests and patches over the objects that exist."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from etpguard.foresight.apply import applied_documents, merged
from etpguard.foresight.changes import Refused
from etpguard.objects import SERVICE, Reject
from etpguard.objects.pod_controllers import DEPLOYMENT
from tests.foresight.clusters import WEB, Json, deployment, picture_of, service, workload

CONTAINERS = [
    {"name": "c", "lifecycle": {"preStop": {"exec": {"command": ["x"]}}}, "ports": [{"containerPort": 80}]},
    {"name": "sidecar"},
]
SPEC = {
    "containers": CONTAINERS,
    "topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 2}],
    "nodeSelector": {"a": "b"},
}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": SPEC}


def patched(pod: Json) -> Any:
    picture, _ = picture_of([workload("Deployment", "web", 1, template=TEMPLATE)])
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": pod}},
    }
    record = merged(DEPLOYMENT, patch, picture.get(DEPLOYMENT, WEB))
    assert not isinstance(record, Reject)
    return msgspec.to_builtins(record)["spec"]["template"]["spec"]


def test_lists_are_merged_by_their_key_and_null_removes_a_field() -> None:
    hook = {"exec": None, "sleep": {"seconds": 5}}
    pod = patched(
        {
            "containers": [{"name": "c", "lifecycle": {"preStop": hook}}],
            "topologySpreadConstraints": [{"topologyKey": "host", "labelSelector": None}],
            "nodeSelector": None,
        }
    )
    first, second = pod["containers"]
    assert (first["name"], second["name"]) == ("c", "sidecar")
    assert first["ports"][0]["containerPort"] == 80
    assert first["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}, "exec": None, "httpGet": None}
    assert [each["topologyKey"] for each in pod["topologySpreadConstraints"]] == ["host", "zone"]
    assert pod["nodeSelector"] is None


def test_ports_that_a_manifest_leaves_out_are_gone() -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "https", "port": 443, "nodePort": 30443}]
    picture, _ = picture_of([service(ports=ports)])
    record = merged(SERVICE, service(ports=ports[:1]), picture.get(SERVICE, WEB))
    assert not isinstance(record, Reject)
    assert [each.port for each in getattr(record, "ports")] == [80]  # noqa: B009


def test_documents_of_one_object_follow_one_another() -> None:
    picture, _ = picture_of([service(), *deployment(1)])
    of = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}
    first = {**of, "metadata": {**of["metadata"], "annotations": {"a": "1", "b": "2"}}}  # type: ignore[dict-item]
    second = {**of, "metadata": {**of["metadata"], "annotations": {"a": None}}}  # type: ignore[dict-item]
    unknown = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}}
    (made,) = applied_documents([first, second, unknown], picture)
    assert getattr(made.record, "annotations") == {"b": "2"}  # noqa: B009


def test_a_document_that_cannot_be_decoded() -> None:
    picture, _ = picture_of([service()])
    wrong = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ports": 1},
    }
    with pytest.raises(Refused, match="ports"):
        applied_documents([wrong], picture)
