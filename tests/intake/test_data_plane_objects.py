# ruff: noqa: F811  fixtures of another module
"""The objects that show the data plane, followed: a server on loopback fails for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from etpguard.assess.data_planes.choice import Choice
from etpguard.assess.data_planes.detection import Detection
from etpguard.assess.data_planes.interface import DataPlane
from etpguard.intake.data_plane_objects import DataPlaneObjects
from etpguard.intake.timing import ListTiming
from etpguard.kube.backoff import Backoff
from etpguard.kube.connection import Connection
from etpguard.objects import named
from etpguard.objects.named import NAMED_OBJECTS, NamedObject, NamedObjects
from tests.assess.data_planes.clusters import config_map, daemon_set
from tests.intake.rig import until
from tests.kube.list_server import Answer, Server, connection, server  # noqa: F401

OBJECTS = {
    named.ANTREA_CONFIG.path: config_map(
        "antrea-config", **{"antrea-agent.conf": "antreaProxy: {proxyAll: true}"}
    ),
    named.ANTREA_DAEMON_SET.path: daemon_set("antrea-agent", "antrea/antrea-agent-ubuntu:v2.4.1"),
}
NOT_FOUND = Answer({"kind": "Status", "reason": "NotFound", "message": "not found"}, 404)
OVERLOADED = Answer({"kind": "Status", "message": "later"}, 503)
QUICK = ListTiming(backoff=Backoff(0.05, 0.05), start_failing=0.5)

Scene = Callable[[DataPlaneObjects], Coroutine[Any, Any, None]]


class Failing:
    """A cluster with Antrea, whose answers fail at first: each path `times` times."""

    def __init__(self, server: Server, failure: Answer, times: int, *paths: str) -> None:
        self._server = server
        self._failure = failure
        self.left = dict.fromkeys(paths, times)
        server.answer = self._answer

    def _answer(self, parameters: object, number: int) -> Answer:
        path = self._server.requests[number]["path"]
        if self.left.get(path):
            self.left[path] -= 1
            return self._failure
        return Answer(OBJECTS[path]) if path in OBJECTS else NOT_FOUND


def play(scene: Scene, connection: Connection, timing: ListTiming = QUICK, interval: float = 600.0) -> list[str]:
    """The data plane by the objects of each change."""
    seen: list[str] = []

    def changed(objects: NamedObjects) -> None:
        planes = Detection(Choice(), objects).planes({})
        seen.append(planes.groups[0].plane.name.value)

    async def run() -> None:
        objects = DataPlaneObjects(connection, interval, changed, lambda *request: None, timing)
        async with asyncio.timeout(60):
            await scene(objects)

    asyncio.run(run())
    return seen


async def start(objects: DataPlaneObjects) -> None:
    await objects.read()
    await objects.settle()


ANTREA, ASSUMED = DataPlane.ANTREA.value, DataPlane.KUBE_PROXY.value


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(OVERLOADED, id="overloaded"),
        pytest.param(Answer({}, 429, {"Retry-After": "0"}), id="throttled"),
        pytest.param(Answer({}, 504), id="no answer in time"),
    ],
)
def test_a_failure_at_the_start_is_over_before_the_start_ends(
    server: Server, connection: Connection, failure: Answer
) -> None:
    paths = [each.path for each in NAMED_OBJECTS if each.kind.plural in ("configmaps", "daemonsets")]
    Failing(server, failure, 1, *paths)
    assert play(start, connection) == [ASSUMED, ANTREA]
    assert len(server.requests) == 2 * len(NAMED_OBJECTS)


def test_a_failure_that_lasts_does_not_keep_the_operator_from_starting(
    server: Server, connection: Connection
) -> None:
    failing = Failing(server, OVERLOADED, 1000, *OBJECTS)

    async def scene(objects: DataPlaneObjects) -> None:
        await start(objects)
        assert len(server.requests) >= 2 * len(NAMED_OBJECTS)
        following = asyncio.create_task(objects.run())
        failing.left.clear()
        await until(lambda: objects.objects is not None and named.ANTREA_CONFIG in objects.objects.found)
        following.cancel()

    assert play(scene, connection) == [ASSUMED, ANTREA]


def test_the_server_decides_how_soon_it_is_asked_again(server: Server, connection: Connection) -> None:
    Failing(server, Answer({}, 429, {"Retry-After": "3600"}), 1, named.ANTREA_CONFIG.path)
    play(start, connection)
    assert len(server.requests) == len(NAMED_OBJECTS)


def test_later_a_failure_changes_nothing_and_is_tried_again_soon(server: Server, connection: Connection) -> None:
    failing = Failing(server, OVERLOADED, 0)

    async def scene(objects: DataPlaneObjects) -> None:
        await start(objects)
        assert len(server.requests) == len(NAMED_OBJECTS)
        failing.left = dict.fromkeys(OBJECTS, 2)
        await objects.read()
        following = asyncio.create_task(objects.run())
        await until(lambda: not any(failing.left.values()))
        following.cancel()

    assert play(scene, connection) == [ANTREA]


def test_a_refusal_stands_until_the_next_interval(server: Server, connection: Connection) -> None:
    """A role may leave out the objects of a product on purpose."""
    which: NamedObject = named.ANTREA_CONFIG
    served = Answer({"resources": [{"name": "configmaps"}]})
    refusal = Answer({"kind": "Status", "message": "no"}, 403)

    def answer(parameters: object, number: int) -> Answer:
        path = server.requests[number]["path"]
        return refusal if path == which.path else served if path == "/api/v1" else NOT_FOUND

    server.answer = answer
    assert play(start, connection) == [ASSUMED]
    assert len(server.requests) == len(NAMED_OBJECTS) + 1
