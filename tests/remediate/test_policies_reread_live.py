"""What a person sets a moment before a change is respected, though no watch has shown it to the operator yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devcluster.http_proxy import HttpProxy
from devcluster.objects import wait_for
from tests.remediate.stage import Json, Scene, operator

pytestmark = pytest.mark.controlplane

SUSPEND: Json = {"suspend": True}
MANUAL: Json = {"rollback": {"mode": "Manual"}}


@contextmanager
def unseen_changes(proxy: HttpProxy) -> Iterator[None]:
    """The operator's watch of policies goes silent, and goes on afterwards."""
    for stream in proxy.streams(path=".*/coveragepolicies"):
        stream.silence()
    yield
    for stream in proxy.streams(path=".*/coveragepolicies"):
        stream.cut()


@pytest.mark.parametrize(
    ("change", "back"),
    [
        pytest.param(SUSPEND, {"suspend": False}, id="suspend"),
        pytest.param(MANUAL, {"rollback": {"mode": "WhenCovered"}}, id="Manual"),
    ],
)
def test_no_rollback_that_the_policy_forbids_by_now(
    scene: Scene, caplog: pytest.LogCaptureFixture, change: Json, back: Json
) -> None:
    caplog.set_level("INFO", "etpguard")
    scene.blackhole()
    scene.policy(rollback={"mode": "WhenCovered", "coveredForSeconds": 1})
    with HttpProxy(scene.cluster) as proxy:
        kubeconfig = scene.cluster.kubeconfig_for(server=proxy.server)
        with operator(scene, kubeconfig, resync_interval=600.0) as running:
            scene.wait_phase("Applied")
            running.wait_fresh()
            began = scene.cluster.audit_position()
            with unseen_changes(proxy):
                scene.patch_policy(change)
                scene.place(2)
                scene.place(3)
                wait_for(lambda: "not done: " in caplog.text, 60, "the rollback to be given up")
                assert (scene.phase(), scene.traffic_policy()) == ("Applied", "Cluster")
                assert not scene.policy_patches(began)
            scene.patch_policy(back)
            scene.wait_phase("RolledBack")
    assert scene.traffic_policy() == "Local"


@pytest.mark.parametrize("change", [SUSPEND, {"mode": "Observe"}, {"pauseRequests": ["x"]}], ids=str)
def test_no_remediation_that_the_policy_forbids_by_now(scene: Scene, change: Json) -> None:
    scene.create(scene.service_manifest())
    scene.create(scene.ingress_manifest())
    for number in (1, 2, 3):
        scene.place(number)
    scene.policy()
    began = scene.cluster.audit_position()
    with HttpProxy(scene.cluster) as proxy:
        kubeconfig = scene.cluster.kubeconfig_for(server=proxy.server)
        with operator(scene, kubeconfig, resync_interval=600.0) as running:
            running.wait_fresh()
            with unseen_changes(proxy):
                scene.patch_policy(change)
                scene.remove(2)
                scene.remove(3)
                cancelled = scene.wait_phase("Cancelled")
                assert "the policies of the Service changed" in cancelled["message"]
    assert scene.traffic_policy() == "Local"
    assert not scene.policy_patches(began)
