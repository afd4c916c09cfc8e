"""Answers with a status of success and a body that no API server gives: a proxy wants one to log in, say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.verbs import Request
from etpguard.kube.writes import Writer
from etpguard.objects import NODE, SERVICE, Key
from tests.kube.fake_api import Clock, FakeApi

PATCH = verbs.apply(SERVICE, Key("ns", "web"), {"status": {}}, subresource="status")


def writer(*bodies: bytes) -> tuple[Writer, FakeApi]:
    script = iter(bodies)
    api = FakeApi(lambda call: (200, next(script), {}))
    clock = Clock()
    return Writer(api, clock=clock, sleep=clock.sleep), api


def write(one: Writer, request: Request = PATCH, attempts: int = 3) -> Any:
    return asyncio.run(one.write(request, attempts=attempts))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>log in</html>", id="a web page"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"a":' * 99999, id="nested too deeply"),
    ],
)
def test_an_answer_that_is_no_object_is_none(body: bytes) -> None:
    one, api = writer(body, body, b'{"a": 1}')
    with pytest.raises(ApiError, match="the server answered 200 with something else") as raised:
        write(one, attempts=1)
    assert (raised.value.status, raised.value.reason) == (0, "Malformed")
    [problem] = one.problems()
    assert problem.startswith("the API server does not answer requests: the server answered 200")
    assert write(one) == {"a": 1}, "it is tried again, as where nothing came"
    assert len(api.calls) == 3
    assert one.problems() == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>log in</html>", id="a web page"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'{"metadata": {"resourceVersion": "x"}}', id="a resourceVersion that is no number"),
    ],
)
def test_a_page_that_is_none(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    one, _ = writer(body, body, body, b'{"metadata": {"resourceVersion": "7"}, "items": []}')
    with pytest.raises(ApiError, match="something else than was requested"):
        asyncio.run(one.read_page(NODE, verbs.list_page(NODE)))
    assert asyncio.run(one.read_page(NODE, verbs.list_page(NODE))).version == 7
    assert [record.levelname for record in caplog.records] == ["WARNING"], "logged once"
