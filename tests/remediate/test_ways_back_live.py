"""Each way back to Local, and each way in which someone else takes the change back: recognised and named."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import binaries
from devcluster.objects import wait_for
from tests.remediate.commands import command, declares_cluster, rollback
from tests.remediate.stage import MANAGER, Scene, operator

pytestmark = pytest.mark.controlplane


def test_a_rollback_request_in_the_policy(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    with operator(scene):
        scene.wait_phase("Applied")
        scene.patch_policy({"rollbackRequests": ["web"]})
        rolled = scene.wait_phase("RolledBack")
        assert "RollbackRequested" in rolled["message"]
        assert scene.traffic_policy() == "Local"
        assert MANAGER not in scene.managers()
        scene.wait_excluded("RollbackRequested")
        assert scene.traffic_policy() == "Local"


@pytest.mark.parametrize(
    ("on_delete", "phase", "policy"),
    [
        pytest.param("Revert", "RolledBack", "Local", id="revert"),
        pytest.param("Keep", "Applied", "Cluster", id="keep"),
    ],
)
def test_deletion_of_the_policy(scene: Scene, on_delete: str, phase: str, policy: str) -> None:
    scene.blackhole()
    scene.policy(rollback={"onDelete": on_delete})
    with operator(scene) as running:
        scene.wait_phase("Applied")
        scene.delete_policy()
        wait_for(lambda: not running.on_loop(lambda o: _policies(o)), 60, "the policy's end")
        if on_delete == "Revert":
            assert "PolicyDeleted" in scene.wait_phase(phase)["message"]
        else:
            with pytest.raises(TimeoutError):
                scene.wait_phase("RolledBack", timeout=4)
        assert (scene.phase(), scene.traffic_policy()) == (phase, policy)


def test_a_policy_with_another_name(scene: Scene) -> None:
    """GitOps applies the new one, and then deletes the old one."""
    scene.blackhole()
    scene.policy(rollback={"onDelete": "Revert"})
    began = scene.cluster.audit_position()
    with operator(scene) as running:
        scene.wait_phase("Applied")
        scene.policy("renamed", rollback={"onDelete": "Revert"})
        scene.delete_policy()
        wait_for(lambda: [p.key.name for p in running.on_loop(_policies)] == ["renamed"], 60, "the policies")
        wait_for(lambda: scene.remediation()["policy"]["name"] == "renamed", 60, "the policy in the record")
        wait_for(lambda: _status(scene, "renamed").get("remediatedServices") == 1, 60, "its status")
        scene.patch_policy({"mode": "Observe"}, "renamed")
        with pytest.raises(TimeoutError):
            scene.wait_phase("RolledBack", timeout=4)
        assert scene.traffic_policy() == "Cluster"
        assert len(scene.policy_patches(began)) == 1
        scene.delete_policy("renamed")
        scene.wait_phase("RolledBack")


def _status(scene: Scene, policy: str) -> dict[str, Any]:
    """Empty until the operator has written it."""
    return scene.read_policy(policy).get("status") or {}


def _policies(operator: Any) -> list[Any]:
    from etpguard.objects.policies import COVERAGE_POLICY

    return list(operator.picture.store(COVERAGE_POLICY))


def test_the_command_while_an_operator_runs(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    with operator(scene) as running:
        scene.wait_phase("Applied")
        run = rollback(scene)
        assert (run.returncode, run.stderr) == (0, "")
        assert "externalTrafficPolicy is Local again" in run.stdout
        ended = scene.wait_phase("RolledBackByUser")
        assert ended["message"] == "by etpguard-rollback"
        wait_for(lambda: not {MANAGER, "etpguard-rollback"} & scene.managers(), 60, "ownership handed back")
        [event] = scene.wait_events("RemediationRolledBack")
        assert event["type"] == "Normal"
        scene.wait_excluded("RolledBackByUser")
        assert running.metric("etpguard_remediations_total", action="rollback", result="by-user") == 1.0
        assert rollback(scene).stdout.endswith("nothing to roll back\n")
        scene.patch_policy({"unhealthyWhen": {"forSeconds": 2}})  # the spec changes: it is no longer held off
        scene.wait_phase("Applied")


def test_the_command_without_an_operator(scene: Scene) -> None:
    """LoadBalancer: the healthCheckNodePort that was recorded comes back."""
    scene.create(scene.service_manifest(type="LoadBalancer"))
    scene.create(scene.ingress_manifest())
    scene.place(1)
    before = scene.service()["spec"]["healthCheckNodePort"]
    scene.policy(serviceTypes=["LoadBalancer"], unhealthyWhen={"outcomes": ["Blackhole", "TargetsUnhealthy"]})
    with operator(scene):
        recorded = scene.wait_phase("Applied")
        assert recorded["originalHealthCheckNodePort"] == before
    assert "healthCheckNodePort" not in scene.service()["spec"]
    run = rollback(scene)
    assert (run.returncode, run.stderr) == (0, "")
    assert f"healthCheckNodePort {before}" in run.stdout
    assert scene.service()["spec"]["healthCheckNodePort"] == before
    assert scene.phase() == "Applied"
    with operator(scene):
        scene.wait_phase("RolledBackByUser")


def test_the_command_refuses_what_etpguard_did_not_do(scene: Scene) -> None:
    scene.create(scene.service_manifest(externalTrafficPolicy="Cluster"))
    run = rollback(scene)
    assert (run.returncode, run.stdout) == (2, "")
    problem, _, by_hand = run.stderr.strip().partition(". To set Local yourself: kubectl ")
    assert (
        problem == f"etpguard: Service {scene.key}: externalTrafficPolicy is Cluster, but etpguard did not set it"
    )
    scene.cluster.kubectl(*shlex.split(by_hand))
    assert scene.traffic_policy() == "Local"
    missing = command(scene, "rollback", f"{scene.namespace}/nobody")
    assert missing.stderr == f"etpguard: Service {scene.namespace}/nobody does not exist\n"


def test_the_load_balancers_health_check_port_comes_back(scene: Scene) -> None:
    scene.create(scene.service_manifest(type="LoadBalancer"))
    scene.create(scene.ingress_manifest())
    scene.place(1)
    before = scene.service()["spec"]
    scene.policy(
        serviceTypes=["LoadBalancer"],
        unhealthyWhen={"outcomes": ["Blackhole", "TargetsUnhealthy"]},
        rollback={"mode": "WhenCovered", "coveredForSeconds": 1},
    )
    with operator(scene):
        scene.wait_phase("Applied")
        scene.place(2)
        scene.place(3)
        scene.wait_phase("RolledBack")
    assert scene.service()["spec"] == before


def test_a_port_taken_meanwhile_is_left_to_the_api_server(scene: Scene) -> None:
    scene.create(scene.service_manifest(type="LoadBalancer"))
    scene.create(scene.ingress_manifest())
    scene.place(1)
    port = scene.service()["spec"]["healthCheckNodePort"]
    scene.policy(serviceTypes=["LoadBalancer"], unhealthyWhen={"outcomes": ["Blackhole", "TargetsUnhealthy"]})
    with operator(scene):
        scene.wait_phase("Applied")
        thief = scene.service_manifest("thief", ports=[{"name": "http", "port": 80, "nodePort": port}])
        thief["metadata"]["labels"] = {}
        scene.create(thief)
        scene.patch_policy({"rollbackRequests": ["web"]})
        scene.wait_phase("RolledBack")
    spec = scene.service()["spec"]
    assert spec["externalTrafficPolicy"] == "Local"
    assert spec["healthCheckNodePort"] not in (0, port)


def kubectl_edit(scene: Scene) -> None:
    editor = scene.cluster.directory / "editor.sh"
    editor.write_text(
        "#!/bin/sh\nsed -i 's/externalTrafficPolicy: Cluster/externalTrafficPolicy: Local/' \"$1\"\n"
    )
    editor.chmod(0o755)
    subprocess.run(
        [binaries.path("kubectl"), "edit", "service", "web", "-n", scene.namespace],
        check=True,
        capture_output=True,
        env={
            "PATH": "/usr/bin:/bin",
            "KUBECONFIG": str(scene.cluster.kubeconfig),
            "EDITOR": str(editor),
            "HOME": str(scene.cluster.directory),
        },
    )


def kubectl_patch(scene: Scene) -> None:
    patch = json.dumps({"spec": {"externalTrafficPolicy": "Local"}})
    scene.cluster.kubectl("patch", "service", "web", "-n", scene.namespace, "-p", patch)


@pytest.mark.parametrize("edit", [kubectl_edit, kubectl_patch], ids=["kubectl edit", "kubectl patch"])
def test_a_person_puts_local_back(scene: Scene, edit: Callable[[Scene], None]) -> None:
    scene.blackhole()
    scene.policy()
    with operator(scene):
        scene.wait_phase("Applied")
        edit(scene)
        ended = scene.wait_phase("RolledBackByUser")
        assert ended["message"] == f"by {edit.__name__.replace('_', '-')}"
        scene.wait_excluded("RolledBackByUser")
        assert scene.traffic_policy() == "Local"
        assert not scene.events("RemediationReverted")


def kubectl_apply(scene: Scene) -> str:
    manifest = yaml.safe_dump(scene.service_manifest())
    scene.cluster.kubectl("apply", "-f", "-", input=manifest)
    return "kubectl-client-side-apply"


def argo_apply(scene: Scene) -> str:
    manifest = yaml.safe_dump(scene.service_manifest())
    flags = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")
    scene.cluster.kubectl("apply", *flags, "-f", "-", input=manifest)
    return "argocd-controller"


@pytest.mark.parametrize(
    "tool", [kubectl_apply, argo_apply], ids=["kubectl apply", "server-side apply with force"]
)
def test_a_tool_puts_local_back(scene: Scene, tool: Callable[[Scene], str]) -> None:
    scene.create(scene.ingress_manifest())
    tool(scene)
    scene.place(1)
    scene.policy(remediation={**ALLOW, "gitOpsOwned": "Patch"})
    with operator(scene) as running:
        scene.wait_phase("Applied")
        manager = tool(scene)
        ended = scene.wait_phase("Reverted")
        assert [revert["manager"] for revert in ended["reverts"]] == [manager]
        [event] = scene.wait_events("RemediationReverted")
        assert event["type"] == "Warning"
        assert manager in event["note"]
        if manager == "argocd-controller":
            assert "ignoreDifferences" in event["note"]
        scene.wait_excluded("Drift")
        assert scene.traffic_policy() == "Local"
        assert running.metric("etpguard_remediation_reverts_total") == 1.0
        wait_for(lambda: scene.read_policy()["status"].get("remediations"), 60, "the policy's list")
        assert scene.read_policy()["status"]["remediations"][0]["revertedBy"] == manager


ALLOW: dict[str, Any] = {
    "sourceIPLoss": "Accept",
    "triggerIf": {"uncoveredServicesLessThanOrEqualTo": "100%", "stormCooldownSeconds": 0},
    "budgets": [{"services": "100", "perSeconds": 600}],
}


def chart(scene: Scene, directory: Path, annotation: str) -> Path:
    """The Service as a chart, whose next version differs by an annotation."""
    (directory / "templates").mkdir(parents=True, exist_ok=True)
    (directory / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    service = scene.service_manifest()
    service["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm"
    service["metadata"]["annotations"] = {"example.com/release": annotation}
    (directory / "templates" / "service.yaml").write_text(yaml.safe_dump(service))
    return directory


def helm(scene: Scene, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = str(scene.cluster.directory)
    return subprocess.run(
        [binaries.path("helm"), *arguments, "--namespace", scene.namespace],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "KUBECONFIG": str(scene.cluster.kubeconfig), "HOME": home},
    )


@pytest.mark.parametrize("way", ["policy deleted", "covered again"])
def test_what_the_owner_declares_by_now_is_not_taken_back(scene: Scene, way: str) -> None:
    scene.blackhole()
    scene.policy(rollback={"onDelete": "Revert", "mode": "WhenCovered", "coveredForSeconds": 1})
    with operator(scene) as running:
        scene.wait_phase("Applied")
        declares_cluster(scene, "helm")
        assert {"helm", MANAGER} <= scene.managers()
        if way == "policy deleted":
            scene.delete_policy()
        else:
            scene.place(2)
            scene.place(3)
        adopted = scene.wait_phase("Adopted")
        assert adopted["message"] == "helm declares externalTrafficPolicy Cluster now"
        [event] = scene.wait_events("RemediationSkipped")
        assert "left externalTrafficPolicy at Cluster" in event["note"]
        wait_for(lambda: MANAGER not in scene.managers(), 60, "the end of our ownership")
        assert running.metric("etpguard_remediations_total", action="rollback", result="adopted") == 1.0
    assert scene.traffic_policy() == "Cluster"


@pytest.mark.parametrize("way", ["policy deleted", "asked for", "neither"])
def test_a_service_whose_type_has_no_policy_any_more_is_not_said_to_be_local(scene: Scene, way: str) -> None:
    """The API server removes the field with the type."""
    scene.blackhole()
    scene.policy(rollback={"onDelete": "Revert"})
    with operator(scene) as running:
        scene.wait_phase("Applied")
        scene.cluster.call("PATCH", scene.service_path(), {"spec": {"type": "ClusterIP"}})
        assert scene.traffic_policy() == ""
        if way == "policy deleted":
            scene.delete_policy()
        elif way == "asked for":
            scene.patch_policy({"rollbackRequests": ["web"]})
        assert scene.wait_phase("Adopted")["message"] == "type ClusterIP has no externalTrafficPolicy"
        wait_for(lambda: MANAGER not in scene.managers(), 60, "the end of our ownership")
        assert running.metric("etpguard_remediations_total", action="rollback", result="succeeded") == 0.0
    assert scene.events("RemediationRolledBack") == []


def test_a_rollback_that_is_asked_for_overrules_the_owner(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    with operator(scene):
        scene.wait_phase("Applied")
        declares_cluster(scene, "helm")
        scene.patch_policy({"rollbackRequests": ["web"]})
        scene.wait_phase("RolledBack")
    assert scene.traffic_policy() == "Local"


def test_a_lost_report_of_what_the_owner_declares_by_now(scene: Scene) -> None:
    """It is nobody's business any more, and holds up no other Service."""
    scene.blackhole()
    scene.policy(remediation={"gitOpsOwned": "Patch"})
    with operator(scene):
        scene.wait_phase("Applied")
    declares_cluster(scene, "argocd-controller")
    scene.cluster.call("DELETE", scene.report_path())
    scene.create(scene.service_manifest("shop"))
    scene.create(scene.ingress_manifest("shop"))
    scene.place(2, "shop")
    with operator(scene):
        scene.wait_phase("Applied", name="shop")
        wait_for(lambda: MANAGER not in scene.managers(), 60, "the end of our ownership")
    assert (scene.traffic_policy(), scene.phase()) == ("Cluster", "")


def test_helm_4(scene: Scene, tmp_path: Path) -> None:
    """Without force its upgrade conflicts while the Service is remediated, and works after a rollback. With force,
    it is a revert, and the Event names Helm."""
    installed = helm(scene, "install", "web", str(chart(scene, tmp_path, "1")))
    assert installed.returncode == 0, installed.stderr
    scene.create(scene.ingress_manifest())
    scene.place(1)
    scene.policy()
    with operator(scene):
        scene.wait_excluded("GitOpsOwned")
        assert scene.traffic_policy() == "Local"
        [skipped] = scene.wait_events("RemediationSkipped")
        assert "Helm release web" in skipped["note"]
        scene.patch_policy({"remediation": {"gitOpsOwned": "Patch"}})
        scene.wait_phase("Applied")
        conflict = helm(scene, "upgrade", "web", str(chart(scene, tmp_path, "2")))
        assert conflict.returncode != 0
        assert "conflict" in conflict.stderr
        assert scene.phase() == "Applied"

        scene.patch_policy({"rollbackRequests": ["web"]})
        scene.wait_phase("RolledBack")
        upgraded = helm(scene, "upgrade", "web", str(chart(scene, tmp_path, "3")))
        assert upgraded.returncode == 0, upgraded.stderr
        assert scene.traffic_policy() == "Local"

        scene.patch_policy({"rollbackRequests": []})
        scene.wait_phase("Applied")
        forced = helm(scene, "upgrade", "web", str(chart(scene, tmp_path, "4")), "--force-conflicts")
        assert forced.returncode == 0, forced.stderr
        ended = scene.wait_phase("Reverted")
        assert ended["message"] == "by helm"
        again = helm(scene, "upgrade", "web", str(chart(scene, tmp_path, "5")))
        assert again.returncode == 0, again.stderr
