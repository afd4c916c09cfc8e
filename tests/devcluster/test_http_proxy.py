"""The rules of the HTTP proxy, seen by clients of the real API server."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from devcluster import Cluster, KubectlError, Response
from devcluster.client import Client
from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Answer, Cut, Delay, Match, Request, Silence, WatchError, failure
from devcluster.objects import Object, wait_for

pytestmark = pytest.mark.controlplane


class Asking:
    """A client of the API server through the proxy."""

    def __init__(self, cluster: Cluster, proxy: HttpProxy) -> None:
        self.context = ssl.create_default_context(cafile=str(cluster.ca))
        self.client = Client(proxy.server, self.context)
        self.headers = {"Authorization": f"Bearer {cluster.tokens['admin']}"}
        self.server = urlsplit(proxy.server)

    def __call__(self, method: str, path: str, body: object = None, timeout: float = 5) -> Response:
        return self.client.request(method, path, body, self.headers, timeout)

    def watch(self, path: str, timeout: float = 5) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        assert self.server.hostname is not None
        connection = http.client.HTTPSConnection(
            self.server.hostname, self.server.port, context=self.context, timeout=timeout
        )
        connection.request("GET", path, headers=self.headers)
        return connection, connection.getresponse()


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[HttpProxy]:
    with HttpProxy(cluster) as proxy:
        yield proxy


@pytest.fixture
def ask(cluster: Cluster, proxy: HttpProxy) -> Iterator[Asking]:
    asking = Asking(cluster, proxy)
    yield asking
    asking.client.close_idle()


def _config_map(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def test_kubectl_works_through_it_as_itself(cluster: Cluster, proxy: HttpProxy, namespace: str) -> None:
    cluster.kubectl("create", "serviceaccount", "someone", "-n", namespace)
    kubeconfig = cluster.kubeconfig_for(namespace=namespace, service_account="someone", server=proxy.server)
    who = json.loads(cluster.kubectl("--kubeconfig", str(kubeconfig), "auth", "whoami", "-o", "json"))
    assert who["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:someone"
    with pytest.raises(KubectlError, match=r"pods is forbidden.*:someone"):
        cluster.kubectl("--kubeconfig", str(kubeconfig), "get", "pods", "-A")
    refused = proxy.requests(Match(path="/api/v1/pods"))
    assert [(request.method, request.status, request.forwarded) for request in refused] == [("GET", 403, True)]


def test_large_bodies_pass_in_both_directions(cluster: Cluster, ask: Asking, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = _config_map("large") | {"data": {"text": "x" * 900_000}}
    assert ask("POST", path, body).status == 201
    assert ask("GET", f"{path}/large").json()["data"] == body["data"]
    assert cluster.call("GET", f"{path}/large")["data"] == body["data"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(Answer(429, headers={"Retry-After": "7"}), "TooManyRequests", id="429"),
        pytest.param(Answer(410), "Expired", id="410"),
        pytest.param(Answer(403), "Forbidden", id="403"),
        pytest.param(Answer(500), "InternalError", id="500"),
        pytest.param(Answer(503, body={"reason": "Own"}), "Own", id="own body"),
    ],
)
def test_an_answer_in_the_servers_place(
    cluster: Cluster, proxy: HttpProxy, ask: Asking, namespace: str, answer: Answer, reason: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    rule = proxy.on(answer, method="POST", path=".*/configmaps", times=1)
    response = ask("POST", path, _config_map("one"))
    assert response.status == answer.status
    assert response.json()["reason"] == reason
    assert answer.headers.items() <= {k.title(): v for k, v in response.headers.items()}.items()
    assert rule.hits == 1
    assert cluster.request("GET", f"{path}/one").status == 404
    assert ask("GET", path).ok  # does not match
    assert ask("POST", path, _config_map("one")).status == 201  # matched once already
    first, _, last = proxy.requests(Match(path=path))
    assert (first.forwarded, first.status, last.forwarded, last.status) == (False, answer.status, True, 201)
    assert first.json()["metadata"] == {"name": "one"}


def test_delay_cut_and_silence_by_rule(proxy: HttpProxy, ask: Asking) -> None:
    delay = proxy.on(Delay(0.5), path="/version", times=1)
    started = time.monotonic()
    assert ask("GET", "/version").ok
    assert time.monotonic() - started >= 0.5
    proxy.remove(delay)
    proxy.on(Cut(), path="/version", times=1)
    with pytest.raises(OSError):
        ask("POST", "/version")
    proxy.on(Silence(), path="/version")
    with pytest.raises(TimeoutError):
        ask("GET", "/version", timeout=0.5)
    assert ask("GET", "/readyz").ok
    proxy.restore()
    assert ask("GET", "/version").ok
    assert [r.forwarded for r in proxy.requests(Match(path="/version"))] == [True, False, False, True]


def test_one_watch_falls_silent_and_the_rest_goes_on(
    cluster: Cluster, proxy: HttpProxy, ask: Asking, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    silent_connection, silent = ask.watch(f"{path}?watch=1", timeout=1)
    other_connection, other = ask.watch(f"{path}?watch=true")
    cluster.call("POST", path, _config_map("one"))
    for response in (silent, other):
        assert json.loads(response.readline())["object"]["metadata"]["name"] == "one"
    first, second = proxy.streams(path=path)
    assert (first.request.query, second.request.query) == ({"watch": "1"}, {"watch": "true"})
    first.silence()
    cluster.call("POST", path, _config_map("two"))
    assert json.loads(other.readline())["object"]["metadata"]["name"] == "two"
    with pytest.raises(TimeoutError):
        silent.readline()
    assert proxy.streams(path=path) == [first, second]
    second.send({"type": "ERROR", "object": failure(410)})
    assert json.loads(other.readline())["object"]["reason"] == "Expired"
    second.cut()
    with pytest.raises((OSError, http.client.IncompleteRead)):
        other.read()
    wait_for(lambda: proxy.streams(path=path) == [first])
    silent_connection.close()
    other_connection.close()
    proxy.restore()
    wait_for(lambda: proxy.streams(path=path) == [], what="the end of a watch whose client is gone")


def test_what_a_silent_watch_held_back_arrives_in_order(
    cluster: Cluster, proxy: HttpProxy, ask: Asking, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    proxy.on(Silence(), watch=True)
    connection, response = ask.watch(f"{path}?watch=1&timeoutSeconds=3")
    assert response.status == 200
    for name in ("one", "two", "three"):
        cluster.call("POST", path, _config_map(name))
    time.sleep(0.5)
    proxy.restore()
    events = [json.loads(line) for line in response.read().splitlines()]
    assert [event["object"]["metadata"]["name"] for event in events] == ["one", "two", "three"]
    connection.close()


def test_a_watch_ends_with_410_by_rule(proxy: HttpProxy, ask: Asking, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    proxy.on(WatchError(410), path=path, watch=True, query={"watch": "1"}, times=1)
    response = ask("GET", f"{path}?watch=1")
    assert response.status == 200
    assert response.json()["type"] == "ERROR"
    assert response.json()["object"]["code"] == 410


def test_hooks_run_before_and_after_the_servers_answer(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    seen: list[tuple[str, int | None, int]] = []

    def stored() -> int:
        return len(cluster.call("GET", path)["items"])

    def before(request: Request) -> bool | None:
        seen.append(("before", request.status, stored()))
        return request.method != "PUT"

    def after(request: Request) -> None:
        seen.append(("after", request.status, stored()))

    with HttpProxy(cluster, before_forward=before, after_response=after) as proxy:
        ask = Asking(cluster, proxy)
        assert ask("POST", path, _config_map("one")).status == 201
        assert seen == [("before", None, 0), ("after", 201, 1)]
        with pytest.raises(OSError):
            ask("PUT", f"{path}/one", _config_map("one"))
        assert seen[2:] == [("before", None, 1)]  # dropped
        ask.client.close_idle()


def test_a_write_that_was_sent_on_takes_effect_though_its_client_is_gone(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    gone = threading.Event()

    def after(request: Request) -> None:
        gone.wait(5)

    with HttpProxy(cluster, after_response=after) as proxy:
        ask = Asking(cluster, proxy)
        with pytest.raises(TimeoutError):
            ask("POST", path, _config_map("one"), timeout=1)
        gone.set()
        assert cluster.request("GET", f"{path}/one").ok
        wait_for(lambda: [r.status for r in proxy.requests(Match(method="POST"))] == [201])
