"""Helm values for the charts that labels show."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from etpguard.foresight.patches.charts import (
    CHARTS,
    ENVOY_GATEWAY,
    helm_manages,
    release_of,
    service_values,
    workload_values,
)
from etpguard.foresight.patches.workload_patch import WorkloadPatch

Json = dict[str, Any]
HELM = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "edge"}
SPREAD = {"topologyKey": "kubernetes.io/hostname"}
EVERYTHING = WorkloadPatch(
    replicas=3,
    min_ready=30,
    constraint=SPREAD,
    strategy={"type": "RollingUpdate"},
    grace=95,
    hooks={"c": {"exec": None, "sleep": {"seconds": 65}}},
    tolerations=[{"key": "a"}],
)


def labelled(chart: str, **more: str) -> dict[str, str]:
    names = {f"app.kubernetes.io/{name.replace('_', '-')}": value for name, value in more.items()}
    return {**HELM, "helm.sh/chart": chart, **names}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(
            labelled("ingress-nginx-4.15.1", component="controller"),
            "helm -n web upgrade edge ingress-nginx --repo https://kubernetes.github.io/ingress-nginx "
            "--version 4.15.1 --reuse-values -f FILE",
            id="ingress-nginx",
        ),
        pytest.param(
            labelled("ingress-nginx-4.15.1", component="default-backend"), None, id="its default backend"
        ),
        pytest.param(labelled("ingress-nginx-3.1.0", component="controller"), None, id="an old major version"),
        pytest.param(labelled("ingress-nginx", component="controller"), None, id="no version"),
        pytest.param(
            labelled("traefik-41.3.0_build.1"),
            "helm -n web upgrade edge traefik --repo https://traefik.github.io/charts --version 41.3.0+build.1 "
            "--reuse-values -f FILE",
            id="Traefik, with a plus in its version",
        ),
        pytest.param(
            labelled("gateway-1.27.0", part_of="istio"),
            "helm -n web upgrade edge gateway --repo https://istio-release.storage.googleapis.com/charts "
            "--version 1.27.0 --reuse-values -f FILE",
            id="Istio",
        ),
        pytest.param(labelled("gateway-1.27.0"), None, id="another chart with the name gateway"),
        pytest.param(labelled("nginx-ingress-1.41.3"), None, id="nginx-ingress of another project"),
        pytest.param(
            labelled("nginx-ingress-2.7.0"),
            "helm -n web upgrade edge oci://ghcr.io/nginx/charts/nginx-ingress --version 2.7.0 --reuse-values "
            "-f FILE",
            id="NGINX",
        ),
        pytest.param(labelled("web-1.0.0"), None, id="an unknown chart"),
        pytest.param(
            {**labelled("traefik-41.3.0"), "app.kubernetes.io/managed-by": "k3s"}, None, id="not managed by Helm"
        ),
        pytest.param({}, None, id="no label"),
        pytest.param(
            {"app.kubernetes.io/managed-by": "envoy-gateway"},
            "helm -n envoy-gateway-system upgrade RELEASE oci://docker.io/envoyproxy/gateway-helm --reuse-values "
            "-f FILE",
            id="a proxy of Envoy Gateway",
        ),
    ],
)
def test_the_release(labels: dict[str, str], expected: str | None) -> None:
    release = release_of(labels, {}, "web")
    assert (release and release.command("FILE")) == expected


def test_annotations_of_helm_name_the_release() -> None:
    annotations = {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "ns"}
    release = release_of(labelled("kong-3.4.1", component="app"), annotations, "web")
    assert release is not None
    assert (release.name, release.namespace) == ("r", "ns")
    assert helm_manages(HELM)
    assert not helm_manages({})


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        pytest.param("x; touch /tmp/owned", "$(id)", id="shell code"),
        pytest.param("--post-renderer=/tmp/owned", "-h", id="options"),
        pytest.param("x\nkubectl delete namespace prod", "n\n", id="lines"),
    ],
)
def test_a_release_that_helm_cannot_have_is_not_named(name: str, namespace: str) -> None:
    annotations = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
    release = release_of(labelled("kong-3.4.1;x", component="app"), annotations, "web")
    assert release is not None
    words = shlex.split(release.command("FILE"))
    assert words[:6] == ["helm", "-n", "web", "upgrade", "edge", "kong"]
    assert words[-5:] == ["--version", "3.4.1;x", "--reuse-values", "-f", "FILE"]


def at(values: Json | None, path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        found = found[name]
    return found


@pytest.mark.parametrize("name", [name for name, chart in CHARTS.items() if chart.pre_stop])
def test_every_setting_has_its_value(name: str) -> None:
    chart = CHARTS[name]
    values = workload_values(chart, EVERYTHING, [{"topologyKey": "zone"}])
    assert at(values, chart.replicas) == 3
    assert at(values, chart.min_ready) == 30
    assert at(values, chart.spread) == [{"topologyKey": "zone"}, SPREAD]
    assert at(values, chart.strategy) == {"type": "RollingUpdate"}
    assert at(values, chart.grace) == 95
    assert at(values, chart.pre_stop) == {"exec": None, "sleep": {"seconds": 65}}
    assert at(values, chart.tolerations) == [{"key": "a"}]


def test_a_chart_without_a_value_for_a_part() -> None:
    contour = CHARTS["contour"]
    assert workload_values(contour, EVERYTHING, []) is None
    assert workload_values(contour, WorkloadPatch(replicas=3), []) == {"envoy": {"replicaCount": 3}}
    two = WorkloadPatch(hooks={"a": {"sleep": {"seconds": 1}}, "b": {"sleep": {"seconds": 2}}})
    assert workload_values(CHARTS["traefik"], two, []) is None


def test_envoy_gateway_delays_the_failure_of_the_health_check() -> None:
    kubernetes = {"envoyDeployment": {"replicas": 3, "pod": {"topologySpreadConstraints": [SPREAD]}}}
    hooks = {"envoy": {"httpGet": None, "sleep": {"seconds": 65}}}
    patch = WorkloadPatch(replicas=3, constraint=SPREAD, grace=95, hooks=hooks)
    assert workload_values(ENVOY_GATEWAY, patch, []) == {
        "config": {
            "envoyGateway": {
                "envoyProxy": {
                    "provider": {"kubernetes": kubernetes},
                    "shutdown": {
                        "healthCheckFailureDelay": "65s",
                        "minDrainDuration": "65s",
                        "drainTimeout": "125s",
                    },
                }
            }
        }
    }
    assert workload_values(ENVOY_GATEWAY, WorkloadPatch(min_ready=30), []) is None


def document(spec: Json | None = None, annotations: Json | None = None) -> Json:
    return {"metadata": {"name": "web", "annotations": annotations or {}}, "spec": spec or {}}


@pytest.mark.parametrize("name", CHARTS)
def test_the_values_of_the_service(name: str) -> None:
    chart = CHARTS[name]
    values = service_values(chart, document({"externalTrafficPolicy": "Cluster"}, {"a": "b", "c": None}))
    assert at(values, chart.policy) == "Cluster"
    assert at(values, chart.annotations) == {"a": "b", "c": None}


def test_changes_of_the_service_without_a_value() -> None:
    assert service_values(CHARTS["kong"], document({"allocateLoadBalancerNodePorts": True})) is None
    assert service_values(ENVOY_GATEWAY, document(annotations={"a": None})) is None
    assert service_values(ENVOY_GATEWAY, document()) is None
