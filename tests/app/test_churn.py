"""Objects that come and go leave nothing behind: in the picture, the engine, the publisher and remediation. Counts
blocks of memory; the API server is a function that takes every write."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
from typing import Any

import pytest

from etpguard.app.health import metrics_state
from etpguard.app.observed import Observed
from etpguard.app.remediation import remediation_controller
from etpguard.assess import Engine, picture_for
from etpguard.assess.advice import Advisor
from etpguard.assess.consumers.registry import consumer_families
from etpguard.intake.absorb import Absorber
from etpguard.intake.corrections import Corrections
from etpguard.intake.freshness import Freshness
from etpguard.intake.inbox import AssessAll, Inbox, ListBegins, ListEnds, WatchEvent
from etpguard.kube.failures import Failures
from etpguard.kube.writes import Writer
from etpguard.metrics import Metrics
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    decode_item,
)
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY
from etpguard.publish.publisher import Publisher
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.report.advice import advice_texts
from etpguard.settings import Settings
from tests.kube.fake_api import Call, FakeApi

NODES = 3
STAYS = 6
"""Turns that a Service and a node live."""
WARM_UP = 60
TURNS = 200
LEFT_PER_TURN = 2.0
"""Blocks of memory; at most 1.0 is measured, for caches that fill. A turn makes and removes five objects, each
with a name and a key."""


class _Cluster:
    def __init__(self) -> None:
        families = consumer_families()
        self.now = 0.0
        self.term = 1
        self._version = itertools.count(100)
        self.picture = picture = picture_for(families, REMEDIATION_KINDS)
        self.engine = engine = Engine(picture, families)
        self.inbox = Inbox()
        self.api = FakeApi(self._answer)
        writer = Writer(self.api, clock=self._clock, wall=self._wall, sleep=_no_sleep)
        freshness = Freshness(picture.kinds, 600.0, self._clock)
        self.metrics = Metrics(
            lambda: metrics_state(picture, engine.assessments, freshness, engine.internal, fresh=True)
        )
        self.publisher = Publisher(
            writer,
            picture,
            engine.assessments,
            advice_texts(Advisor(picture, families)),
            term=lambda: self.term,
            internal=engine.internal,
            clock=self._clock,
            wall=self._wall,
        )
        self.remediation = remediation_controller(
            Settings(),
            writer,
            Observed(
                picture,
                engine.assessments,
                engine.internal,
                engine=lambda other: Engine(other, families),
                served=lambda kind: True,
                stale=lambda: None,
            ),
            metrics=self.metrics,
            failures=Failures(),
            identity="here",
            term=lambda: self.term,
            clock=self._clock,
            wall=self._wall,
        )
        self.absorber = Absorber(
            picture=picture,
            engine=engine,
            inbox=self.inbox,
            corrections=Corrections(lambda kind, what: None, lambda kind: None),
            observe=self.metrics.verdict,
            watch_relisted=lambda kind: None,
            etcd_restored=lambda: None,
            receivers=(self.publisher, self.remediation),
        )

    def _clock(self) -> float:
        return self.now

    def _wall(self) -> float:
        return 1_800_000_000.0 + self.now

    def _answer(self, call: Call) -> Any:
        if call.method == "GET":
            return 200, json.dumps({"metadata": {"resourceVersion": "7"}, "items": [], "groups": []}).encode(), {}
        body = call.body if isinstance(call.body, dict) else {}
        kind, _, name = call.path.removesuffix("/status").rpartition("/")
        meta = {"name": name, "namespace": "default", "uid": "u", **body.get("metadata", {})}
        answer = {**body, "metadata": {**meta, "resourceVersion": str(next(self._version))}}
        if kind.endswith("/servicecoverages") and call.method == "PATCH":
            self.put(SERVICE_COVERAGE, answer["metadata"], status=body.get("status", {}))
        return 200, answer, {}

    def put(self, kind: AnyKind, meta: dict[str, Any], *, gone: bool = False, **rest: Any) -> None:
        space = {"namespace": "default"} if kind.namespaced else {}
        whole = {"uid": f"uid-{meta['name']}", **space, **meta, "resourceVersion": str(next(self._version))}
        self.inbox.put(WatchEvent(kind, decode_item(kind, {"metadata": whole, **rest}), gone, 0.0))

    def put_node(self, name: str, *, ready: str = "True", gone: bool = False) -> None:
        labels = {"kubernetes.io/os": "linux", "topology.kubernetes.io/zone": f"zone-{name}"}
        conditions = [{"type": "Ready", "status": ready}]
        self.put(NODE, {"name": name, "labels": labels}, gone=gone, status={"conditions": conditions})

    def put_service(self, name: str, node: str, turn: int, *, gone: bool = False) -> None:
        ports = [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30000 + turn}]
        spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "clusterIP": "10.0.0.1", "ports": ports}
        labels = {"kubernetes.io/service-name": name}
        endpoints = [{"addresses": [f"10.1.{turn // 250}.{turn % 250}"], "nodeName": node, "conditions": {}}]
        backend = {"service": {"name": name, "port": {"name": "http"}}}
        annotations = {"alb.ingress.kubernetes.io/target-type": "instance"}
        self.put(SERVICE, {"name": name}, gone=gone, spec=spec)
        self.put(
            ENDPOINT_SLICE,
            {"name": f"{name}-1", "labels": labels},
            gone=gone,
            addressType="IPv4",
            endpoints=endpoints,
            ports=[{"name": "http", "port": 8080, "protocol": "TCP"}],
        )
        ingress = {"ingressClassName": "alb", "defaultBackend": backend}
        self.put(INGRESS, {"name": name, "annotations": annotations}, gone=gone, spec=ingress)
        if gone:
            self.put(SERVICE_COVERAGE, {"name": name}, gone=True)

    async def begin(self) -> None:
        await self.resync()
        self.put(INGRESS_CLASS, {"name": "alb"}, spec={"controller": "ingress.k8s.aws/alb"})
        spec = {"mode": "DryRun", "remediation": {"sourceIPLoss": "Accept"}}
        self.put(CLUSTER_COVERAGE_POLICY, {"name": "all", "generation": 1}, spec=spec)
        for number in range(NODES):
            self.put_node(f"node{number}")
        self.inbox.put(AssessAll(asyncio.Event()))
        await self.absorb()

    async def turn(self, turn: int) -> None:
        """A Service comes with all that belongs to it, an older one goes; the same for nodes; a node flaps."""
        self.put_service(f"web{turn}", f"node{turn % NODES}", turn)
        self.put_node(f"new{turn}")
        self.put_node(f"node{turn % NODES}", ready="True" if turn % 2 else "False")
        if turn >= STAYS:
            self.put_service(f"web{turn - STAYS}", "node0", turn - STAYS, gone=True)
            self.put_node(f"new{turn - STAYS}", gone=True)
        await self.absorb()
        self.now += 20.0
        await self.write()

    async def write(self) -> None:
        await self.publisher._tend()
        for worker in self.publisher._workers.values():
            while (key := worker._queue.pop(self.now)) is not None:
                worker._queue.done(key, await worker._reconcile(key))
        await self.remediation.round()
        self.metrics.snapshot()()
        self.api.calls.clear()
        await self.absorb()

    async def absorb(self) -> None:
        while len(self.inbox):
            await self.absorber.turn()

    async def resync(self) -> None:
        for kind in self.picture.kinds:
            version = next(self._version)
            self.inbox.put(ListBegins(kind, version, 0, watched=True))
            listed = set(self.picture.store(kind).keys())
            self.inbox.put(ListEnds(kind, version, listed, asyncio.Event()))
        await self.absorb()

    async def settled(self) -> int:
        """The blocks that are in use once nothing changes any more, in another term and after all that is
        remembered for a time is forgotten."""
        self.term += 1
        for _ in range(3):
            await self.resync()
            self.now += 8000.0
            await self.write()
        self.picture.nodes.compact(slack=0)
        gc.collect()
        return sys.getallocatedblocks()


async def _no_sleep(seconds: float) -> None:
    pass


async def _blocks_left(turns: int) -> float:
    """Blocks of memory that each turn leaves behind."""
    cluster = _Cluster()
    await cluster.begin()
    for turn in range(WARM_UP):
        await cluster.turn(turn)
    before = await cluster.settled()
    for turn in range(WARM_UP, WARM_UP + turns):
        await cluster.turn(turn)
    return (await cluster.settled() - before) / turns


@pytest.mark.no_cover
def test_what_is_gone_leaves_no_memory_behind() -> None:
    asyncio.run(_blocks_left(1))  # for what is made once in a process
    assert asyncio.run(_blocks_left(TURNS)) < LEFT_PER_TURN
