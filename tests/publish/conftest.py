"""A control plane of its own: the Nodes of other tests would count as eligible."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

import devcluster
from devcluster import Cluster
from tests.publish.stage import Case, install_crd


@pytest.fixture(scope="package")
def arena() -> Iterator[Cluster]:
    with devcluster.start(audit_bodies=True) as cluster:
        install_crd(cluster)
        yield cluster


@pytest.fixture
def case(arena: Cluster) -> Iterator[Case]:
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    arena.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    made = Case(arena, namespace)
    try:
        yield made
    finally:
        made.close()
        arena.request("DELETE", f"/api/v1/namespaces/{namespace}")
