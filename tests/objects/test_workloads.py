"""DaemonSets as the data planes' signs read them."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.objects import decode_item
from etpguard.objects.workloads import DATA_PLANE_DAEMON_SET, DaemonSet

LABELS = {"os": "linux", "cores": "8"}


def daemon_set(*terms: Any, selector: dict[str, str] | None = None, **status: int) -> DaemonSet:
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "proxy:v1.37.2"}], "nodeSelector": selector}
    if terms:
        required = {"nodeSelectorTerms": [term for term in terms if term is not None]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    raw = {"metadata": {"name": "proxy", "namespace": "kube-system"}, "spec": {"template": {"spec": spec}}}
    record = decode_item(DATA_PLANE_DAEMON_SET, {**raw, **({"status": status} if status else {})})
    assert isinstance(record, DaemonSet)
    return record


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values) or None}]}


@pytest.mark.parametrize(
    ("made", "selects"),
    [
        pytest.param(daemon_set(), True, id="every node"),
        pytest.param(daemon_set(selector={"os": "linux"}), True, id="node selector"),
        pytest.param(daemon_set(selector={"os": "windows"}), False, id="another node selector"),
        pytest.param(daemon_set(expression("os", "In", "linux", "bsd")), True, id="In"),
        pytest.param(daemon_set(expression("os", "NotIn", "linux")), False, id="NotIn"),
        pytest.param(daemon_set(expression("os", "Exists")), True, id="Exists"),
        pytest.param(daemon_set(expression("os", "DoesNotExist")), False, id="DoesNotExist"),
        pytest.param(daemon_set(expression("cores", "Gt", "4")), True, id="Gt"),
        pytest.param(daemon_set(expression("cores", "Lt", "4")), False, id="Lt"),
        pytest.param(daemon_set(expression("os", "Gt", "4")), False, id="Gt of a value that is no number"),
        pytest.param(daemon_set(expression("cores", "Gt")), False, id="Gt of nothing"),
        pytest.param(daemon_set({}), False, id="an empty term"),
        pytest.param(daemon_set(None), False, id="no term"),
        pytest.param(daemon_set({}, expression("os", "Exists")), True, id="one of several terms"),
        pytest.param(
            daemon_set({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}),
            True,
            id="the name of the node",
        ),
    ],
)
def test_the_nodes_that_it_selects(made: DaemonSet, selects: bool) -> None:
    assert made.selects("n1", LABELS) is selects


def test_idle_is_known_from_a_status_only() -> None:
    assert not daemon_set().idle
    assert daemon_set(desiredNumberScheduled=0).idle
    assert not daemon_set(desiredNumberScheduled=2).idle
