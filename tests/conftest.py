"""What every test may use: one real control plane for the whole session, and a namespace for each test."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

import devcluster
from devcluster import Cluster, MissingToolError
from devcluster.dataplane.nodes import MODES


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """What runs in one worker, one test after the other: the tests of a file, since they share fixtures. Tests of
    the data plane go by proxy mode, since a lab is started once for each. The largest group starts first."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        mode = re.search(rf"\b({'|'.join(MODES)})\b", test) if file.startswith("tests/dataplane/") else None
        return mode[0] if mode else file


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist nobody calls it
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """`--dist` has no other choice here."""
    return Groups(config, log)


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
