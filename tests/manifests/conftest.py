"""A control plane of its own, with etpguard installed by its manifests, remediation included."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

import devcluster
from devcluster import DEFAULT_CONTROLLERS, Cluster
from devcluster.objects import apply
from tests.arena import clear_namespace
from tests.manifests.installed import foreign_kinds, install
from tests.manifests.rendered import kustomize
from tests.remediate.stage import Scene


@pytest.fixture(scope="package")
def site() -> Iterator[Cluster]:
    controllers = (*DEFAULT_CONTROLLERS, "validatingadmissionpolicy-status-controller")
    with devcluster.start(audit_bodies=True, controllers=controllers) as cluster:
        apply(cluster, foreign_kinds())
        install(cluster, kustomize("overlays/remediation"))
        yield cluster


@pytest.fixture
def site_namespace(site: Cluster) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    site.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    clear_namespace(site, name)


@pytest.fixture
def scene(site: Cluster, site_namespace: str) -> Iterator[Scene]:
    made = Scene(site, site_namespace)
    try:
        yield made
    finally:
        made.close()
