"""One object with its record, where the object exists."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etpguard.kube.errors import ApiError
from etpguard.kube.present_object import present_object
from etpguard.kube.verbs import Request
from etpguard.objects import SERVICE, Key, Reject, Service

KEY = Key("shop", "web")
WEB: dict[str, Any] = {
    "metadata": {"namespace": "shop", "name": "web", "uid": "u", "resourceVersion": "7"},
    "spec": {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]},
}


class Server:
    """Answers one read with `answer`."""

    def __init__(self, answer: dict[str, Any] | ApiError) -> None:
        self._answer = answer
        self.paths: list[str] = []

    async def send(self, request: Request) -> dict[str, Any]:
        self.paths.append(request.path)
        if isinstance(self._answer, ApiError):
            raise self._answer
        return self._answer


def test_an_object_comes_with_its_record() -> None:
    server = Server(WEB)
    found = asyncio.run(present_object(server.send, SERVICE, KEY))
    assert found is not None
    assert server.paths == ["/api/v1/namespaces/shop/services/web"]
    assert found[0] is WEB
    assert isinstance(found[1], Service)


def test_an_object_that_cannot_be_decoded_comes_with_a_reject() -> None:
    found = asyncio.run(present_object(Server(WEB | {"spec": {"ports": 80}}).send, SERVICE, KEY))
    assert found is not None
    assert isinstance(found[1], Reject)


def test_an_object_that_does_not_exist() -> None:
    assert asyncio.run(present_object(Server(ApiError(404, "NotFound", "")).send, SERVICE, KEY)) is None


def test_another_failure_is_raised() -> None:
    with pytest.raises(ApiError):
        asyncio.run(present_object(Server(ApiError(403, "Forbidden", "")).send, SERVICE, KEY))
