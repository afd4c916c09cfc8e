"""The required node affinity, of a DaemonSet and of a Pod."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from etpguard.objects.node_affinity import NodeAffinity

LABELS = {"zone": "x", "size": "4"}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("required", "admits"),
    [
        pytest.param(None, True, id="nothing is required"),
        pytest.param({}, False, id="no term"),
        pytest.param({"nodeSelectorTerms": None}, False, id="terms that are null"),
        pytest.param({"nodeSelectorTerms": [{}]}, False, id="a term without a requirement matches no node"),
        pytest.param(
            {"nodeSelectorTerms": [{}, {"matchExpressions": [expression("zone", "In", "x", "y")]}]},
            True,
            id="one term that matches is enough",
        ),
        pytest.param(
            {"nodeSelectorTerms": [{"matchFields": [expression("metadata.name", "In", "a")]}]}, True, id="its name"
        ),
        pytest.param(
            {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [expression("zone", "Exists")],
                        "matchFields": [expression("metadata.name", "NotIn", "a")],
                    }
                ]
            },
            False,
            id="a term needs all its requirements",
        ),
    ],
)
def test_what_a_node_must_match(required: dict[str, Any] | None, admits: bool) -> None:
    raw = {"requiredDuringSchedulingIgnoredDuringExecution": required}
    assert msgspec.convert(raw, NodeAffinity).admits("a", LABELS) is admits
