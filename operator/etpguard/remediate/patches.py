"""The patches of a remediation as plain data. Pure.

Each is a JSON Patch with a `test` of everything it rests on, so that the API server itself refuses one that comes
too late: uid, resourceVersion and the policy that is there.
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


def port_refused(status: int, message: str) -> bool:
    """Whether it was the healthCheckNodePort that the API server did not take. One that is taken is an internal
    error to it (1.37 registry/core/service/storage/alloc.go), one out of range an invalid field."""
    return (status == 500 and "HealthCheck NodePort" in message) or (
        status == 422 and "healthCheckNodePort" in message
    )


def hand_back(raw: Mapping[str, Any], managers: Set[str] = frozenset({MANAGER})) -> list[Json] | None:
    """Give up the ownership that our patches left in managedFields, so that another manager's next apply does
    not conflict; None where there is none. It takes a request of its own: in one with a change of the field
    the API server would record us anew."""
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
