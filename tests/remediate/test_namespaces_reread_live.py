"""What happens to a namespace a moment before a remediation is respected, although no watch has shown it to the
operator yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import devcluster
from devcluster import Cluster
from devcluster.http_proxy import HttpProxy
from devcluster.objects import wait_for
from tests.arena import own_namespace
from tests.remediate.stage import Json, Scene, install_crds, operator

pytestmark = pytest.mark.controlplane


@pytest.fixture(scope="module")
def slow_cluster() -> Iterator[Cluster]:
    """Without the controller that empties a namespace in deletion, so that the namespace stays as it is."""
    with devcluster.start(audit_bodies=True, controllers=("endpointslice-controller",)) as cluster:
        install_crds(cluster)
        yield cluster


@pytest.fixture
def kept(slow_cluster: Cluster) -> Iterator[Scene]:
    yield from own_namespace(slow_cluster, Scene)


@contextmanager
def unseen_namespaces(proxy: HttpProxy) -> Iterator[None]:
    """The operator's watch of namespaces goes silent, and continues afterwards."""
    streams = proxy.streams(path="/api/v1/namespaces")
    assert streams
    for stream in streams:
        stream.silence()
    yield
    for stream in streams:
        stream.cut()


def covered(scene: Scene) -> None:
    scene.create(scene.service_manifest())
    scene.create(scene.ingress_manifest())
    for number in (1, 2, 3):
        scene.place(number)


def lose_traffic(scene: Scene) -> None:
    for number in (2, 3):
        scene.remove(number)


@contextmanager
def policy_by_label(scene: Scene, label: Json) -> Iterator[None]:
    """A ClusterCoveragePolicy for the namespaces with that label."""
    spec: dict[str, Any] = {
        "mode": "Enforce",
        "namespaceSelector": {"matchLabels": label},
        "serviceSelector": {"matchLabels": {"remediate": "yes"}},
        "unhealthyWhen": {"forSeconds": 1},
        "remediation": {
            "sourceIPLoss": "Accept",
            "triggerIf": {"uncoveredServicesLessThanOrEqualTo": "100%", "stormCooldownSeconds": 0},
            "budgets": [{"services": "100", "perSeconds": 600}],
        },
    }
    manifest = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "ClusterCoveragePolicy",
        "metadata": {"name": scene.namespace},
        "spec": spec,
    }
    root = "/apis/etpguard.dev/v1alpha1/clustercoveragepolicies"
    scene.cluster.call("POST", root, manifest)
    try:
        yield
    finally:
        scene.cluster.request("DELETE", f"{root}/{scene.namespace}")


def test_no_remediation_where_the_policy_no_longer_selects_the_namespace(scene: Scene) -> None:
    path = f"/api/v1/namespaces/{scene.namespace}"
    label = {"team": scene.namespace}
    scene.cluster.call("PATCH", path, {"metadata": {"labels": label}})
    covered(scene)
    began = scene.cluster.audit_position()
    with policy_by_label(scene, label), HttpProxy(scene.cluster) as proxy:
        kubeconfig = scene.cluster.kubeconfig_for(server=proxy.server)
        with operator(scene, kubeconfig, resync_interval=600.0) as running:
            running.wait_fresh()
            with unseen_namespaces(proxy):
                scene.cluster.call("PATCH", path, {"metadata": {"labels": {"team": None}}})
                lose_traffic(scene)
                cancelled = scene.wait_phase("Cancelled")
                assert "the policies of the Service changed" in cancelled["message"]
    assert scene.traffic_policy() == "Local"
    assert not scene.policy_patches(began)


def test_no_remediation_in_a_namespace_that_is_being_deleted(kept: Scene) -> None:
    covered(kept)
    kept.policy()
    began = kept.cluster.audit_position()
    with HttpProxy(kept.cluster) as proxy:
        kubeconfig = kept.cluster.kubeconfig_for(server=proxy.server)
        with operator(kept, kubeconfig, resync_interval=600.0) as running:
            running.wait_fresh()
            wait_for(kept.report, 60, "the report, which cannot be created in a namespace that is being deleted")
            with unseen_namespaces(proxy):
                kept.cluster.call("DELETE", f"/api/v1/namespaces/{kept.namespace}")
                lose_traffic(kept)
                cancelled = kept.wait_phase("Cancelled")
                assert "is being deleted" in cancelled["message"]
    assert kept.traffic_policy() == "Local"
    assert not kept.policy_patches(began)
