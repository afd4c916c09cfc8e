"""Kopf's watches of a real API server: at the limit of how long they may be silent; and they write nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

import pytest

from devcluster import Cluster
from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Answer
from etpguard.intake.inbox import Live, Message
from etpguard.intake.watch import NO_FINALIZER, KopfRun
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

    def put(versions: set[int], message: Message) -> None:
        if isinstance(message, Live):
            versions.add(message.entry.version)

    def write(number: int) -> int:
        made = cluster.call("PATCH", f"{collection}/web", {"metadata": {"labels": {"number": str(number)}}})
        return int(made["metadata"]["resourceVersion"])

    async def scenario() -> None:
        runs = [KopfRun([INGRESS], Connection(cluster.kubeconfig), partial(put, each), SILENCE) for each in heard]
        try:
            await until(lambda: all(heard))
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
            await until(lambda: run.denied == {SERVICE})
            await until(lambda: bool(proxy.streams(path=path)) and not run.denied)
        finally:
            run.stop()
            await run.ended.wait()

    with HttpProxy(cluster) as proxy:
        proxy.on(Answer(403), path=path, watch=True, times=1)
        asyncio.run(scenario(proxy))


FOREIGN = "kopf.zalando.org/KopfFinalizerMarker"
"""What any other operator made with Kopf puts on its objects, unless it chose a name."""


def test_the_finalizer_of_another_operator_that_uses_kopf_stays(cluster: Cluster, namespace: str) -> None:
    """Whoever watched may even write."""
    account = f"watcher-{namespace}"
    grant(cluster, account, ("", "services,services/status", "*"))
    kubeconfig = cluster.kubeconfig_for(namespace="default", service_account=account)
    collection = f"/api/v1/namespaces/{namespace}/services"
    service = node_port_service("foreign")
    service["metadata"]["finalizers"] = [FOREIGN]
    cluster.call("POST", collection, service)
    position = cluster.audit_position()
    heard: list[tuple[bool, bool]] = []
    """Of each event about it: whether it was listed, whether it is being deleted."""

    def put(message: Message) -> None:
        if isinstance(message, Live) and message.entry.key == (namespace, "foreign"):
            heard.append((message.listed, getattr(message.entry, "deleting", False)))

    async def scenario() -> None:
        run = KopfRun([SERVICE], Connection(kubeconfig), put)
        try:
            await until(lambda: (True, False) in heard)
            label = {"metadata": {"labels": {"changed": "yes"}}}
            await asyncio.to_thread(cluster.call, "PATCH", f"{collection}/foreign", label)
            await until(lambda: (False, False) in heard)
            await asyncio.to_thread(cluster.call, "DELETE", f"{collection}/foreign")
            await until(lambda: (False, True) in heard)
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


def test_no_object_can_bear_the_finalizer_that_kopf_is_told_of(cluster: Cluster, namespace: str) -> None:
    service = node_port_service("own")
    service["metadata"]["finalizers"] = [NO_FINALIZER]
    answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/services", service)
    assert answer.status == 422
    assert "metadata.finalizers" in answer.json()["message"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  polls what threads change
            await asyncio.sleep(0.05)
