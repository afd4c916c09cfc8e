"""`check --policy` says what the operator then does, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from devcluster.objects import endpoint_slices, wait_for
from tests.cli.program import Run, etpguard
from tests.remediate.stage import Json, Scene, operator

pytestmark = pytest.mark.controlplane

WRITES = ("create", "update", "patch", "delete")


def manifest(scene: Scene, **spec: Any) -> Json:
    selector = {"matchLabels": {"remediate": "yes"}}
    return {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "CoveragePolicy",
        "metadata": {"name": "opt-in", "namespace": scene.namespace},
        "spec": {
            "mode": "Enforce",
            "serviceSelector": selector,
            "remediation": {"sourceIPLoss": "Accept"},
            **spec,
        },
    }


def check(scene: Scene, policy: Json, *options: str) -> Run:
    """With the policy on stdin."""
    where = ("--kubeconfig", scene.cluster.kubeconfig, "-n", scene.namespace)
    return etpguard("check", "--policy", "-", *where, *options, stdin=yaml.safe_dump(policy))


@pytest.fixture(autouse=True)
def blackhole(scene: Scene) -> None:
    """And nothing left of other tests, whose changes would count against the operator's budget."""
    scene.blackhole()
    wait_for(lambda: any(s.get("endpoints") for s in endpoint_slices(scene.cluster, scene.namespace, "web")))
    reports = "/apis/etpguard.dev/v1alpha1/servicecoverages"
    wait_for(lambda: not scene.cluster.call("GET", reports)["items"], 60, "the end of other tests' reports")


def test_it_says_what_the_operator_then_does(scene: Scene) -> None:
    quick = {"forSeconds": 1}
    accepting = {"sourceIPLoss": "Accept", "triggerIf": {"uncoveredServicesLessThanOrEqualTo": "100%"}}
    policy = manifest(scene, unhealthyWhen=quick, remediation=accepting)
    began = scene.cluster.audit_position()
    result = check(scene, policy, "-o", "json")
    assert result.code == 0
    (warning,) = result.err.splitlines()
    assert "check does not look for other kinds of network policy" in warning
    assert result.report["kind"] == "CoverageReport"
    assert [service["outcome"] for service in result.report["services"]] == ["Blackhole"]
    assert result.report["remediations"] == [
        {
            "namespace": scene.namespace,
            "name": "web",
            "outcome": "Blackhole",
            "policy": {"kind": "CoveragePolicy", "namespace": scene.namespace, "name": "opt-in"},
            "action": "SetCluster",
            "reason": "Due",
            "message": "Blackhole, 2 of 3 eligible nodes uncovered",
            "afterSeconds": 1,
        }
    ]
    as_yaml = check(scene, policy, "-o", "yaml")
    assert yaml.load(as_yaml.out, yaml.CSafeLoader)["remediations"] == result.report["remediations"]
    header, line = check(scene, policy).out.splitlines()
    assert header.split() == ["SERVICE", "OUTCOME", "POLICY", "WOULD", "REASON"]
    assert line.startswith(f"{scene.namespace}/web ")
    assert line.endswith("set Cluster   Due: Blackhole, 2 of 3 eligible nodes uncovered; after 1 s")
    written = [e for e in scene.cluster.audit(began) if e["verb"] in WRITES and scene.namespace in e["requestURI"]]
    assert not [e["requestURI"] for e in written if e["user"].get("username") == "admin"]
    scene.create(policy)
    with operator(scene):
        scene.wait_phase("Applied")


def test_an_edit_of_the_policy_under_which_a_service_is_changed(scene: Scene) -> None:
    """It is the same policy still: nothing is taken back, as it would be were the policy gone."""
    scene.policy(rollback={"onDelete": "Revert"})
    with operator(scene):
        scene.wait_phase("Applied")
    standing = scene.read_policy()
    for edited in (standing["spec"], {**standing["spec"], "rollback": {"mode": "WhenCovered"}}):
        [row] = check(scene, manifest(scene, **edited), "-o", "json").report["remediations"]
        assert (row["action"], row["reason"], row["afterSeconds"]) == ("None", "Applied", 0)
    requested = {**standing["spec"], "rollbackRequests": [f"{scene.namespace}/web"]}
    [row] = check(scene, manifest(scene, **requested), "-o", "json").report["remediations"]
    assert (row["action"], row["reason"]) == ("RollBack", "RollbackRequested")


def test_what_kubectl_prints_is_taken_too(scene: Scene) -> None:
    scene.policy()
    listed = json.loads(scene.cluster.kubectl("get", "covpol", "-n", scene.namespace, "-o", "json"))
    [row] = check(scene, listed, "-o", "json").report["remediations"]
    assert (row["policy"]["name"], row["action"]) == ("opt-in", "SetCluster")


def test_a_person_who_put_local_back_is_respected_until_the_spec_changes(scene: Scene) -> None:
    scene.policy()
    with operator(scene):
        scene.wait_phase("Applied")
        scene.cluster.kubectl(
            "patch", "svc", "web", "-n", scene.namespace, "-p", '{"spec": {"externalTrafficPolicy": "Local"}}'
        )
        scene.wait_phase("RolledBackByUser")
    standing = scene.read_policy()["spec"]
    [row] = check(scene, manifest(scene, **standing), "-o", "json").report["remediations"]
    assert (row["action"], row["reason"]) == ("None", "RolledBackByUser")
    edited = {**standing, "unhealthyWhen": {"forSeconds": 2}}
    [row] = check(scene, manifest(scene, **edited), "-o", "json").report["remediations"]
    assert (row["action"], row["reason"]) == ("None", "BudgetExhausted")  # of the operator, by default
