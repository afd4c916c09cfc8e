"""Which lists are read for clients in the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.cli.inside import workloads
from etpguard.kube import lists
from etpguard.kube.lists import Listing
from etpguard.objects.pod_controllers import DAEMON_SET
from etpguard.objects.pods import POD


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str, str, float]]:
    """The kind, the namespace, the field selector and the timeout of each list."""
    seen: list[tuple[Any, str, str, float]] = []

    def list_kind(_: Any, kind: Any, *, namespace: str, field_selector: str, timeout: float) -> Listing[Any]:
        seen.append((kind, namespace, field_selector, timeout))
        return Listing([], [])

    monkeypatch.setattr(lists, "list_kind", list_kind)
    return seen


def test_the_pods_of_few_nodes_are_listed_by_node(asked: list[Any]) -> None:
    workloads._Reader(None, 5).pods_on(["a", "b"])  # type: ignore[arg-type]
    assert asked == [(POD, "", "spec.nodeName=a", 5), (POD, "", "spec.nodeName=b", 5)]


def test_the_pods_of_many_nodes_are_one_list(asked: list[Any]) -> None:
    nodes = [f"n{number}" for number in range(workloads.FEW_NODES + 1)]
    workloads._Reader(None, 5).pods_on(nodes)  # type: ignore[arg-type]
    assert asked == [(POD, "", "", 5)]


def test_workloads_are_read_in_the_namespaces_of_the_services(asked: list[Any]) -> None:
    workloads._Reader(None, 5).in_namespaces(DAEMON_SET, ["x", "y"])  # type: ignore[arg-type]
    assert asked == [(DAEMON_SET, "x", "", 5), (DAEMON_SET, "y", "", 5)]
