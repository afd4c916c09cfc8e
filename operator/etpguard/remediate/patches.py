"""The patches of a remediation as plain data. Pure.

Each is a JSON Patch that tests the uid, the resourceVersion and the present policy. The API server therefore
refuses a patch that comes too late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from etpguard.remediate.ownership import MANAGER, managed_fields

Json = dict[str, Any]

_POLICY = "/spec/externalTrafficPolicy"


def to_cluster(uid: str, version: str) -> list[Json]:
    """Local to Cluster. The API server wipes healthCheckNodePort with it (1.37 registry/core/service/
    strategy.go:279-283)."""
    return [*_pinned(uid, version, "Local"), {"op": "replace", "path": _POLICY, "value": "Cluster"}]


def to_local(uid: str, version: str, health_check_node_port: int | None) -> list[Json]:
    """Cluster to Local. Without a healthCheckNodePort the API server allocates one where the type needs it."""
    back: Json = {"op": "replace", "path": _POLICY, "value": "Local"}
    port: Json = {"op": "add", "path": "/spec/healthCheckNodePort", "value": health_check_node_port}
    return [*_pinned(uid, version, "Cluster"), back, *([port] if health_check_node_port else [])]


def traffic_policy(answer: Mapping[str, Any]) -> str:
    """The externalTrafficPolicy of a Service as the API server answered it."""
    return str((answer.get("spec") or {}).get("externalTrafficPolicy") or "")


def not_carried_out(kept: str) -> str:
    """What to say where the answer shows another policy than the patch asked for."""
    return (
        f"the API server accepted the patch, and the Service still has externalTrafficPolicy {kept or 'unset'}: a "
        "mutating webhook or admission policy sets it"
    )


def port_refused(status: int, message: str) -> bool:
    """Whether the API server refused the healthCheckNodePort. It answers 500 for a port that is taken (1.37
    registry/core/service/storage/alloc.go) and 422 for one out of range."""
    return (status == 500 and "HealthCheck NodePort" in message) or (
        status == 422 and "healthCheckNodePort" in message
    )


def hand_back(raw: Mapping[str, Any], managers: Set[str] = frozenset({MANAGER})) -> list[Json] | None:
    """Give up the ownership that etpguard's patches left in managedFields, so that another manager's next apply
    does not conflict; None where there is none. It needs a separate request: if the same request changed the
    field, the API server would record etpguard as its owner again."""
    mine = [n for n, entry in enumerate(managed_fields(raw)) if entry.get("manager") in managers]
    if not mine:
        return None
    version = str(raw["metadata"].get("resourceVersion") or "")
    removals: Sequence[Json] = [{"op": "remove", "path": f"/metadata/managedFields/{n}"} for n in reversed(mine)]
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *removals]


def _pinned(uid: str, version: str, policy: str) -> list[Json]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "test", "path": _POLICY, "value": policy},
    ]
