"""Kopf's watches of a real API server, at the limit of how long they may be silent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

import pytest

from devcluster import Cluster
from etpguard.intake.inbox import Live, Message
from etpguard.intake.watch import KopfRun
from etpguard.kube.connection import Connection
from etpguard.objects import INGRESS

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


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  polls what threads change
            await asyncio.sleep(0.05)
