"""The manifests that are checked."""

from __future__ import annotations

from collections.abc import Callable

from tests.manifests.rendered import (
    Json,
    helm_template,
    kustomize,
    with_component,
    with_monitoring,
)

EVERYTHING = (
    "remediation.enabled=true,warnOnApply.enabled=true,monitoring.dashboard.enabled=true,"
    "awsLoadBalancerController.deployment=kube-system/lbc,"
    "imagePullSecrets[0].name=pull,priorityClassName=system-cluster-critical,nodeSelector.disk=ssd,podLabels.team=net,"
    "tolerations[0].key=dedicated,tolerations[0].operator=Exists,podAnnotations.a=b,serviceAccount.annotations.c=d,"
    "topologySpreadConstraints[0].maxSkew=1,topologySpreadConstraints[0].topologyKey=topology.kubernetes.io/zone,"
    "topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway,"
    r"topologySpreadConstraints[0].labelSelector.matchLabels.app\.kubernetes\.io/name=etpguard,"
    "extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=x,metrics.tls.secretName=etpguard-tls,"
    "networkPolicy.apiServerCIDRs={192.0.2.10/32},networkPolicy.extraEgress[0].to[0].ipBlock.cidr=198.51.100.0/24"
)
SOURCES: dict[str, Callable[[], list[Json]]] = {
    "base": lambda: kustomize("base"),
    "observe-only": lambda: kustomize("overlays/observe-only"),
    "remediation": lambda: kustomize("overlays/remediation"),
    "monitoring": lambda: with_monitoring("base"),
    "warn-on-apply": lambda: with_component("base", "overlays/warn-on-apply"),
    "metrics-tls": lambda: with_component("base", "overlays/metrics-tls"),
    "chart": lambda: helm_template(),
    "chart with everything": lambda: helm_template("--set", EVERYTHING),
}
