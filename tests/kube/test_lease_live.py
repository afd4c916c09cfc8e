"""Leader election on a real API server: hand-over, crash, and a leader that is cut off."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.tcp_proxy import TcpProxy
from etpguard.kube import verbs
from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.errors import ApiError
from etpguard.kube.lease import Elector, Timing
from etpguard.kube.writes import NotNow, WriteLimits, Writer
from etpguard.objects import Key, Kind, Record

pytestmark = pytest.mark.controlplane

LEASE = 3
LONG_LEASE = 60
"""A hand-over takes a fraction of it even on a busy machine, unless the next one waits until it has run out."""
CLOCK = 0.05
"""Seconds by which the wall clock, which stamps the Lease, may differ from the clock that decides."""
CONFIG_MAP = Kind("ConfigMap", "configmaps", "", "v1", Record)


@dataclass
class Replica:
    elector: Elector
    stop: asyncio.Event
    written: int = 0


@asynccontextmanager
async def replica(namespace: str, name: str, kubeconfig: Path, lease: int = LEASE) -> AsyncIterator[Replica]:
    """A candidate that writes as fast as it may, each write a line in the audit log under its name."""
    timing = Timing.of(lease)
    client = LazyClient(Connection(kubeconfig), name)
    elector = Elector(client, Key(namespace, "leader"), name, timing=timing)
    limits = WriteLimits(timeout=timing.write_timeout, rate=1000, burst=1000)
    writer = Writer(client, time_left=elector.time_left, limits=limits)
    made = Replica(elector, asyncio.Event())

    async def write() -> None:
        while True:
            body = {"data": {"by": name, "count": str(made.written)}}
            try:
                await writer.write(verbs.apply(CONFIG_MAP, Key(namespace, "target"), body), attempts=1)
                made.written += 1
            except (NotNow, ApiError):
                pass
            await asyncio.sleep(0.02)

    standing = asyncio.create_task(elector.run(made.stop, writer.quiet))
    writing = asyncio.create_task(write())
    try:
        yield made
    finally:
        made.stop.set()
        await asyncio.wait_for(standing, 60)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await client.close()


async def until(predicate: Callable[[], bool], timeout: float = 60) -> float:  # noqa: ASYNC109
    """Seconds until `predicate` held."""
    start = time.monotonic()
    while not predicate():
        if time.monotonic() - start > timeout:
            raise TimeoutError
        await asyncio.sleep(0.02)
    return time.monotonic() - start


def accepted(cluster: Cluster, namespace: str) -> list[tuple[str, str]]:
    """Time at which each accepted write was received, and whose it was; in that order."""
    found = []
    for event in cluster.audit():
        about: dict[str, Any] = event.get("objectRef") or {}
        if about.get("namespace") == namespace and about.get("resource") == "configmaps":
            code = (event.get("responseStatus") or {}).get("code", 0)
            if event["verb"] == "patch" and code < 300:
                found.append((event["requestReceivedTimestamp"], event["userAgent"]))
    return sorted(found)


def lease_time(cluster: Cluster, namespace: str, field: str) -> float:
    """`renewTime` or `acquireTime` of the Lease, in seconds since the epoch."""
    lease = cluster.call("GET", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/leader")
    return datetime.fromisoformat(lease["spec"][field]).timestamp()


def assert_no_interleaving(writes: list[tuple[str, str]], first: str, second: str) -> None:
    names = [name for _, name in writes]
    assert first in names
    assert second in names
    assert first not in names[names.index(second) :]


def test_a_hand_over_does_not_wait_until_the_lease_has_run_out(cluster: Cluster, namespace: str) -> None:
    async def scenario() -> None:
        async with replica(namespace, "a", cluster.kubeconfig, LONG_LEASE) as a:
            await until(lambda: a.written > 0)
            async with replica(namespace, "b", cluster.kubeconfig, LONG_LEASE) as b:
                await until(lambda: b.elector.holder == "a")
                assert not b.elector.leading
                a.stop.set()
                await until(lambda: b.written > 0, LONG_LEASE / 2)
                assert not a.elector.leading

    asyncio.run(scenario())
    assert_no_interleaving(accepted(cluster, namespace), "a", "b")


def test_a_leader_that_is_cut_off_stops_before_the_next_begins(cluster: Cluster, namespace: str) -> None:
    async def scenario() -> None:
        with TcpProxy(cluster.server) as proxy:
            through = cluster.kubeconfig_for(server=proxy.server)
            async with replica(namespace, "a", through) as a:
                await until(lambda: a.written > 0)
                async with replica(namespace, "b", cluster.kubeconfig) as b:
                    await until(lambda: b.elector.holder == "a")
                    proxy.silence()
                    renewed = lease_time(cluster, namespace, "renewTime")
                    await until(lambda: b.written > 0)
                    assert lease_time(cluster, namespace, "acquireTime") - renewed >= LEASE - CLOCK
                    assert not a.elector.time_left()
                    proxy.restore()  # what was held back on the way may still arrive
                    await until(lambda: not a.elector.leading)
                    before = b.written
                    await until(lambda: b.written > before + 20)

    asyncio.run(scenario())
    assert_no_interleaving(accepted(cluster, namespace), "a", "b")


def test_after_a_crash_the_next_leads_when_the_lease_has_run_out(cluster: Cluster, namespace: str) -> None:
    program = f"""
import asyncio
from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.lease import Elector, Timing
from etpguard.objects import Key

async def main():
    client = LazyClient(Connection({str(cluster.kubeconfig)!r}))
    elector = Elector(client, Key({namespace!r}, "leader"), "a", timing=Timing.of({LEASE}),
                      on_change=lambda leading: print("leading", flush=True))
    await elector.run(asyncio.Event())

asyncio.run(main())
"""

    crashing = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert crashing.stdout is not None
    said = crashing.stdout

    async def scenario() -> None:
        try:
            assert (await asyncio.to_thread(said.readline)).strip() == "leading"
            async with replica(namespace, "b", cluster.kubeconfig) as b:
                await until(lambda: b.elector.holder == "a")
                crashing.send_signal(signal.SIGKILL)
                renewed = lease_time(cluster, namespace, "renewTime")
                await until(lambda: b.written > 0)
                assert lease_time(cluster, namespace, "acquireTime") - renewed >= LEASE - CLOCK
        finally:
            crashing.kill()
            crashing.wait()
            said.close()

    asyncio.run(scenario())


def test_kubectl_shows_the_holder(cluster: Cluster, namespace: str) -> None:
    async def scenario() -> None:
        async with replica(namespace, "somebody", cluster.kubeconfig) as one:
            await until(lambda: one.elector.leading)
            shown = await asyncio.to_thread(cluster.kubectl, "get", "lease", "leader", "-n", namespace)
            assert "somebody" in shown

    asyncio.run(scenario())
    left = cluster.call("GET", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/leader")
    assert not left["spec"].get("holderIdentity")
