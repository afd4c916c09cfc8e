"""Reads of objects by name, against a server on loopback."""

from __future__ import annotations

import time

import pytest

from etpguard.kube.connection import Connection
from etpguard.kube.errors import ApiError, Forbidden, KubeError, Unreachable
from etpguard.kube.named_reads import Result, merged, named_objects, read_named
from etpguard.objects import named
from etpguard.objects.named import NAMED_OBJECTS, Listed, NamedObject, NamedObjects
from etpguard.objects.records import BareMeta
from etpguard.objects.workloads import ConfigMap
from tests.kube.list_server import Answer, Server

CONFIG = "/api/v1/namespaces/kube-system/configmaps/cilium-config"
FOUND = Answer({"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": {"debug": "true"}})
NOT_FOUND = Answer({"kind": "Status", "reason": "NotFound", "message": "not found"}, 404)
FORBIDDEN = Answer({"kind": "Status", "reason": "Forbidden", "message": "User x cannot get"}, 403)


def answers(server: Server, by_path: dict[str, Answer], default: Answer = NOT_FOUND) -> None:
    server.answer = lambda parameters, number: by_path.get(server.requests[number]["path"], default)


def read(connection: Connection, *which: NamedObject) -> dict[NamedObject, Result]:
    return read_named(connection, which or NAMED_OBJECTS, timeout=2)


def test_what_exists_and_what_does_not(server: Server, connection: Connection) -> None:
    answers(server, {CONFIG: FOUND})
    found = read(connection)
    assert isinstance(found[named.CILIUM_CONFIG], ConfigMap)
    assert {each for each, result in found.items() if result is None} == {*NAMED_OBJECTS} - {named.CILIUM_CONFIG}
    assert len(server.requests) == len(NAMED_OBJECTS)
    paths = {request["path"] for request in server.requests}
    assert "/apis/operator.openshift.io/v1/networks/cluster" in paths
    assert "/apis/apps/v1/namespaces/openshift-ovn-kubernetes/daemonsets/ovnkube-node" in paths


NODE_CONFIGS = "/apis/cilium.io/v2/ciliumnodeconfigs"
NODE_CONFIG = {
    "metadata": {"name": "migrate", "namespace": "kube-system"},
    "spec": {"nodeSelector": {}, "defaults": {"kube-proxy-replacement": "true", "debug": "true"}},
}


def test_a_list_has_the_objects_that_configure_nodes(server: Server, connection: Connection) -> None:
    other = {"metadata": {"name": "other", "namespace": "kube-system"}, "spec": {"defaults": {"debug": "true"}}}
    answers(server, {NODE_CONFIGS: Answer({"items": [NODE_CONFIG, other]})})
    requests: list[tuple[str, str, int]] = []
    which = (named.CILIUM_NODE_CONFIGS, named.CALICO_FELIX_NODES)
    found = read_named(connection, which, timeout=2, on_request=lambda *request: requests.append(request))
    listed = found[named.CILIUM_NODE_CONFIGS]
    assert isinstance(listed, Listed)
    assert [each.values for each in listed.items] == [{"kube-proxy-replacement": "true"}]
    assert found[named.CALICO_FELIX_NODES] is None
    assert requests == [
        ("list", "ciliumnodeconfigs.cilium.io", 200),
        ("list", "felixconfigurations.crd.projectcalico.org", 404),
    ]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(Answer(b"<html>"), "CiliumNodeConfig *: ", id="the login page of a proxy"),
        pytest.param(
            Answer({"items": [NODE_CONFIG, {"metadata": {"name": "x"}, "spec": 5}]}), "x", id="an object"
        ),
        pytest.param(FORBIDDEN, "may not read CiliumNodeConfig *: User x cannot get", id="refused"),
    ],
)
def test_a_list_that_cannot_be_read(server: Server, connection: Connection, answer: Answer, message: str) -> None:
    served = Answer({"resources": [{"name": "ciliumnodeconfigs"}]})
    answers(server, {NODE_CONFIGS: answer, "/apis/cilium.io/v2": served})
    result = read(connection, named.CILIUM_NODE_CONFIGS)[named.CILIUM_NODE_CONFIGS]
    assert isinstance(result, KubeError)
    assert message in str(result)


def test_an_empty_list_and_one_that_is_not_served_have_no_object(server: Server, connection: Connection) -> None:
    not_served = {"/apis/cilium.io/v2alpha1": Answer({"resources": []})}
    answers(server, {NODE_CONFIGS: Answer({"items": None}), **not_served}, FORBIDDEN)
    found = read(connection, named.CILIUM_NODE_CONFIGS, named.CILIUM_NODE_CONFIGS_ALPHA)
    assert found == {named.CILIUM_NODE_CONFIGS: None, named.CILIUM_NODE_CONFIGS_ALPHA: None}


def test_a_refusal_differs_from_a_kind_that_is_not_served(server: Server, connection: Connection) -> None:
    """The API server checks the permission first, so it refuses what it does not serve, too."""
    served = Answer({"resources": [{"name": "configmaps"}]})
    answers(server, {CONFIG: FORBIDDEN, "/api/v1": served, "/apis/operator.tigera.io/v1": NOT_FOUND}, FORBIDDEN)
    found = read(connection, named.CILIUM_CONFIG, named.CALICO_INSTALLATION)
    assert isinstance(found[named.CILIUM_CONFIG], Forbidden)
    assert str(found[named.CILIUM_CONFIG]) == "may not read ConfigMap kube-system/cilium-config: User x cannot get"
    assert found[named.CALICO_INSTALLATION] is None


def test_discovery_that_cannot_be_read_makes_no_refusal_a_missing_answer(
    server: Server, connection: Connection
) -> None:
    answers(server, {CONFIG: FORBIDDEN, "/api/v1": Answer(b"<html>")}, NOT_FOUND)
    found = read(connection, named.CILIUM_CONFIG, named.CALICO_INSTALLATION)
    assert isinstance(found[named.CILIUM_CONFIG], Forbidden)
    assert found[named.CALICO_INSTALLATION] is None


def test_new_credentials_are_tried_once(server: Server, connection: Connection) -> None:
    server.answer = lambda parameters, number: Answer({}, 401) if number == 0 else FOUND
    assert isinstance(read(connection, named.CILIUM_CONFIG)[named.CILIUM_CONFIG], ConfigMap)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer({}, 503), id="an overloaded server"),
        pytest.param(Answer(b"<html>"), id="the login page of a proxy"),
        pytest.param(Answer({"metadata": {"name": "x"}, "data": 5}), id="another form"),
        pytest.param(Answer({}, 401), id="bad credentials"),
    ],
)
def test_an_error_is_a_result(server: Server, connection: Connection, answer: Answer) -> None:
    server.answer = lambda parameters, number: answer
    assert isinstance(read(connection, named.CILIUM_CONFIG)[named.CILIUM_CONFIG], KubeError)


RECORD = ConfigMap(BareMeta("cilium-config", "kube-system"), {"kube-proxy-replacement": "true"})
BEFORE: dict[NamedObject, Result] = {named.CILIUM_CONFIG: RECORD}


@pytest.mark.parametrize(
    ("error", "before", "kept"),
    [
        pytest.param(Unreachable("no answer"), BEFORE, True, id="no answer: as before"),
        pytest.param(ApiError(503, "", "later"), BEFORE, True, id="overloaded: as before"),
        pytest.param(ApiError(401, "", "who?"), BEFORE, True, id="not authenticated: as before"),
        pytest.param(Forbidden("may not"), BEFORE, False, id="refused"),
        pytest.param(ApiError(200, "Malformed", "no map"), BEFORE, False, id="cannot be decoded"),
        pytest.param(Unreachable("no answer"), {}, False, id="the first read"),
        pytest.param(Unreachable("no answer"), {named.CILIUM_CONFIG: None}, None, id="it did not exist"),
    ],
)
def test_a_passing_error_changes_nothing(
    error: KubeError, before: dict[NamedObject, Result], kept: bool | None
) -> None:
    now = named_objects(merged(before, {named.CILIUM_CONFIG: error}))
    if kept is None:
        assert now.absent(named.CILIUM_CONFIG)
    else:
        assert (named.CILIUM_CONFIG in now.found, named.CILIUM_CONFIG in now.unread) == (kept, not kept)


def test_the_pause_that_the_server_asks_for_is_part_of_the_error(server: Server, connection: Connection) -> None:
    server.answer = lambda parameters, number: Answer({}, 429, {"Retry-After": "7"})
    error = read(connection, named.CILIUM_CONFIG)[named.CILIUM_CONFIG]
    assert isinstance(error, ApiError)
    assert error.retry_after == 7.0


def test_an_aggregated_api_without_an_answer_hides_no_other_object(server: Server, connection: Connection) -> None:
    def answer(parameters: object, number: int) -> Answer:
        if "projectcalico.org/v3" in server.requests[number]["path"]:
            time.sleep(1.0)
        return NOT_FOUND

    server.answer = answer
    found = read_named(connection, timeout=0.5)
    assert {each for each in found if found[each]} == {named.CALICO_FELIX_V3, named.CALICO_FELIX_NODES_V3}


def test_how_many_could_not_be_read() -> None:
    assert NamedObjects().refusal == ""
    assert NamedObjects({}, {named.CILIUM_CONFIG: "no"}).refusal == "no"
    two = NamedObjects({}, {named.CILIUM_CONFIG: "no", named.ANTREA_CONFIG: "no"})
    assert two.refusal == "no; 1 more object could not be read either"
    assert NamedObjects.none_read("x").refusal == "x; 23 more objects could not be read either"
