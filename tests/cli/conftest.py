from __future__ import annotations

import pytest

from devcluster import Cluster


@pytest.fixture
def cluster_kubeconfig(cluster: Cluster) -> str:
    """Admin's kubeconfig of the session's control plane."""
    return str(cluster.kubeconfig)
