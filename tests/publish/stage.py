"""The publisher against a real control plane: picture and assessments are brought up to date by lists, as the
operator's resync does, whenever a test waits."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from devcluster import Cluster, objects
from etpguard.assess import Assessment, Engine, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.lease import Elector, Timing
from etpguard.kube.writes import WriteLimits, Writer
from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    Key,
    decode_page,
)
from etpguard.publish.publisher import Publisher
from etpguard.publish.settings import PublishSettings

T = TypeVar("T")

CRD = Path(__file__).parents[2] / "crds" / "servicecoverages.yaml"
AGENT = "etpguard-test"
KINDS: tuple[AnyKind, ...] = (SERVICE, ENDPOINT_SLICE, NODE, INGRESS, INGRESS_CLASS, SERVICE_COVERAGE)
FAST = PublishSettings(
    hold=0.3,
    urgent_hold=0.1,
    condition_interval=0.2,
    report_interval=0.2,
    event_interval=0.2,
    event_repeat=3600,
    instance="stage",
)


def advice(assessment: Assessment) -> Sequence[str]:
    return (f"look at {assessment.key}",)


class Stage:
    """One publisher on one cluster, with its own client."""

    def __init__(
        self, cluster: Cluster, writer: Writer, settings: PublishSettings, term: Callable[[], int]
    ) -> None:
        self.cluster = cluster
        self.writer = writer
        self.requests: list[tuple[str, str, int]] = []
        self.answered: list[float] = []
        """When each of `requests` was, by the monotonic clock."""
        self.skip: set[AnyKind] = set()
        found = consumer_families()
        self.picture = picture_for(found)
        self.engine = Engine(self.picture, found)
        self.publisher = Publisher(
            writer,
            self.picture,
            self.engine.assessments,
            advice,
            settings,
            term=term,
            internal=self.engine.internal,
        )

    def refresh(self) -> None:
        """List every kind, and offer the publisher what changed."""
        changes = []
        for kind in KINDS:
            if kind in self.skip:
                continue
            response = self.cluster.request("GET", kind.path)
            if response.status == 404 and kind == SERVICE_COVERAGE:
                continue
            page = decode_page(kind, response.body)
            assert not page.rejects
            store = self.picture.store(kind)
            store.begin_list(page.version)
            changes += [change for item in page.items if (change := store.list_item(item))]
            changes += store.end_list(page.version, {item.key for item in page.items})
        touched = self.picture.absorb(changes)
        changed = self.engine.refresh(touched)
        self.publisher.offer(changed, touched.services | touched.endpoints)

    async def until(self, predicate: Callable[[], T], what: str, timeout: float = 60) -> T:  # noqa: ASYNC109
        """Wait, the picture being kept up to date, until `predicate` gives something true.

        The API server shows a write before the publisher has its answer. Therefore this also waits until no
        request is under way: `requests`, the writer's problems and the publisher's memory then agree with what was
        seen.
        """
        end = time.monotonic() + timeout
        while True:
            self.refresh()
            if result := await asyncio.to_thread(predicate):
                await self.writer.quiet(60)
                return result
            if time.monotonic() > end:
                raise TimeoutError(what)
            await asyncio.sleep(0.05)

    async def settle(self, seconds: float = 1.5) -> None:
        """Go on for that long, so that whatever would still be written is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.refresh()
            await asyncio.sleep(0.1)


@asynccontextmanager
async def staged(
    cluster: Cluster,
    settings: PublishSettings = FAST,
    *,
    kubeconfig: Path | None = None,
    limits: WriteLimits | None = None,
    lease: Key | None = None,
    agent: str = AGENT,
) -> AsyncIterator[Stage]:
    """A running publisher, a candidate for `lease` if one is given; ended as the operator ends it."""
    client = LazyClient(Connection(kubeconfig or cluster.kubeconfig), agent)
    seen: list[tuple[str, str, int]] = []
    times: list[float] = []

    def on_request(verb: str, resource: str, code: int) -> None:
        seen.append((verb, resource, code))
        times.append(time.monotonic())

    timing = Timing.of(3)
    elector = Elector(client, lease, agent, timing=timing) if lease else None
    writer = Writer(
        client,
        time_left=elector.time_left if elector else lambda: math.inf,
        limits=limits or (WriteLimits(timeout=timing.write_timeout) if elector else None),
        on_request=on_request,
    )
    stage = Stage(cluster, writer, settings, (lambda: elector.term) if elector else (lambda: 1))
    stage.requests, stage.answered = seen, times
    stage.refresh()
    stop = asyncio.Event()
    running = [asyncio.create_task(stage.publisher.run(stop))]
    if elector:
        running.append(asyncio.create_task(elector.run(stop, writer.quiet)))
    try:
        yield stage
    finally:
        stop.set()
        try:
            await asyncio.wait_for(asyncio.gather(*running), 60)
        finally:
            await client.close()


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(_awaited(scenario))


async def _awaited(scenario: Callable[[], Awaitable[None]]) -> None:
    await scenario()


class Case:
    """Three nodes; a Service of type NodePort with Local behind an ALB Ingress; pods to be placed.

    The nodes are the namespace's own by name, and deleted at the end."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.key = Key(namespace, "web")
        self.nodes = [f"{namespace}-{i}" for i in (1, 2, 3)]
        self._pods: dict[str, Any] = {}
        for i, name in enumerate(self.nodes, 1):
            objects.node(
                cluster,
                name,
                internal_ip=f"198.51.100.{i}",
                provider_id=f"aws:///eu-west-1a/i-0123456789abcdef{i}",
            )
        alb_class: dict[str, Any] = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "alb"},
            "spec": {"controller": "ingress.k8s.aws/alb"},
        }
        objects.apply(cluster, [alb_class, self._ingress()])
        self.create_service()

    def close(self) -> None:
        for pod in self._pods.values():
            objects.delete(self.cluster, pod)
        for name in self.nodes:
            self.cluster.request("DELETE", f"/api/v1/nodes/{name}")
        # The publisher of the next test would report them.
        self.cluster.request("DELETE", f"/api/v1/namespaces/{self.namespace}/services/web")
        path = f"/apis/networking.k8s.io/v1/namespaces/{self.namespace}/ingresses/web"
        self.cluster.request("DELETE", path)

    def place(self, number: int) -> None:
        """A ready pod on node `number` (1 to 3)."""
        name = f"web-{number}"
        ip = f"203.0.113.{number}"
        self._pods[name] = objects.pod(
            self.cluster, self.namespace, name, self.nodes[number - 1], {"app": "web"}, ip=ip
        )

    def remove(self, number: int) -> None:
        objects.delete(self.cluster, self._pods.pop(f"web-{number}"))

    def endpoints(self) -> int:
        """How many endpoints the controller of the cluster has made for the Service."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        slices = self.cluster.call("GET", path)["items"]
        return sum(len(each["endpoints"] or ()) for each in slices)

    def create_service(self) -> None:
        objects.apply(self.cluster, self._service())

    def service(self) -> dict[str, Any]:
        return self.cluster.call("GET", f"/api/v1/namespaces/{self.namespace}/services/web")

    def condition(self) -> dict[str, Any]:
        found = self.service().get("status", {}).get("conditions", [])
        return next((c for c in found if c["type"] == "etpguard.dev/Covered"), {})

    def report(self) -> dict[str, Any]:
        path = f"/apis/etpguard.dev/v1alpha1/namespaces/{self.namespace}/servicecoverages/web"
        response = self.cluster.request("GET", path)
        return dict(response.json()) if response.ok else {}

    def outcome(self) -> str:
        return str(self.report().get("status", {}).get("outcome", ""))

    def all_published(self) -> bool:
        """Whether the condition, the report and the Events of both objects exist."""
        return bool(self.condition() and self.outcome() and self.events("Service") and self.events("Ingress"))

    def events(self, kind: str) -> list[dict[str, Any]]:
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        items = self.cluster.call("GET", path)["items"]
        return [
            e
            for e in items
            if e["reportingController"] == "etpguard.dev/operator" and e["regarding"]["kind"] == kind
        ]

    def writes(self, since: int, agent: str = AGENT) -> list[dict[str, Any]]:
        """Our writes to objects of this namespace but the Lease, from the audit log."""
        found = []
        for event in self.cluster.audit(since):
            ours = str(event.get("userAgent", "")) == agent
            about = event.get("objectRef") or {}
            ours &= about.get("resource") != "leases"
            if ours and event["verb"] not in ("get", "list", "watch") and about.get("namespace") == self.namespace:
                found.append(event)
        return found

    def _service(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": self.namespace},
            "spec": {
                "type": "NodePort",
                "externalTrafficPolicy": "Local",
                "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443}],
            },
        }

    def _ingress(self) -> dict[str, Any]:
        backend = {"service": {"name": "web", "port": {"name": "http"}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "web", "namespace": self.namespace},
            "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": [path]}}]},
        }


def install_crd(cluster: Cluster) -> None:
    """Install the CRD and wait until the API server serves it."""
    objects.apply(cluster, CRD.read_text())
    objects.wait_for(
        lambda: cluster.request("GET", "/apis/etpguard.dev/v1alpha1/servicecoverages").ok, what="the CRD"
    )


def dump(value: object) -> str:
    return json.dumps(value, indent=1)
