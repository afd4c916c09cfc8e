"""Helm values for the charts of ingress controllers that labels show. Pure.

The paths are those of values.yaml, and of the templates for values that it leaves out:
- ingress-nginx 4.15.1: kubernetes/ingress-nginx dbb11b9 charts/ingress-nginx
- traefik 41.3.0: traefik/traefik-helm-chart a8a66d0 traefik
- gateway of Istio: istio/istio 86c9f01 manifests/charts/gateway
- contour 0.7.0: projectcontour/helm-charts e1387cd charts/contour
- kong 3.4.1: Kong/charts e76b800 charts/kong
- nginx-ingress 2.7.0: nginx/kubernetes-ingress 0eb3072 charts/nginx-ingress
- kubernetes-ingress 1.52.1: haproxytech/helm-charts c5edba1 kubernetes-ingress
- gateway-helm: envoyproxy/gateway d32f282 charts/gateway-helm; its config.envoyGateway.envoyProxy is the
  EnvoyProxySpec of api/v1alpha1/envoyproxy_types.go
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etpguard.foresight.patches.workload_patch import WorkloadPatch
from etpguard.objects.shell import command_line

Json = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """Where its values.yaml has each setting, as a path with dots; "" where it has none. `source` is how `helm
    upgrade` finds the chart that its project publishes."""

    source: str
    annotations: str
    policy: str
    replicas: str = ""
    min_ready: str = ""
    spread: str = ""
    grace: str = ""
    pre_stop: str = ""
    strategy: str = ""
    tolerations: str = ""
    component: str = ""
    """The value of app.kubernetes.io/component of the objects that these values are for; "" for any."""
    part_of: str = ""
    oldest: int = 0
    """The first major version with these paths: an older chart of this name may be of another project."""
    note: str = ""


def _controller_chart(source: str, strategy: str = "strategy", *, component: str = "", oldest: int) -> Chart:
    """A chart with everything below `controller`, as ingress-nginx, NGINX and HAProxy have it."""
    return Chart(
        source=source,
        annotations="controller.service.annotations",
        policy="controller.service.externalTrafficPolicy",
        replicas="controller.replicaCount",
        min_ready="controller.minReadySeconds",
        spread="controller.topologySpreadConstraints",
        grace="controller.terminationGracePeriodSeconds",
        pre_stop="controller.lifecycle.preStop",
        strategy=f"controller.{strategy}",
        tolerations="controller.tolerations",
        component=component,
        oldest=oldest,
    )


CHARTS: Mapping[str, Chart] = {
    "ingress-nginx": _controller_chart(
        "ingress-nginx --repo https://kubernetes.github.io/ingress-nginx",
        "updateStrategy",
        component="controller",
        oldest=4,
    ),
    "traefik": Chart(
        source="traefik --repo https://traefik.github.io/charts",
        annotations="service.annotations",
        policy="service.spec.externalTrafficPolicy",
        replicas="deployment.replicas",
        min_ready="deployment.minReadySeconds",
        spread="topologySpreadConstraints",
        grace="deployment.terminationGracePeriodSeconds",
        pre_stop="deployment.lifecycle.preStop",
        strategy="updateStrategy",
        tolerations="tolerations",
        oldest=20,
    ),
    "gateway": Chart(
        source="gateway --repo https://istio-release.storage.googleapis.com/charts",
        annotations="service.annotations",
        policy="service.externalTrafficPolicy",
        replicas="replicaCount",
        min_ready="minReadySeconds",
        spread="topologySpreadConstraints",
        grace="terminationGracePeriodSeconds",
        pre_stop="lifecycle.preStop",
        strategy="strategy",
        tolerations="tolerations",
        part_of="istio",
        oldest=1,
    ),
    "contour": Chart(
        source="contour --repo https://projectcontour.github.io/helm-charts",
        annotations="envoy.service.annotations",
        policy="envoy.service.externalTrafficPolicy",
        replicas="envoy.replicaCount",
        min_ready="envoy.minReadySeconds",
        spread="envoy.topologySpreadConstraints",
        grace="envoy.terminationGracePeriodSeconds",
        strategy="envoy.updateStrategy",
        tolerations="envoy.tolerations",
        component="envoy",
    ),
    "kong": Chart(
        source="kong --repo https://charts.konghq.com",
        annotations="proxy.annotations",
        policy="proxy.externalTrafficPolicy",
        replicas="replicaCount",
        min_ready="deployment.minReadySeconds",
        spread="topologySpreadConstraints",
        grace="terminationGracePeriodSeconds",
        pre_stop="lifecycle.preStop",
        strategy="updateStrategy",
        tolerations="tolerations",
        component="app",
        oldest=2,
    ),
    "nginx-ingress": _controller_chart("oci://ghcr.io/nginx/charts/nginx-ingress", oldest=2),
    "kubernetes-ingress": _controller_chart(
        "kubernetes-ingress --repo https://haproxytech.github.io/helm-charts", oldest=1
    ),
}

_PROXY = "config.envoyGateway.envoyProxy"
ENVOY_GATEWAY = Chart(
    source="oci://docker.io/envoyproxy/gateway-helm",
    annotations=f"{_PROXY}.provider.kubernetes.envoyService.annotations",
    policy=f"{_PROXY}.provider.kubernetes.envoyService.externalTrafficPolicy",
    replicas=f"{_PROXY}.provider.kubernetes.envoyDeployment.replicas",
    spread=f"{_PROXY}.provider.kubernetes.envoyDeployment.pod.topologySpreadConstraints",
    strategy=f"{_PROXY}.provider.kubernetes.envoyDeployment.strategy",
    tolerations=f"{_PROXY}.provider.kubernetes.envoyDaemonSet.pod.tolerations",
    note="Envoy Gateway makes the proxies, and reads these values where neither the Gateway nor its GatewayClass "
    "names an EnvoyProxy. Where one does, put what is under envoyProxy into the spec of that EnvoyProxy",
)
"""Its proxies have no label of a chart."""


_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class Release:
    """A Helm release that made an object. `name` is "" where the object does not show it."""

    chart: Chart
    version: str
    name: str
    namespace: str

    def command(self, file: str) -> str:
        version = ["--version", self.version] if self.version else []
        return command_line(
            (
                *("helm", "-n", self.namespace, "upgrade", self.name or "RELEASE", *self.chart.source.split()),
                *(*version, "--reuse-values", "-f", file),
            )
        )


def release_of(labels: Mapping[str, str], annotations: Mapping[str, str], namespace: str) -> Release | None:
    """The release that made an object with these labels; None where they show no chart of this module."""
    if labels.get("app.kubernetes.io/managed-by") == "envoy-gateway":
        return Release(ENVOY_GATEWAY, "", "", "envoy-gateway-system")
    name, version = _chart(labels.get("helm.sh/chart", ""))
    chart = CHARTS.get(name)
    if chart is None or labels.get("app.kubernetes.io/managed-by") != "Helm" or _major(version) < chart.oldest:
        return None
    if chart.component and labels.get("app.kubernetes.io/component") != chart.component:
        return None
    if chart.part_of and labels.get("app.kubernetes.io/part-of") != chart.part_of:
        return None
    return Release(
        chart,
        version,
        _valid(annotations.get("meta.helm.sh/release-name")) or _valid(labels.get("app.kubernetes.io/instance")),
        _valid(annotations.get("meta.helm.sh/release-namespace")) or namespace,
    )


def _valid(name: str | None) -> str:
    """The name, or "" for one that Helm refuses: whoever may write the object chose it, and as a word of a command
    it could be an option. helm v3.19.0 pkg/chartutil/validate_name.go validName."""
    return name if name and _NAME.fullmatch(name) else ""


def helm_manages(labels: Mapping[str, str]) -> bool:
    return labels.get("app.kubernetes.io/managed-by") == "Helm"


def workload_values(chart: Chart, patch: WorkloadPatch, other_constraints: list[Json]) -> Json | None:
    """The values for a patch; None if the chart has no value for a part of it. Helm replaces lists, so
    `other_constraints` are those that stay."""
    values: Json = {}
    wanted: list[tuple[str, Any]] = [
        (chart.replicas, patch.replicas),
        (chart.min_ready, patch.min_ready),
        (chart.spread, None if patch.constraint is None else [*other_constraints, patch.constraint]),
        (chart.strategy, patch.strategy),
        (chart.tolerations, list(patch.tolerations) or None),
    ]
    if chart is ENVOY_GATEWAY:
        seconds = [hook["sleep"]["seconds"] for hook in patch.hooks.values() if "sleep" in hook]
        if seconds:
            # Envoy may end after minDrainDuration, and has drained after drainTimeout: 10 s and 60 s by default.
            delay = max(seconds)
            wanted.append((f"{_PROXY}.shutdown.healthCheckFailureDelay", f"{delay}s"))
            wanted.append((f"{_PROXY}.shutdown.minDrainDuration", f"{max(delay, 10)}s"))
            wanted.append((f"{_PROXY}.shutdown.drainTimeout", f"{delay + 60}s"))
    else:
        wanted.append((chart.grace, patch.grace))
        hooks = list(patch.hooks.values())
        if any(hook != hooks[0] for hook in hooks):
            return None
        wanted.append((chart.pre_stop, hooks[0] if hooks else None))
    for path, value in wanted:
        if value is None:
            continue
        if not path:
            return None
        _set(values, path, value)
    return values


def service_values(chart: Chart, document: Json) -> Json | None:
    """The values for a patch of the Service; None if the chart has no value for a part of it."""
    values: Json = {}
    spec = document.get("spec", {})
    annotations = document["metadata"].get("annotations", {})
    if spec.keys() - {"externalTrafficPolicy"}:
        return None
    if chart is ENVOY_GATEWAY and None in annotations.values():
        return None
    if "externalTrafficPolicy" in spec:
        _set(values, chart.policy, spec["externalTrafficPolicy"])
    if annotations:
        _set(values, chart.annotations, annotations)
    return values or None


def _chart(label: str) -> tuple[str, str]:
    """Name and version of `ingress-nginx-4.15.1`: the version begins with the last part that starts with a digit,
    in which `_` replaces `+`."""
    parts = label.split("-")
    for number, part in enumerate(parts):
        if number and part.lstrip("v")[:1].isdigit():
            return "-".join(parts[:number]), "-".join(parts[number:]).replace("_", "+")
    return label, ""


def _major(version: str) -> int:
    digits = version.lstrip("v").partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _set(values: Json, path: str, value: Any) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        values = values.setdefault(folder, {})
    values[name] = value
