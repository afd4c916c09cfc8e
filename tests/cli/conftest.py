from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster, objects


@pytest.fixture
def cluster_kubeconfig(cluster: Cluster) -> str:
    """Admin's kubeconfig of the session's control plane."""
    return str(cluster.kubeconfig)


@pytest.fixture(scope="module")
def a_node(cluster: Cluster) -> Iterator[None]:
    """Services of other tests may be Local, and a cluster with such a Service and no Node is an error."""
    objects.node(cluster, "cli-a-node")
    yield
    cluster.request("DELETE", "/api/v1/nodes/cli-a-node")
