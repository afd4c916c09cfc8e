"""Who owns a Service, and who set its policy last: read from labels, annotations and managedFields. Pure.

Sources: Argo CD's default tracking annotation, the labels of Flux, Helm's annotation together with its label (the
label alone is too common), and the field managers that these tools write with (see the tests).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from etpguard.objects import Service

MANAGER = "etpguard-remediation"
"""etpguard's field manager for `spec.externalTrafficPolicy`. etpguard never applies the field server-side: to
release an applied field deletes it, and the API server's default is Cluster."""

ROLLBACK_MANAGER = "etpguard-rollback"
"""The field manager of `etpguard rollback`, which a person runs."""

_TOOLS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux kustomize-controller",
    "helm-controller": "Flux helm-controller",
}

_PERSONS = ("kubectl-edit", "kubectl-patch", "kubectl-replace", ROLLBACK_MANAGER)
"""Managers of commands that a person types about one object. Everything else, `kubectl apply` included, sends a
declared state and will send it again."""

_MERGED = "ancient-changes"
"""Of more than ten entries of updates, the API server merges the oldest into this one (apimachinery v0.37.2
pkg/util/managedfields/internal/capmanagers.go). That of etpguard may be among them. An update by another client
that leaves the policy as it is does not own it."""

_FIELD = "f:externalTrafficPolicy"


class Setter(NamedTuple):
    """The manager that set `spec.externalTrafficPolicy` last, and when (RFC 3339)."""

    manager: str
    operation: str
    time: str

    @property
    def person(self) -> bool:
        return self.manager in _PERSONS and self.operation == "Update"


def owner(service: Service) -> str:
    """The tool that declares the Service elsewhere and may restore Local; "" if none is known."""
    labels, annotations = service.labels, service.annotations
    if tracking := annotations.get("argocd.argoproj.io/tracking-id"):
        return f"Argo CD application {tracking.partition(':')[0]}"
    for part, name in (("kustomize", "Flux Kustomization"), ("helm", "Flux HelmRelease")):
        prefix = f"{part}.toolkit.fluxcd.io"
        if found := labels.get(f"{prefix}/name"):
            return f"{name} {labels.get(f'{prefix}/namespace', '')}/{found}"
    release = annotations.get("meta.helm.sh/release-name")
    if release and labels.get("app.kubernetes.io/managed-by") == "Helm":
        return f"Helm release {release}"
    return next((_TOOLS[manager] for manager in sorted(service.managers) if manager in _TOOLS), "")


def setters(raw: Mapping[str, Any]) -> list[Setter]:
    """Who owns `spec.externalTrafficPolicy` of a raw Service. A change takes it from all others; several managers
    own it after another one has applied (server-side) the value that is there already."""
    return [
        Setter(str(entry.get("manager") or ""), str(entry.get("operation") or ""), str(entry.get("time") or ""))
        for entry in managed_fields(raw)
        if _FIELD in _spec_fields(entry) and not entry.get("subresource")
    ]


def setter(raw: Mapping[str, Any]) -> Setter | None:
    """The one of `setters` that set it last."""
    return max(setters(raw), key=lambda s: s.time, default=None)


def adopter(raw: Mapping[str, Any]) -> str:
    """For a Service that etpguard changed: who else declares its policy now; "" for nobody. A client-side apply
    that changes nothing leaves no trace."""
    others = [found for found in setters(raw) if found.manager not in (MANAGER, _MERGED)]
    return max(others, key=lambda s: s.time).manager or "another manager" if others else ""


def recorded_at(raw_report: Mapping[str, Any]) -> str:
    """When etpguard last wrote the record of a remediation, by the clock of the API server (RFC 3339); "" if
    managedFields of the report do not show it. The clock of the leader that wrote it may differ."""
    return max(
        (
            str(entry.get("time") or "")
            for entry in managed_fields(raw_report)
            if entry.get("manager") == MANAGER and entry.get("subresource") == "status"
        ),
        default="",
    )


def managed_fields(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = (raw.get("metadata") or {}).get("managedFields") or []
    return [entry for entry in entries if isinstance(entry, dict)]


def _spec_fields(entry: Mapping[str, Any]) -> Iterable[str]:
    fields = entry.get("fieldsV1")
    spec = fields.get("f:spec") if isinstance(fields, dict) else None
    return spec if isinstance(spec, dict) else ()


def advice_against_reverts(manager: str) -> str:
    """How to configure the tool that keeps restoring Local."""
    if manager.startswith("argocd"):
        return (
            "In the Application: spec.ignoreDifferences [{group: '', kind: Service, "
            f"managedFieldsManagers: [{MANAGER}]}}] and syncOptions RespectIgnoreDifferences=true"
        )
    if manager in ("kustomize-controller", "helm-controller"):
        return (
            "In the Kustomization or HelmRelease: ignore /spec/externalTrafficPolicy and "
            "/spec/healthCheckNodePort of this Service (drift detection's ignore rules)"
        )
    if manager == "helm":
        return "In the chart's values: set externalTrafficPolicy to Cluster, as etpguard does"
    return "Set externalTrafficPolicy to Cluster at the source of this manager, or exclude the Service"
