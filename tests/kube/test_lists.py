"""Paged lists against a server on loopback that does what a real one does only rarely."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import pytest

from etpguard.kube.connection import Connection
from etpguard.kube.errors import (
    Expired,
    Forbidden,
    KubeError,
    NotServed,
    Overloaded,
    Unauthorized,
    Unreachable,
)
from etpguard.kube.list_pages import THROTTLED
from etpguard.kube.lists import STARTS, ListReader, list_kind
from etpguard.objects import ENDPOINT_SLICE, INGRESS, NODE, SERVICE, SERVICE_COVERAGE, Key, Page, Subset
from etpguard.objects.cilium import CILIUM_L2_LEASE
from etpguard.objects.protobuf import kubernetes_pb2 as pb
from tests.kube.list_server import Answer, Json, Server, kubeconfig, page, refusal
from tests.objects.protobuf.answers import answer as protobuf_answer
from tests.objects.protobuf.answers import endpoint_slice, envelope
from tests.objects.protobuf.answers import node as protobuf_node


def test_pages_follow_the_continue_token(server: Server, connection: Connection) -> None:
    pages = {"": page(range(2), 7, "t1"), "t1": page(range(2, 4), 7, "t2"), "t2": page(range(4, 5), 7)}
    server.answer = lambda parameters, number: pages[parameters.get("continue", "")]
    listing = list_kind(connection, NODE, limit=2)
    assert [node.metadata.name for node in listing.items] == ["n0", "n1", "n2", "n3", "n4"]
    assert listing.rejects == []
    asked = {"path": "/api/v1/nodes", "token": "Bearer secret", "limit": "2"}
    assert server.requests == [asked, {**asked, "continue": "t1"}, {**asked, "continue": "t2"}]


def test_each_page_has_the_field_selector(server: Server, connection: Connection) -> None:
    pages = {"": page(range(1), 7, "t1"), "t1": page(range(1, 2), 7)}
    server.answer = lambda parameters, number: pages[parameters.get("continue", "")]
    list_kind(connection, NODE, limit=1, field_selector="spec.nodeName=a")
    assert [request["fieldSelector"] for request in server.requests] == ["spec.nodeName=a", "spec.nodeName=a"]


PROTOBUF = {"Content-Type": "application/vnd.kubernetes.protobuf;charset=utf-8"}


def test_the_media_type_of_the_answer_decides_how_it_is_decoded(server: Server, connection: Connection) -> None:
    compact = protobuf_answer(NODE, protobuf_node("a"), version="7", token="t")
    pages = [Answer(compact, headers=PROTOBUF), page(range(2), 7)]
    server.answer = lambda parameters, number: pages[number]
    assert [node.metadata.name for node in list_kind(connection, NODE).items] == ["a", "n0", "n1"]
    assert server.accepted == ["application/vnd.kubernetes.protobuf, application/json"] * 2


def test_only_json_is_accepted_for_custom_resources(server: Server, connection: Connection) -> None:
    server.answer = lambda parameters, number: page(range(0), 7)
    list_kind(connection, SERVICE_COVERAGE)
    assert server.accepted == ["application/json"]


def test_slices_in_protobuf_are_deferred(server: Server, connection: Connection) -> None:
    body = protobuf_answer(ENDPOINT_SLICE, endpoint_slice("web-1", "web", "n1"))
    server.answer = lambda parameters, number: Answer(body, headers=PROTOBUF)
    listing = list_kind(connection, ENDPOINT_SLICE)
    assert (listing.items, listing.rejects) == ([], [])
    assert [deferred.service for deferred in listing.deferred] == [Key("default", "web")]


def test_objects_that_are_held_are_left_out(server: Server, connection: Connection) -> None:
    body = protobuf_answer(NODE, protobuf_node("a"), protobuf_node("b"))
    server.answer = lambda parameters, number: Answer(body, headers=PROTOBUF)
    seen: list[Page[Any]] = []
    ListReader(connection).list(NODE, seen.append, lambda key, version, uid: key.name == "a")
    assert [(each.held, [node.key.name for node in each.items]) for each in seen] == [([Key("", "a")], ["b"])]


def test_the_next_page_is_requested_before_the_records_of_this_one_are_made(
    server: Server, connection: Connection
) -> None:
    requested = threading.Event()
    pages = {
        "": protobuf_answer(NODE, protobuf_node("a"), token="t1"),
        "t1": protobuf_answer(NODE, protobuf_node("b")),
    }

    def answer(parameters: Json, number: int) -> Answer:
        token = parameters.get("continue", "")
        if token:
            requested.set()
        return Answer(pages[token], headers=PROTOBUF)

    def held(key: Key, version: int, uid: str) -> bool:
        assert requested.wait(60)
        return False

    server.answer = answer
    seen: list[Page[Any]] = []
    ListReader(connection).list(NODE, seen.append, held)
    assert [node.key.name for each in seen for node in each.items] == ["a", "b"]
    assert len(server.requests) == 2


def test_a_list_starts_over_although_a_later_page_was_requested(server: Server, connection: Connection) -> None:
    tokens = {"": "t1", "t1": "t2", "t2": ""}
    starts: list[str] = []

    def answer(parameters: Json, number: int) -> Answer:
        token = parameters.get("continue", "")
        if not token:
            starts.append("")
        version = "9" if len(starts) > 1 else "8" if token else "7"
        body = protobuf_answer(NODE, protobuf_node(token or "first"), version=version, token=tokens[token])
        return Answer(body, headers=PROTOBUF)

    server.answer = answer
    listing = list_kind(connection, NODE)
    assert [node.key.name for node in listing.items] == ["first", "t1", "t2"]
    assert len(starts) == 2


def test_pages_go_to_on_page_and_nowhere_else(server: Server, connection: Connection) -> None:
    pages = {"": page(range(2), 7, "t1"), "t1": page(range(2, 3), 7)}
    server.answer = lambda parameters, number: pages[parameters.get("continue", "")]
    seen: list[Page[Any]] = []
    listing = ListReader(connection).list(NODE, seen.append)
    assert [len(each.items) for each in seen] == [2, 1]
    assert listing.items == []


def test_one_malformed_object_of_500_is_lost_alone(server: Server, connection: Connection) -> None:
    whole = page(range(500), 7)
    whole.body["items"][123]["spec"] = {"taints": "NoSchedule"}
    server.answer = lambda parameters, number: whole
    listing = list_kind(connection, NODE)
    assert len(listing.items) == 499
    assert [reject.message for reject in listing.rejects] == [
        "Node n123: spec.taints: expected array | null, got str"
    ]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(refusal(410, "the provided continue parameter is too old"), id="410"),
        pytest.param(page(range(2, 4), 8), id="another resourceVersion on a later page"),
    ],
)
def test_a_list_that_expires_starts_over(server: Server, connection: Connection, second: Answer) -> None:
    answers = [page(range(2), 7, "t1"), second, page(range(2), 9, "t2"), page(range(2, 3), 9)]
    server.answer = lambda parameters, number: answers[number]
    listing = list_kind(connection, NODE)
    assert [node.metadata.name for node in listing.items] == ["n0", "n1", "n2"]


def test_a_list_that_always_expires_is_given_up(server: Server, connection: Connection) -> None:
    server.answer = lambda parameters, number: (
        refusal(410, "too old") if "continue" in parameters else page(range(1), 7, "t")
    )
    with pytest.raises(Expired, match="nodes"):
        list_kind(connection, NODE)
    assert len(server.requests) == 2 * STARTS


@pytest.mark.parametrize(
    ("answer", "error", "expected"),
    [
        pytest.param(refusal(403, 'User "x" cannot list'), Forbidden, 'may not list nodes: User "x"', id="403"),
        pytest.param(refusal(404, "not found"), NotServed, "nodes is not served", id="404"),
        pytest.param(refusal(401, "Unauthorized"), Unauthorized, "does not accept the credentials", id="401"),
        pytest.param(Answer(b"<html>log in", 200), Unreachable, "did not answer with a list", id="a web page"),
        pytest.param(
            Answer(envelope("Status", pb.Status(message="may not")), 403, PROTOBUF),
            Forbidden,
            "may not list nodes: may not",
            id="403 in protobuf",
        ),
        pytest.param(
            Answer(protobuf_answer(SERVICE), 200, PROTOBUF),
            Unreachable,
            "a ServiceList instead",
            id="another list",
        ),
        pytest.param(
            Answer(b"<html>", 200, PROTOBUF), Unreachable, "did not answer with a list", id="no protobuf"
        ),
        pytest.param(Answer({"items": []}, 200), Unreachable, "no resourceVersion", id="no list"),
        pytest.param(Answer(b"", 302, {"Location": "/login"}), Unreachable, "answered 302", id="a redirect"),
        pytest.param(
            Answer({"metadata": {"resourceVersion": "x1"}}, 200), Unreachable, "did not answer", id="a bad version"
        ),
    ],
)
def test_refusals(
    server: Server, connection: Connection, answer: Answer, error: type[KubeError], expected: str
) -> None:
    server.answer = lambda parameters, number: answer
    with pytest.raises(error, match=expected) as raised:
        list_kind(connection, NODE)
    assert "\n" not in str(raised.value)
    with pytest.raises(error):
        ListReader(connection).ask(NODE)


def test_a_probe_reads_one_object_and_returns_the_version(server: Server, connection: Connection) -> None:
    server.answer = lambda parameters, number: page(range(1), 7, "t1")
    assert ListReader(connection).ask(NODE) == 7
    assert [request["limit"] for request in server.requests] == ["1"]


def test_a_throttled_page_is_asked_for_again(server: Server, connection: Connection) -> None:
    answers = [refusal(429, "slow down", **{"Retry-After": "0"}), refusal(503, "starting"), page(range(1), 7)]
    server.answer = lambda parameters, number: answers[number]
    assert len(list_kind(connection, NODE).items) == 1


def test_a_server_that_stays_overloaded(server: Server, connection: Connection) -> None:
    server.answer = lambda parameters, number: refusal(500, "etcd is away")
    with pytest.raises(Overloaded, match="500 etcd is away"):
        list_kind(connection, NODE)
    assert len(server.requests) == THROTTLED


def test_a_server_that_asks_for_a_long_pause_is_left_alone(server: Server, connection: Connection) -> None:
    server.answer = lambda parameters, number: refusal(429, "much later", **{"Retry-After": "30"})
    with pytest.raises(Overloaded, match="429 much later") as raised:
        list_kind(connection, NODE)
    assert raised.value.retry_after == 30
    assert len(server.requests) == 1


def test_each_page_is_counted(server: Server, connection: Connection) -> None:
    pages = [page(range(2), 7, "t1"), refusal(503, "a moment"), page(range(2, 3), 7)]
    server.answer = lambda parameters, number: pages[number]
    counted: list[tuple[str, str, int]] = []
    reader = ListReader(connection, on_request=lambda *request: counted.append(request))
    reader.list(INGRESS, lambda page: None)
    assert counted == [("list", "ingresses.networking.k8s.io", status) for status in (200, 503, 200)]
    server.answer = lambda parameters, number: page(range(1), 7)
    reader.ask(NODE)
    assert counted[-1] == ("list", "nodes", 200)


def test_so_is_one_that_was_not_answered(tmp_path: Path) -> None:
    counted: list[tuple[str, str, int]] = []
    nobody = Connection(kubeconfig(tmp_path, "http://127.0.0.1:1"))
    with pytest.raises(Unreachable):
        ListReader(nobody, on_request=lambda *request: counted.append(request)).list(NODE)
    assert counted == [("list", "nodes", 0)]


def test_a_silent_server(server: Server, connection: Connection) -> None:
    release = threading.Event()

    def silent(parameters: Json, number: int) -> Answer:
        release.wait(5)
        return page(range(1), 7)

    server.answer = silent
    try:
        with pytest.raises(Unreachable, match="no answer in time"):
            list_kind(connection, NODE, timeout=0.2)
    finally:
        release.set()


def test_a_namespace_has_a_path_of_its_own(server: Server, connection: Connection) -> None:
    server.answer = lambda parameters, number: page(range(0), 7)
    list_kind(connection, INGRESS, namespace="shop")
    list_kind(connection, SERVICE, namespace="shop")
    list_kind(connection, NODE, namespace="shop")
    assert [request["path"] for request in server.requests] == [
        "/apis/networking.k8s.io/v1/namespaces/shop/ingresses",
        "/api/v1/namespaces/shop/services",
        "/api/v1/nodes",
    ]


def test_a_subset_is_listed_in_its_namespace_and_has_only_its_objects(
    server: Server, connection: Connection
) -> None:
    names = ("cilium-l2announce-shop-web", "kube-scheduler")
    items = [{"metadata": {"name": name, "namespace": "kube-system", "resourceVersion": "1"}} for name in names]
    server.answer = lambda parameters, number: Answer({"metadata": {"resourceVersion": "7"}, "items": items})
    listing = list_kind(connection, CILIUM_L2_LEASE)
    assert [lease.metadata.name for lease in listing.items] == ["cilium-l2announce-shop-web"]
    leases = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
    assert [request["path"] for request in server.requests] == [leases.format("kube-system")]
    labelled = dataclasses.replace(CILIUM_L2_LEASE, subset=Subset("x", 1.0, NODE, label="a.example/b"))
    list_kind(connection, labelled)
    assert server.requests[-1]["labelSelector"] == "a.example/b"
    assert server.requests[-1]["path"] == leases.format("x")


def test_a_token_file_is_read_for_each_list(server: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    connection = Connection(kubeconfig(tmp_path, server.url, tokenFile="token"))
    server.answer = lambda parameters, number: page(range(1), 7)
    list_kind(connection, NODE)
    token.write_text("second\n")
    list_kind(connection, NODE)
    assert [request["token"] for request in server.requests] == ["Bearer first", "Bearer second"]


def test_a_401_has_a_token_looked_up_again(server: Server, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(
        "#!/bin/sh\necho x >> " + str(tmp_path / "calls") + "\n"
        "n=$(wc -l < " + str(tmp_path / "calls") + ")\n"
        """echo '{"apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t'$((n))'"}}'\n"""
    )
    plugin.chmod(0o755)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "Never"}
    connection = Connection(kubeconfig(tmp_path, server.url, exec=run))
    server.answer = lambda parameters, number: refusal(401, "expired") if number == 0 else page(range(1), 7)
    assert len(list_kind(connection, NODE).items) == 1
    assert [request["token"] for request in server.requests] == ["Bearer t1", "Bearer t2"]
