"""What of an object counts as a change."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.objects import AnyKind, Record, decode_item
from etpguard.objects.named import NAMED_KINDS
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.pod_controllers import WORKLOAD_KINDS
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY

KINDS: dict[str, AnyKind] = {
    f"{kind.name} {kind.api_version}": kind
    for kind in (
        *picture_for(consumer_families(), WORKLOAD_KINDS).kinds,
        *NAMED_KINDS.values(),
        NETWORK_POLICY,
        COVERAGE_POLICY,
        CLUSTER_COVERAGE_POLICY,
    )
}


def bare(kind: AnyKind, **meta: Any) -> Record | None:
    """The least object of the kind that can be decoded."""
    made: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.name}
    made["metadata"] = {"name": "x", "uid": "u", "resourceVersion": "1", **meta}
    if kind.namespaced:
        made["metadata"].setdefault("namespace", "default")
    service = {"spec": {"serviceRef": {"name": "x", "port": 80}}}
    forms: tuple[dict[str, Any], ...] = ({}, {"spec": {}}, service)
    for form in forms:
        record = decode_item(kind, {**made, **form, "metadata": dict(made["metadata"])})
        if isinstance(record, Record):
            return record
    return None


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_new_version_alone_is_no_change(kind: AnyKind) -> None:
    """Else each heartbeat and each status of a controller would be assessed."""
    first, again = bare(kind), bare(kind, resourceVersion="2")
    assert first is not None
    assert again is not None
    assert first.substance == again.substance
