"""One tenant's objects do not slow down what the operator does for another.

The times are compared with each other and are pauses for the most part, so that the test runs beside others.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

import devcluster
from devcluster import DEFAULT_CONTROLLERS
from devcluster.objects import apply
from tests.manifests.installed import foreign_kinds, install, operator
from tests.manifests.rendered import NAMESPACE, kustomize
from tests.manifests.tenant import Tenant
from tests.remediate.stage import Scene

pytestmark = pytest.mark.controlplane

MOST = 7
"""Runs with the tenant at most. The operator rolls back 10 Services in 10 minutes at most."""
RUNS = 3
"""At least so many times a Service of the victim's goes through it, with the tenant and without."""
BACK = {"mode": "WhenCovered", "coveredForSeconds": 1}


class Times(NamedTuple):
    """In seconds: from the fault to the remediation, and from the recovery to the rollback."""

    remediated: float
    recovered: float


@pytest.mark.parametrize("changes", [150, pytest.param(500, marks=pytest.mark.soak)])
def test_a_victims_times_stay_within_twice_those_of_an_undisturbed_run(changes: int, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"hostile tenant: seed {seed}")
    manifests = kustomize("overlays/remediation")
    with devcluster.start(controllers=(*DEFAULT_CONTROLLERS, "clusterrole-aggregation-controller")) as cluster:
        apply(cluster, foreign_kinds())
        install(cluster, manifests)
        cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": "victim"}})
        scene = Scene(cluster, "victim")
        scene.policy(rollback=BACK, remediation={"probesFromOtherNamespaces": "Ignore"})
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/etpguard"
        with operator(cluster, manifests, tmp_path) as running:
            calm = [live_through(scene, f"calm-{number}") for number in range(RUNS)]
            holder = cluster.call("GET", lease)["spec"]["holderIdentity"]
            victims_port = int(scene.service("calm-0")["spec"]["ports"][0]["nodePort"])
            disturbed: list[Times] = []
            with Tenant(cluster, "hostile", seed, changes, lambda: victims_port) as tenant:
                while len(disturbed) < RUNS or (tenant.at_work() and len(disturbed) < MOST):
                    disturbed.append(live_through(scene, f"web-{len(disturbed)}"))
            assert running.get("/livez")[0] == 200
            assert running.metric("etpguard_leader") == 1.0
        assert cluster.call("GET", lease)["spec"].get("holderIdentity") in (holder, "", None)
    print(f"calm {calm}\ndisturbed {disturbed}\n{tenant.taken} of {changes} changes accepted")
    assert tenant.made == changes
    assert tenant.taken > changes / 2
    for field in Times._fields:
        before, during = (median(getattr(times, field) for times in runs) for runs in (calm, disturbed))
        assert during < 2 * before, field


def live_through(scene: Scene, name: str) -> Times:
    """A Service gets into a Blackhole, is remediated, is covered again, and is rolled back."""
    scene.create(scene.service_manifest(name))
    scene.create(scene.ingress_manifest(name))
    scene.place(1, name)
    fault = time.monotonic()
    scene.wait_phase("Applied", 60, name)
    remediated = time.monotonic() - fault
    assert scene.traffic_policy(name) == "Cluster"
    for number in (2, 3):
        scene.place(number, name)
    recovery = time.monotonic()
    scene.wait_phase("RolledBack", 60, name)
    assert scene.traffic_policy(name) == "Local"
    return Times(round(remediated, 2), round(time.monotonic() - recovery, 2))
