"""One tenant's objects, however large or many: the operator answers /livez within a second throughout, keeps its
Lease, and reports another tenant's Service."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import devcluster
from devcluster import Cluster
from devcluster.objects import node, pod, set_ready, wait_for
from tests.app.alb import definitions
from tests.app.harness import node_port_service
from tests.app.hostile import INPUTS, Hostile, Json, node_port, services
from tests.app.spawned import Probe, Spawned
from tests.remediate.stage import install_crds
from tests.web.crowd import CROWD

pytestmark = [pytest.mark.controlplane, pytest.mark.timing]

VICTIM = "victim"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
ALIVE_SECONDS = 1.0
"""A probe of /livez is answered within this time."""
REPORTED_SECONDS = 15.0
"""A change of the victim's endpoints is in the metrics within this time."""
CROWD_SECONDS = 4
LEASE_SECONDS = 3
"""Shorter than a crowd stays, so that a leader that does not renew its Lease meanwhile has lost it."""


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A control plane for this module, with every kind of AWS and of etpguard that the operator reads."""
    with devcluster.start(audit_level="None") as cluster:
        install_crds(cluster)
        with definitions(cluster):
            for name in ("node-1", "node-2", "node-3"):
                node(cluster, name, provider_id=f"aws:///eu-west-1a/i-{name}")
            alb = {"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}}
            cluster.call("POST", "/apis/networking.k8s.io/v1/ingressclasses", alb)
            cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": VICTIM}})
            cluster.call("POST", services(VICTIM), node_port_service("web"))
            yield cluster


@pytest.fixture(scope="module")
def operator(own: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spawned]:
    folder = tmp_path_factory.mktemp("operator")
    quick = {"hold": "300ms", "hold_urgent": "100ms"}
    with Spawned(own, folder, "hostile", None, **quick, lease_duration=f"{LEASE_SECONDS}s") as operator:
        yield operator


class Victim:
    """Another tenant's Service, with one endpoint that comes and goes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pod = pod(cluster, VICTIM, "web-1", "node-1", {"app": "web"}, ip="10.0.1.1")
        self._ready = True

    def change(self) -> float:
        """What the metrics must say of its uncovered nodes once the change is seen. Returns when the API server
        has the change: the EndpointSlice controller takes the other tenant's Services first."""
        self._ready = not self._ready
        self._pod = set_ready(self._cluster, self._pod, self._ready)
        wait_for(lambda: self._published() == {self._ready}, 120, "the victim's EndpointSlice")
        return 2.0 if self._ready else 0.0

    def _published(self) -> set[bool]:
        """The readiness that its EndpointSlice gives."""
        path = f"{SLICES.format(namespace=VICTIM)}?labelSelector=kubernetes.io/service-name=web"
        items = self._cluster.call("GET", path)["items"]
        return {bool(each["conditions"]["ready"]) for item in items for each in item.get("endpoints") or ()}


@pytest.fixture(scope="module")
def victim(own: Cluster) -> Victim:
    return Victim(own)


def alone(name: str) -> Json:
    """A Service without a selector: no controller makes its EndpointSlice, which takes half the time of the
    Service."""
    made = node_port(name)
    del made["spec"]["selector"]
    return made


def clear(cluster: Cluster, namespace: str, paths: set[str]) -> None:
    """Delete the namespace and what is in it, also what the garbage collector would delete later. Else the next
    input would be measured while the API server deletes this one. The namespace itself ends some 5 s later."""
    owned = (
        SLICES.format(namespace=namespace),
        f"/apis/etpguard.dev/v1alpha1/namespaces/{namespace}/servicecoverages",
    )

    def emptied(path: str) -> bool:
        cluster.request("DELETE", path, timeout=60)  # again: a report may be written while its Service is deleted
        return not cluster.call("GET", f"{path}?limit=1")["items"]

    for path in (*paths, *owned):
        wait_for(partial(emptied, path), 120, f"the end of {path}")
    cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")


@pytest.mark.parametrize("hostile", INPUTS.values(), ids=INPUTS.keys())
def test_one_tenant_s_objects(own: Cluster, operator: Spawned, victim: Victim, hostile: Hostile) -> None:
    namespace = f"hostile-{time.time_ns()}"
    own.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    lease = operator.lease()
    made = list(hostile(namespace))
    with Probe(operator) as probe:
        with ThreadPoolExecutor(8) as pool:
            for answer in pool.map(lambda each: own.request("POST", *each, timeout=60), made):
                assert answer.ok, answer.body[:500]
        slowest = 0.0
        for number in range(2):
            time.sleep(0.3 * number)
            expected = victim.change()
            began = time.monotonic()
            wait_for(lambda: operator.uncovered(VICTIM, "web") == expected, 60, "the victim's change")  # noqa: B023
            slowest = max(slowest, time.monotonic() - began)
        clear(own, namespace, {path for path, _ in made})
    print(f"/livez {probe.slowest:.2f} s at most of {probe.answers}, the victim after {slowest:.1f} s at most")
    assert operator.lease() == lease
    assert operator.leads()
    assert probe.slowest < ALIVE_SECONDS
    assert slowest < REPORTED_SECONDS
    assert "Traceback" not in operator.log()


@pytest.mark.parametrize(("kind", "count"), [("scrape", 60), ("half", 900), ("unread", 300)])
def test_many_clients_of_the_metrics_of_1200_services(
    own: Cluster, operator: Spawned, victim: Victim, kind: str, count: int
) -> None:
    namespace = "many"
    if own.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}}).ok:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: own.call("POST", services(namespace), alone(f"s{n}")), range(1200)))
    wait_for(lambda: operator.uncovered(namespace, "s1199") is not None, 60, "the Services' series")
    lease = operator.lease()
    with Probe(operator) as probe:
        crowd = subprocess.Popen(
            [sys.executable, str(Path(CROWD)), str(operator.port), kind, str(count), str(CROWD_SECONDS)],
            stdout=subprocess.PIPE,
            text=True,
        )
        out, _ = crowd.communicate(timeout=CROWD_SECONDS + 60)
    print(f"{count} x {kind}: /livez {probe.slowest:.2f} s at most of {probe.answers}; {out.strip()} answers")
    assert operator.lease() == lease
    assert operator.leads()
    assert probe.slowest < ALIVE_SECONDS
    assert len(operator.log().splitlines()) < 500
