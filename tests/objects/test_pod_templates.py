"""Whether another version of a pod template is another template, and what is kept of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from etpguard.foresight.apply import merged
from etpguard.objects import decode_item
from etpguard.objects.pod_controllers import DEPLOYMENT, PodController
from etpguard.objects.pod_templates import PodTemplate

Json = dict[str, Any]
OF_NODE = {"fieldRef": {"fieldPath": "spec.nodeName"}}
BEFORE: Json = {
    "metadata": {"labels": {"app": "web"}, "annotations": {"token": "s3cr3t-1", "reloaded": "1"}},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "reg.example/team/web:1.0",
                "command": ["/web", "s3cr3t-2"],
                "args": ["--password=s3cr3t-3", "--shutdown-grace-period=5"],
                "env": [
                    {
                        "name": "NODE",
                        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}},
                    },
                    {"name": "KEY", "value": "s3cr3t-4"},
                    {"name": "EMPTY"},
                ],
                "envFrom": [{"configMapRef": {"name": "env-1"}}],
                "imagePullPolicy": "IfNotPresent",
            }
        ],
        "initContainers": [{"name": "i", "image": "web-init@sha256:aa"}],
        "volumes": [
            {"name": "v", "configMap": {"name": "files-1", "defaultMode": 420}},
            {"name": "s", "secret": {"secretName": "certificate", "defaultMode": 420}},
        ],
    },
}


def deployment(template: Json) -> Json:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"template": template}}


def known(template: Json) -> PodController:
    record = decode_item(DEPLOYMENT, deployment(template))
    assert isinstance(record, PodController)
    return record


def with_container(**fields: Any) -> Json:
    return {"spec": {"containers": [{"name": "c", **fields}]}}


@pytest.mark.parametrize(
    ("manifest", "changes"),
    [
        pytest.param(BEFORE, False, id="the template itself"),
        pytest.param({}, False, id="nothing"),
        pytest.param(with_container(image="reg.example/team/web:1.0"), False, id="the image"),
        pytest.param(with_container(image="reg.example/team/web:1.1"), True, id="another tag"),
        pytest.param(with_container(image="other.example/team/web:1.0"), True, id="another registry"),
        pytest.param(with_container(image="team/web"), True, id="no tag"),
        pytest.param(with_container(command=["/web", "s3cr3t-2"]), False, id="the command"),
        pytest.param(with_container(command=["/web"]), True, id="another command"),
        pytest.param(
            with_container(args=["--password=s3cr3t-3", "--shutdown-grace-period=5"]), False, id="the arguments"
        ),
        pytest.param(with_container(args=["--shutdown-grace-period=5"]), True, id="another argument"),
        pytest.param(
            with_container(
                env=[
                    {"name": "EMPTY", "value": ""},
                    {"name": "KEY", "value": "s3cr3t-4"},
                    {"name": "NODE", "valueFrom": OF_NODE},
                ]
            ),
            False,
            id="the variables, in another order and without defaults",
        ),
        pytest.param(with_container(env=[{"name": "KEY", "value": "new"}]), True, id="another value"),
        pytest.param(with_container(env=[{"name": "KEY", "valueFrom": OF_NODE}]), True, id="a reference"),
        pytest.param(with_container(env=[{"name": "NEW", "value": "1"}]), True, id="another variable"),
        pytest.param(with_container(envFrom=[{"configMapRef": {"name": "env-1"}}]), False, id="the ConfigMap"),
        pytest.param(with_container(envFrom=[{"configMapRef": {"name": "env-2"}}]), True, id="another ConfigMap"),
        pytest.param(
            {"spec": {"volumes": [{"name": "v", "configMap": {"name": "files-1"}}]}}, False, id="the volume"
        ),
        pytest.param(
            {"spec": {"volumes": [{"name": "v", "configMap": {"name": "files-2"}}]}}, True, id="other files"
        ),
        pytest.param(
            {"spec": {"volumes": [{"name": "s", "secret": {"secretName": "other"}}]}}, True, id="another Secret"
        ),
        pytest.param(
            {"spec": {"initContainers": [{"name": "i", "image": "web-init@sha256:bb"}]}}, True, id="another digest"
        ),
        pytest.param({"metadata": {"annotations": {"reloaded": "1"}}}, False, id="the annotation"),
        pytest.param({"metadata": {"annotations": {"reloaded": "2"}}}, True, id="another annotation"),
    ],
)
def test_what_makes_another_template(manifest: Json, changes: bool) -> None:
    """Of the live object, and of a dump of it."""
    before = known(BEFORE)
    dumped = known(msgspec.to_builtins(before.template))
    assert dumped.template == before.template
    for each in (before, dumped):
        after = merged(DEPLOYMENT, deployment(manifest), each)
        assert isinstance(after, PodController)
        assert (after.template != each.template) is changes


def test_no_value_is_kept() -> None:
    assert "s3cr3t" not in str(msgspec.to_builtins(known(BEFORE).template))


def test_what_rules_read_is_kept() -> None:
    template: PodTemplate = known(BEFORE).template
    assert template.spec is not None
    (container,) = template.spec.containers or []
    assert container.program == "team/web"
    assert (container.args or [])[1:] == ["--shutdown-grace-period=5"]
