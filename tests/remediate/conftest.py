"""A control plane for this package alone, with all of etpguard's CRDs, and a scene in a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster
from tests.arena import own_cluster, own_namespace
from tests.remediate.stage import Scene, install_crds


@pytest.fixture(scope="session")  # not package: a worker comes back to it after files of other packages
def arena() -> Iterator[Cluster]:
    yield from own_cluster(install_crds)


@pytest.fixture
def scene(arena: Cluster) -> Iterator[Scene]:
    yield from own_namespace(arena, Scene)
