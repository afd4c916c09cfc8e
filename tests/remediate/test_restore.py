"""What etpguard sends to restore Local, by the answers of the API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etpguard.kube.errors import ApiError
from etpguard.kube.verbs import Json, Request
from etpguard.objects import SERVICE, Service, decode_item
from etpguard.remediate.errors import Refused
from etpguard.remediate.restore import restore_local

PORT = 31000
TAKEN = ApiError(500, "InternalError", "failed to allocate requested HealthCheck NodePort 31000")
FORBIDDEN = ApiError(403, "Forbidden", "no")


def service(type_: str) -> Service:
    raw: dict[str, Any] = {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": {"type": type_}}
    found = decode_item(SERVICE, raw)
    assert isinstance(found, Service)
    return found


def restored(
    *answers: Json | ApiError, type_: str = "LoadBalancer", port: int | None = PORT
) -> tuple[list[int], ApiError | None]:
    """The healthCheckNodePort of each request, 0 for none; and the refusal."""
    sent: list[int] = []
    script = iter(answers)

    async def send(request: Request) -> Json:
        values = {operation["path"]: operation["value"] for operation in request.body}
        assert ("fieldManager", "someone") in request.query
        sent.append(values.get("/spec/healthCheckNodePort", 0))
        answer = next(script)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    _, refusal = asyncio.run(restore_local(send, service(type_), port, "someone"))
    return sent, refusal


LOCAL = {"spec": {"externalTrafficPolicy": "Local"}}
CLUSTER = {"spec": {"externalTrafficPolicy": "Cluster"}}


def test_the_former_port_is_restored_where_the_type_has_one() -> None:
    assert restored(LOCAL) == ([PORT], None)
    assert restored(LOCAL, port=None) == ([0], None)
    assert restored(LOCAL, type_="NodePort") == ([0], None)


def test_a_port_that_is_taken_is_left_to_the_api_server() -> None:
    assert restored(TAKEN, LOCAL) == ([PORT, 0], TAKEN)


@pytest.mark.parametrize(
    ("answers", "port"),
    [
        pytest.param([FORBIDDEN], PORT, id="at first"),
        pytest.param([TAKEN, FORBIDDEN], PORT, id="without the port"),
        pytest.param([TAKEN], None, id="a port that was not asked for"),
    ],
)
def test_another_refusal_is_raised(answers: list[ApiError], port: int | None) -> None:
    with pytest.raises(ApiError) as raised:
        restored(*answers, port=port)
    assert raised.value is answers[-1]


def test_a_patch_that_is_accepted_and_not_carried_out() -> None:
    with pytest.raises(Refused, match="still has externalTrafficPolicy Cluster"):
        restored(CLUSTER)
