# ruff: noqa: F811  fixtures of another module
"""The lists of a live command, against a server on loopback."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.input.live import Lists
from etpguard.kube.connection import Connection
from etpguard.kube.errors import NotServed
from tests.kube.test_lists import Answer, Server, connection, server  # noqa: F401

KINDS = list(picture_for(consumer_families()).kinds)
SERVED = ("", "networking.k8s.io", "discovery.k8s.io")
EMPTY: dict[str, Any] = {"metadata": {"resourceVersion": "1"}, "items": []}
GROUPS: dict[str, Any] = {"groups": [{"versions": [{"groupVersion": f"{group}/v1"}]} for group in SERVED if group]}


def read(connection: Connection) -> dict[str, Any]:
    lists = Lists(connection)
    lists.rest(KINDS)
    return {str(kind): outcome for kind, outcome in lists.results()}


@pytest.mark.parametrize(
    ("discovery", "requested"),
    [
        pytest.param(GROUPS, False, id="a kind that is not served costs no request"),
        pytest.param({}, True, id="without discovery each kind is requested"),
    ],
)
def test_absent_kinds(server: Server, connection: Connection, discovery: dict[str, Any], requested: bool) -> None:
    """Each answer is a list of groups and an empty list of objects, because requests come from several threads."""
    server.answer = lambda parameters, number: Answer(
        {"metadata": {"resourceVersion": "1"}, "items": [], **discovery}
    )
    outcomes = read(connection)
    others = {str(kind) for kind in KINDS if kind.subset is None and kind.group not in SERVED}
    not_served = {name for name, outcome in outcomes.items() if isinstance(outcome, NotServed)}
    assert not_served == (set() if requested else others)
    assert others, "no kind that a cluster may lack"
    asked = {request["path"] for request in server.requests}
    assert any(path.startswith("/apis/elbv2.k8s.aws/") for path in asked) is requested
