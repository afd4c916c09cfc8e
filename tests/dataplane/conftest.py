"""A lab for each proxy mode, kept until a worker leaves this folder; an empty namespace in it for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import devcluster
from devcluster import Cluster, MissingToolError, dataplane
from devcluster.dataplane import lab
from devcluster.dataplane.lab import Lab
from devcluster.dataplane.nodes import MODES
from tests.arena import clear_namespace
from tests.dataplane.scene import Scene

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = Path(__file__).parent
    for item in items:  # of the whole session
        if ours in item.path.parents and {"data_plane", "able"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.dataplane)


@pytest.fixture(scope="session")
def able() -> None:
    """This machine can make network namespaces."""
    if reason := dataplane.lacking():
        raise MissingToolError(f"the data plane {reason}")


@pytest.fixture(scope="package")
def own_cluster(able: None) -> Iterator[Cluster]:
    """A control plane without other tests' Nodes and Services."""
    with devcluster.start() as running:
        yield running


@pytest.fixture(scope="package", params=MODES)
def data_plane(request: pytest.FixtureRequest, own_cluster: Cluster) -> Iterator[Lab]:
    """Three nodes and a client outside, in this proxy mode."""
    with lab.start(own_cluster, request.param) as running:
        yield running


@pytest.fixture
def scene(data_plane: Lab) -> Iterator[Scene]:
    """The lab, and an empty namespace in it that is cleared afterwards."""
    namespace = f"scene-{next(_numbers)}"
    data_plane.cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    yield Scene(data_plane, namespace)
    data_plane.clear(namespace)
    clear_namespace(data_plane.cluster, namespace)


@pytest.fixture
def behind_alb(scene: Scene) -> Iterator[Scene]:
    """With an IngressClass of the AWS Load Balancer Controller."""
    path = "/apis/networking.k8s.io/v1/ingressclasses"
    body = {"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}}
    scene.lab.cluster.call("POST", path, body)
    yield scene
    scene.lab.cluster.call("DELETE", f"{path}/alb")
