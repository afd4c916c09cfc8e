"""The API versions of a server, against one on loopback."""

from __future__ import annotations

import pytest

from etpguard.kube.connection import Connection
from etpguard.kube.discovery import served_versions
from tests.kube.list_server import Answer, Server


def group(name: str, *versions: str) -> dict[str, object]:
    return {"name": name, "versions": [{"groupVersion": f"{name}/{version}"} for version in versions]}


def test_each_version_of_each_group(server: Server, connection: Connection) -> None:
    groups = [group("cilium.io", "v2", "v2alpha1"), group("elbv2.k8s.aws", "v1beta1")]
    server.answer = lambda parameters, number: Answer({"kind": "APIGroupList", "groups": groups})
    versions = ("cilium.io/v2", "cilium.io/v2alpha1", "elbv2.k8s.aws/v1beta1")
    assert served_versions(connection) == frozenset(versions)
    assert [request["path"] for request in server.requests] == ["/apis"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer({"kind": "Status"}, 403), id="forbidden"),
        pytest.param(Answer({"kind": "Status"}, 200), id="another object"),
        pytest.param(Answer({"groups": []}, 200), id="no group at all, which no API server has"),
    ],
)
def test_what_cannot_be_read_is_not_known(server: Server, connection: Connection, answer: Answer) -> None:
    server.answer = lambda parameters, number: answer
    assert served_versions(connection) is None
