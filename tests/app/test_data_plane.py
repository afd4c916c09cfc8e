"""What /readyz asks for where the nodes run Cilium, which may have replaced kube-proxy or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster
from devcluster.objects import node
from tests.app.harness import Running

pytestmark = pytest.mark.controlplane

ASKED = "- the nodes run Cilium: if it replaces kube-proxy, set --data-plane=cilium"


@pytest.fixture
def cilium_node(cluster: Cluster, namespace: str) -> Iterator[None]:
    name = f"cilium-{namespace}"
    node(cluster, name)
    up = {"type": "NetworkUnavailable", "status": "False", "reason": "CiliumIsUp"}
    cluster.call("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"conditions": [up]}})
    yield
    cluster.call("DELETE", f"/api/v1/nodes/{name}")


@pytest.mark.parametrize(
    ("data_plane", "asked"),
    [
        pytest.param("auto", True, id="assumed"),
        pytest.param("kube-proxy", False, id="said"),
    ],
)
@pytest.mark.usefixtures("cilium_node")
def test_it_is_asked_for_unless_it_was_said(cluster: Cluster, data_plane: str, asked: bool) -> None:
    with Running(cluster.kubeconfig, data_plane=data_plane) as running:
        running.wait_ready()
        assert (ASKED in running.get("/readyz")[1].splitlines()) is asked
