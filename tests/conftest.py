"""What every test may use: one real control plane for the whole session, and a namespace for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterator

import pytest

import devcluster
from devcluster import Cluster, MissingToolError


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Names what must run in one worker after the other, for ``--dist loadgroup``.

    The image is built once, so its tests are one group. A lab of the data plane is started once for each proxy
    mode, so the tests of a mode are one group. Other live tests are grouped by file, since a file's tests share
    fixtures. Tests without a group run wherever a worker is free.
    """
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str | None:
    if item.get_closest_marker("image"):
        return "image"
    if item.get_closest_marker("dataplane"):
        parameters = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        return f"dataplane-{parameters.get('data_plane', 'any')}"
    return item.nodeid.partition("::")[0] if item.get_closest_marker("controlplane") else None


def _skip_or_fail(error: MissingToolError) -> None:
    """With ``CI=true``, where every tool has to be there, a missing one is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    """Turns a ``MissingToolError`` of any fixture into a skip with its reason."""
    try:
        return (yield)
    except MissingToolError as error:
        _skip_or_fail(error)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Turns a ``MissingToolError`` of the test itself into a skip with its reason."""
    try:
        return (yield)
    except MissingToolError as error:
        _skip_or_fail(error)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The session's control plane, with the bodies of writes in its audit log.

    Shared by all tests: stop or break only a cluster of your own (``devcluster.start()``). Nodes and other
    cluster-scoped objects stay until the test deletes them.
    """
    context = devcluster.start(audit_bodies=True)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # a first build takes minutes: its progress is to be seen
        running = context.__enter__()
    try:
        yield running
    finally:
        context.__exit__(None, None, None)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a new namespace. It is deleted after the test, its pods by force, and not waited for."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    cluster.request("DELETE", f"/api/v1/namespaces/{name}/pods?gracePeriodSeconds=0")
    cluster.request("DELETE", f"/api/v1/namespaces/{name}")
