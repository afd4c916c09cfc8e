"""A control plane of its own, with all of etpguard's CRDs: the Nodes of other tests would count as eligible."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

import devcluster
from devcluster import Cluster
from tests.remediate.stage import Scene, install_crds


@pytest.fixture(scope="package")
def arena() -> Iterator[Cluster]:
    with devcluster.start(audit_bodies=True) as cluster:
        install_crds(cluster)
        yield cluster


@pytest.fixture
def scene(arena: Cluster) -> Iterator[Scene]:
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    arena.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    made = Scene(arena, namespace)
    try:
        yield made
    finally:
        made.close()
        arena.request("DELETE", f"/api/v1/namespaces/{namespace}")
