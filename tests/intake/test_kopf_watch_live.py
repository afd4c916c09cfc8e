"""Kopf's watches of a real API server: at the limit of how long they may be silent; and they write nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

import pytest

from devcluster import Cluster
from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Answer, WatchError
from etpguard.intake.inbox import Message, WatchEvent, WatchRelisted
from etpguard.intake.kopf_settings import NO_FINALIZER
from etpguard.intake.kopf_watch import KopfRun
from etpguard.kube.connection import Connection
from etpguard.objects import INGRESS, SERVICE
from tests.app.harness import grant, node_port_service

pytestmark = pytest.mark.controlplane

SILENCE = 0.3
RUNS = 4
EVENTS = 25


def test_an_event_at_the_end_of_the_longest_silence_is_heard_and_so_is_what_follows(
    cluster: Cluster, namespace: str
) -> None:
    collection = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    cluster.call("POST", collection, {"metadata": {"name": "web"}, "spec": {"defaultBackend": backend}})
    heard: list[set[int]] = [set() for _ in range(RUNS)]
    watching: list[WatchRelisted] = []

    def put(versions: set[int], message: Message) -> None:
        if isinstance(message, WatchEvent):
            versions.add(message.entry.version)
        elif isinstance(message, WatchRelisted):
            watching.append(message)

    def write(number: int) -> int:
        made = cluster.call("PATCH", f"{collection}/web", {"metadata": {"labels": {"number": str(number)}}})
        return int(made["metadata"]["resourceVersion"])

    async def scenario() -> None:
        runs = [KopfRun([INGRESS], Connection(cluster.kubeconfig), partial(put, each), SILENCE) for each in heard]
        try:
            await until(lambda: len(watching) == RUNS)
            written = set()
            for number in range(EVENTS):
                written.add(await asyncio.to_thread(write, number))
                await asyncio.sleep(SILENCE + random.uniform(-0.02, 0.005))
            await until(lambda: all(written <= each for each in heard))
            assert not any(run.ended.is_set() for run in runs)
        finally:
            for run in runs:
                run.stop()
            await asyncio.gather(*(run.ended.wait() for run in runs))

    asyncio.run(scenario())


def test_a_watch_that_was_denied_for_a_moment_only_is_not_denied(cluster: Cluster) -> None:
    """Kopf tries again by itself; what ends the run later has nothing to do with it."""
    path = "/api/v1/services"

    async def scenario(proxy: HttpProxy) -> None:
        run = KopfRun([SERVICE], Connection(cluster.kubeconfig_for(server=proxy.server)), lambda message: None)
        try:
            await until(lambda: run.forbidden == {SERVICE})
            await until(lambda: bool(proxy.streams(path=path)) and not run.forbidden)
        finally:
            run.stop()
            await run.ended.wait()

    with HttpProxy(cluster) as proxy:
        proxy.on(Answer(403), path=path, watch=True, times=1)
        asyncio.run(scenario(proxy))


def test_kopf_learns_where_to_watch_from_and_gets_no_object_of_a_list(cluster: Cluster, namespace: str) -> None:
    """However many there are, and again after a 410."""
    collection = f"/api/v1/namespaces/{namespace}/services"
    for number in range(5):
        cluster.call("POST", collection, node_port_service(f"before-{number}"))
    messages: list[Message] = []

    def names() -> list[str]:
        mine = [m for m in messages if isinstance(m, WatchEvent) and m.entry.key.namespace == namespace]
        return [f"{'-' if m.deleted else '+'}{m.entry.key.name}" for m in mine]

    async def scenario(proxy: HttpProxy) -> None:
        run = KopfRun([SERVICE], Connection(cluster.kubeconfig_for(server=proxy.server)), messages.append)
        try:
            await until(lambda: WatchRelisted(SERVICE) in messages)
            await asyncio.to_thread(cluster.call, "POST", collection, node_port_service("after"))
            await until(lambda: bool(names()))
            expired = proxy.on(WatchError(410), path="/api/v1/services", watch=True, times=1)
            for stream in proxy.streams(path="/api/v1/services"):
                stream.cut()
            await until(lambda: messages.count(WatchRelisted(SERVICE)) == 2 or run.ended.is_set())
            assert expired.hits == 1
            await asyncio.to_thread(cluster.call, "DELETE", f"{collection}/after")
            await until(lambda: len(names()) == 2)
        finally:
            run.stop()
            await run.ended.wait()
        lists = [r for r in proxy.requests() if r.path == "/api/v1/services" and not r.watch]
        assert [(r.query["limit"], r.status) for r in lists] == [("1", 200)] * 2

    with HttpProxy(cluster) as proxy:
        asyncio.run(scenario(proxy))
    assert names() == ["+after", "-after"]


FOREIGN = "kopf.zalando.org/KopfFinalizerMarker"
"""What any other operator made with Kopf puts on its objects, unless it chose a name."""


def test_the_finalizer_of_another_operator_that_uses_kopf_stays(cluster: Cluster, namespace: str) -> None:
    """The account that watches may even write."""
    account = f"watcher-{namespace}"
    grant(cluster, account, ("", "services,services/status", "*"))
    kubeconfig = cluster.kubeconfig_for(namespace="default", service_account=account)
    collection = f"/api/v1/namespaces/{namespace}/services"
    service = node_port_service("foreign")
    service["metadata"]["finalizers"] = [FOREIGN]
    cluster.call("POST", collection, service)
    position = cluster.audit_position()
    heard: list[bool] = []
    """Of each event about it: whether it is being deleted."""
    watching: list[WatchRelisted] = []

    def put(message: Message) -> None:
        if isinstance(message, WatchRelisted):
            watching.append(message)
        elif isinstance(message, WatchEvent) and message.entry.key == (namespace, "foreign"):
            heard.append(getattr(message.entry, "deleting", False))

    async def scenario() -> None:
        run = KopfRun([SERVICE], Connection(kubeconfig), put)
        try:
            await until(lambda: bool(watching))
            label = {"metadata": {"labels": {"changed": "yes"}}}
            await asyncio.to_thread(cluster.call, "PATCH", f"{collection}/foreign", label)
            await until(lambda: False in heard)
            await asyncio.to_thread(cluster.call, "DELETE", f"{collection}/foreign")
            await until(lambda: True in heard)
            await asyncio.sleep(1)  # a write would follow at once
        finally:
            run.stop()
            await run.ended.wait()

    try:
        asyncio.run(scenario())
        user = f"system:serviceaccount:default:{account}"
        asked = [event for event in cluster.audit(position) if event["user"]["username"] == user]
        assert {event["verb"] for event in asked} == {"get", "list", "watch"}
        assert cluster.call("GET", f"{collection}/foreign")["metadata"]["finalizers"] == [FOREIGN]
    finally:
        cluster.request("PATCH", f"{collection}/foreign", {"metadata": {"finalizers": None}})


def test_no_object_can_have_the_finalizer_that_kopf_is_configured_with(cluster: Cluster, namespace: str) -> None:
    service = node_port_service("own")
    service["metadata"]["finalizers"] = [NO_FINALIZER]
    answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/services", service)
    assert answer.status == 422
    assert "metadata.finalizers" in answer.json()["message"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  polls what threads change
            await asyncio.sleep(0.05)
