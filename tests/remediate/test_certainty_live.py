"""Nothing is written on a wrong certainty: a kind that is not served, an answer that is not read, a decision of a
person that another's change would end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from etpguard.app.timing import OperatorTiming
from etpguard.intake.freshness import Access
from etpguard.intake.timing import ListTiming
from etpguard.objects.policies import COVERAGE_POLICY
from tests.app.harness import Running
from tests.remediate.commands import command, declares_cluster, rollback
from tests.remediate.stage import MANAGER, Scene, operator

pytestmark = pytest.mark.controlplane

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/coveragepolicies.etpguard.dev"
KEEP_LOCAL = '[JSONPatch{op: "replace", path: "/spec/externalTrafficPolicy", value: "Local"}]'
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


@contextmanager
def not_served(cluster: Cluster) -> Iterator[None]:
    """CoveragePolicy is not served in v1alpha1: its CRD serves another version."""
    versions = cluster.call("GET", CRD)["spec"]["versions"]
    later = [{**versions[0], "served": False}, {**versions[0], "name": "v1beta1", "storage": False}]
    cluster.call("PATCH", CRD, {"spec": {"versions": later}})
    try:
        yield
    finally:
        cluster.call("PATCH", CRD, {"spec": {"versions": versions}})
        wait_for(lambda: cluster.request("GET", COVERAGE_POLICY.path).ok, 60, "the kind to be served again")


def wait_for_access(running: Running, access: Access) -> None:
    """Until the operator's last try to list policies ended so. It looks again for an absent kind now and then."""

    def reached() -> bool:
        return running.on_loop(lambda o: o.freshness.kinds[COVERAGE_POLICY].access is access)

    wait_for(reached, 60, f"access {access}")


def test_a_version_that_is_not_served_does_not_mean_that_the_policies_are_deleted(scene: Scene) -> None:
    scene.blackhole()
    scene.policy(rollback={"onDelete": "Revert"})
    began = scene.cluster.audit_position()
    timing = OperatorTiming(lists=ListTiming(look_again=2.0))
    with operator(scene, timing=timing, resync_interval=5.0) as running:
        scene.wait_phase("Applied")
        with not_served(scene.cluster):
            wait_for_access(running, Access.ABSENT)
            time.sleep(3)  # several rounds
            assert scene.traffic_policy() == "Cluster"
        wait_for_access(running, Access.READ)
        time.sleep(3)
        assert scene.traffic_policy() == "Cluster"
        assert len(scene.policy_patches(began)) == 1
        scene.delete_policy()
        scene.wait_phase("RolledBack")
    assert scene.traffic_policy() == "Local"


def test_the_end_of_another_policy_does_not_end_what_a_person_decided(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    scene.policy("other")
    with operator(scene):
        scene.wait_phase("Applied")
        rollback(scene)
        scene.wait_phase("RolledBackByUser")
        scene.delete_policy("other")
        time.sleep(4)  # the dwell, and several rounds
        assert scene.excluded() == "RolledBackByUser"
        assert scene.traffic_policy() == "Local"
        scene.patch_policy({"unhealthyWhen": {"forSeconds": 2}})
        scene.wait_phase("Applied")


def test_a_report_that_is_deleted_is_made_again_at_once(scene: Scene) -> None:
    """With the onDelete that memory knows, whatever the policy says by now."""
    scene.blackhole()
    scene.policy(rollback={"onDelete": "Revert"})
    with operator(scene):
        scene.wait_phase("Applied")
        scene.patch_policy({"rollback": {"onDelete": "Keep"}})
        scene.cluster.call("DELETE", scene.report_path())
        record = scene.wait_phase("Applied", timeout=20)
        assert record["onDelete"] == "Revert"
        assert len(record["intents"]) == 1
        scene.delete_policy()
        scene.wait_phase("RolledBack")
    assert scene.traffic_policy() == "Local"


@contextmanager
def kept_at_local(scene: Scene) -> Iterator[None]:
    """A MutatingAdmissionPolicy sets every Service of the namespace to Local."""
    name = scene.namespace
    policy = {
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["services"]}
                ],
            },
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {"expression": KEEP_LOCAL},
                }
            ],
        },
    }
    binding = {"metadata": {"name": name}, "spec": {"policyName": name}}
    kinds = {"mutatingadmissionpolicies": policy, "mutatingadmissionpolicybindings": binding}
    for plural, body in kinds.items():
        scene.cluster.call("POST", f"{ADMISSION}/{plural}", body)
    try:
        patch = {"spec": {"externalTrafficPolicy": "Cluster"}}
        path = f"{scene.service_path()}?dryRun=All"
        wait_for(
            lambda: scene.cluster.call("PATCH", path, patch)["spec"]["externalTrafficPolicy"] == "Local",
            60,
            "the policy to be in force",
        )
        yield
    finally:
        for plural in kinds:
            scene.cluster.request("DELETE", f"{ADMISSION}/{plural}/{name}")


@pytest.mark.since(36)  # MutatingAdmissionPolicy
@pytest.mark.parametrize("mode", ["Enforce", "DryRun"])
def test_a_mutating_policy_that_keeps_local_is_no_success(scene: Scene, mode: str) -> None:
    scene.blackhole()
    with kept_at_local(scene):
        scene.policy(mode=mode)
        with operator(scene) as running:
            scene.wait_excluded("Refused")
            assert scene.events("RemediationApplied") == scene.events("RemediationReverted") == []
            action = "apply" if mode == "Enforce" else "dry-run"
            assert not running.metric("etpguard_remediations_total", action=action, result="succeeded")
            assert running.metric("etpguard_remediations_total", action=action, result="failed")
            listed = scene.read_policy()["status"]["excluded"]
            assert "still has externalTrafficPolicy Local" in listed[0]["message"]
    assert scene.traffic_policy() == "Local"
    assert MANAGER not in scene.managers()


def test_the_command_leaves_what_the_owner_declares_by_now(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    with operator(scene):
        scene.wait_phase("Applied")
    declares_cluster(scene, "helm")
    refused = rollback(scene)
    assert refused.returncode == 2
    assert "because helm declares it now. Set Local at the source of helm. --force " in refused.stderr
    assert scene.traffic_policy() == "Cluster"
    forced = command(scene, "rollback", str(scene.key), "--force")
    assert (forced.returncode, scene.traffic_policy()) == (0, "Local")
