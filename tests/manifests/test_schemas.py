"""Manifests and rendered chart against the schemas of Kubernetes versions, offline; the config for kind."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate.utils
import pytest
import yaml

from devcluster import Cluster, binaries
from tests.manifests.rendered import (
    CHART,
    ROOT,
    Json,
    name_of,
    parse,
    run,
)
from tests.manifests.sources import SOURCES

pytestmark = pytest.mark.no_cover

VERSIONS = tuple(f"1.{minor}" for minor in range(30, 38))
# The Prometheus Operator's have none; a CustomResourceDefinition's refers to itself: the API server judges it.
NO_SCHEMA = ("ServiceMonitor", "PrometheusRule", "CustomResourceDefinition")


@pytest.fixture(scope="module")
def fits() -> Iterator[Callable[[str, str], None]]:
    """Raises where an object in JSON does not fit the schema of a version. Most objects are in many sources, and
    the package reads the definitions of a version, 1 MB, for each object."""

    @functools.cache
    def valid(manifest: str, version: str) -> None:
        kubernetes_validate.validate(json.loads(manifest), version, strict=True)

    with pytest.MonkeyPatch.context() as patch:
        read_once = functools.cache(kubernetes_validate.utils.schema_contents)
        patch.setattr(kubernetes_validate.utils, "schema_contents", read_once)
        yield valid


@functools.cache
def with_schema(source: str) -> tuple[str, ...]:
    return tuple(json.dumps(each) for each in SOURCES[source]() if each["kind"] not in NO_SCHEMA)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("source", SOURCES)
def test_objects_fit_the_schema(source: str, version: str, fits: Callable[[str, str], None]) -> None:
    assert len(with_schema(source)) > 10
    for manifest in with_schema(source):
        fits(manifest, version)


def test_the_page_says_which_versions_were_tried() -> None:
    page = " ".join((ROOT / "docs" / "install.md").read_text().split())
    tested = binaries.KUBERNETES_VERSION.removeprefix("v").rpartition(".")[0]
    least = yaml.load((CHART / "Chart.yaml").read_text(), yaml.CSafeLoader)["kubeVersion"]
    workflow = yaml.load((ROOT / ".github/workflows/pull-request.yaml").read_text(), yaml.CSafeLoader)
    older = workflow["jobs"]["kubernetes"]["strategy"]["matrix"]["version"]
    assert f"{VERSIONS[0]} is the minimum" in page
    assert least == f">={VERSIONS[0]}.0-0"
    assert older[0].startswith(f"{VERSIONS[0]}.")
    assert f"a real control plane of Kubernetes {tested}." in page
    assert f"also ran with {' and '.join(older)}" in page
    assert f"the schemas of {VERSIONS[0]} to {VERSIONS[-1]}" in page


@pytest.mark.controlplane
@pytest.mark.parametrize("source", ["base", "observe-only", "remediation", "chart with everything"])
def test_the_api_server_takes_them_in_a_dry_run(site: Cluster, source: str) -> None:
    """`site` has the namespace, which a dry run does not make."""
    text = yaml.safe_dump_all(SOURCES[source]())
    said = site.kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
        input=text,
    )
    assert said.count("serverside-applied (server dry run)") == len(parse(text))


@pytest.mark.controlplane
def test_the_api_server_adds_nothing_to_the_items_of_a_list(site: Cluster) -> None:
    """A GitOps tool that compares lists as a whole would see a difference for ever, and apply again and again. All
    know the defaults of a pod."""
    text = yaml.safe_dump_all(m for m in SOURCES["chart with everything"]() if m["kind"] != "Deployment")
    options = ("--server-side", "--force-conflicts", "--dry-run=server", "-o", "json")
    stored = json.loads(site.kubectl("apply", *options, "-f", "-", input=text))["items"]
    made = {name_of(each): each for each in stored}
    added = [f"{each['kind']} {at}" for each in parse(text) for at in _added(each, made[name_of(each)])]
    assert added == []


def _added(ours: Any, stored: Any, at: str = "", in_list: bool = False) -> Iterator[str]:
    """Where an item of a list in the stored object has a key that ours has not."""
    if isinstance(ours, dict):
        yield from (f"{at}.{key}" for key in stored if in_list and key not in ours)
        for key, value in ours.items():
            yield from _added(value, stored[key], f"{at}.{key}", in_list)
    elif isinstance(ours, list):
        for number, value in enumerate(ours):
            yield from _added(value, stored[number], f"{at}[{number}]", True)


@pytest.mark.controlplane  # built from its Go module, as the control plane is
@pytest.mark.parametrize("source", ["base", "observe-only", "remediation", "chart with everything"])
def test_kube_score_finds_nothing(source: str, tmp_path: Path) -> None:
    """But for what is meant: no limit of CPU, since throttling would make verdicts late, and no pull on every
    start, since a version's image does not change."""
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(SOURCES[source]()))
    said = run(
        binaries.path("kube-score"),
        *("score", "--output-format=ci", "--kubernetes-version=v1.30", "--ignore-container-cpu-limit"),
        *("--ignore-test=container-image-pull-policy", str(file)),
        check=False,
    )
    assert "[OK] etpguard/etpguard-system apps/v1/Deployment" in said
    assert not [line for line in said.splitlines() if line.startswith(("[CRITICAL]", "[WARNING]"))]


KIND: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind", "apiVersion"],
    "properties": {
        "kind": {"const": "Cluster"},
        "apiVersion": {"const": "kind.x-k8s.io/v1alpha4"},
        "name": {"type": "string"},
        "nodes": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "role": {"enum": ["control-plane", "worker"]},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "extraPortMappings": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["containerPort"],
                            "properties": {
                                "containerPort": {"type": "integer", "minimum": 1, "maximum": 65535},
                                "hostPort": {"type": "integer", "minimum": -1, "maximum": 65535},
                                "listenAddress": {"type": "string", "format": "ipv4"},
                                "protocol": {"enum": ["TCP", "UDP", "SCTP"]},
                            },
                        },
                    },
                },
            },
        },
    },
}
"""The part of kind's v1alpha4 that the config uses (kind pkg/apis/config/v1alpha4/types.go)."""


def test_the_config_for_kind_is_the_case() -> None:
    config: dict[str, Any] = yaml.load((ROOT / "kind-config.yaml").read_text(), yaml.CSafeLoader)
    jsonschema.validate(config, KIND)
    workers = [node for node in config["nodes"] if node["role"] == "worker"]
    assert len(workers) == 3
    mapped = [(m["containerPort"], m["hostPort"]) for w in workers for m in w["extraPortMappings"]]
    page = (ROOT / "docs" / "kind.md").read_text()
    (node_port,) = {container for container, _ in mapped}
    assert f"--node-port={node_port}" in page
    assert {int(port) for port in re.findall(r"localhost:(\d+)", page)} == {host for _, host in mapped}
    (label,) = workers[0]["labels"].items()
    assert '"{}":"{}"'.format(*label) in page
