"""`etpguard uninstall` on a real control plane, after a real operator, while one runs, and with too few rights."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from tests.app.harness import grant
from tests.arena import own_cluster, own_namespace
from tests.cli.program import Run, etpguard, failed
from tests.remediate.stage import Scene, install_crds, operator

pytestmark = pytest.mark.controlplane

OTHER = {
    "type": "example.com/Other",
    "status": "True",
    "reason": "Other",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
CONDITION = "etpguard.dev/Covered"
NOTHING = "Nothing to remove: no report, no Lease, and nothing of etpguard on any Service\n"


@pytest.fixture(scope="module")
def arena() -> Iterator[Cluster]:
    yield from own_cluster(install_crds)


@pytest.fixture
def scene(arena: Cluster) -> Iterator[Scene]:
    yield from own_namespace(arena, Scene)


def uninstall(scene: Scene, remediations: str, *arguments: str) -> Run:
    asked = ("--remediations", remediations, *arguments)
    return etpguard("uninstall", *asked, "--kubeconfig", scene.cluster.kubeconfig)


def settings(scene: Scene) -> dict[str, Any]:
    return {
        "write_conditions": True,
        "leader_elect": True,
        "lease_namespace": scene.namespace,
        "lease_duration": 3.0,
    }


def conditions(scene: Scene) -> set[str]:
    return {c["type"] for c in scene.service().get("status", {}).get("conditions", [])}


def lease(scene: Scene) -> dict[str, Any]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases/etpguard"
    response = scene.cluster.request("GET", path)
    return dict(response.json()) if response.ok else {}


def remediated(scene: Scene) -> int:
    """Runs an operator until all its writes are in the API; returns the healthCheckNodePort from before."""
    scene.create(scene.service_manifest(type="LoadBalancer"))
    scene.cluster.call("PATCH", f"{scene.service_path()}/status", {"status": {"conditions": [OTHER]}})
    port = scene.service()["spec"]["healthCheckNodePort"]
    scene.create(scene.ingress_manifest())
    scene.place(1)
    scene.policy(serviceTypes=["LoadBalancer"], unhealthyWhen={"outcomes": ["Blackhole", "TargetsUnhealthy"]})
    with operator(scene, **settings(scene)):
        scene.wait_phase("Applied")
        wait_for(lambda: CONDITION in conditions(scene), 60, "the condition")
    assert "healthCheckNodePort" not in scene.service()["spec"]
    return int(port)


def test_a_change_is_taken_back_and_nothing_is_left(scene: Scene) -> None:
    port = remediated(scene)
    done = [
        f"Service {scene.key}: externalTrafficPolicy is Local again, healthCheckNodePort {port}",
        f"Service {scene.key}: condition {CONDITION} removed",
        f"Service {scene.key}: etpguard manages no field any more",
        f"ServiceCoverage {scene.key}: deleted",
        f"Lease {scene.namespace}/etpguard: deleted",
    ]
    before = scene.service(), scene.report(), lease(scene)
    assert uninstall(scene, "revert", "--dry-run") == Run(0, "".join(f"{d} (dry run)\n" for d in done), "")
    assert (scene.service(), scene.report(), lease(scene)) == before

    assert uninstall(scene, "revert") == Run(0, "".join(f"{line}\n" for line in done), "")
    spec = scene.service()["spec"]
    assert (spec["externalTrafficPolicy"], spec["healthCheckNodePort"]) == ("Local", port)
    assert scene.service()["status"]["conditions"] == [OTHER]
    shown = scene.cluster.kubectl(
        "get", "svc", "web", "-n", scene.namespace, "-o", "yaml", "--show-managed-fields"
    )
    assert "manager: kubectl-create" in shown
    assert "etpguard" not in shown
    assert scene.report() == {}
    assert lease(scene) == {}
    assert uninstall(scene, "revert") == Run(0, NOTHING, "")


def test_a_change_is_kept_and_nothing_else(scene: Scene) -> None:
    remediated(scene)
    run = uninstall(scene, "keep")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(
        f"Service {scene.key}: keeps externalTrafficPolicy Cluster; declare Cluster at its source"
    )
    assert scene.traffic_policy() == "Cluster"
    assert conditions(scene) == {OTHER["type"]}
    assert not {name for name in scene.managers() if "etpguard" in name}
    assert (scene.report(), lease(scene)) == ({}, {})
    assert uninstall(scene, "keep") == Run(0, NOTHING, "")


def test_it_refuses_while_an_operator_is_at_work_unless_forced(scene: Scene) -> None:
    scene.blackhole()
    with operator(scene, **settings(scene)):
        wait_for(
            lambda: CONDITION in conditions(scene) and scene.report().get("status"),
            20,
            "the condition and the report",
        )
        holder = lease(scene)["spec"]["holderIdentity"]
        refused = uninstall(scene, "keep")
        assert (refused.code, refused.out) == (2, "")
        waiting, refusal = refused.err.splitlines()
        assert waiting == f"etpguard: waiting to see if a Lease is renewed: {scene.namespace}/etpguard of {holder}"
        assert refusal.startswith(f"etpguard: {holder} holds Lease {scene.namespace}/etpguard: an operator runs")
        assert CONDITION in conditions(scene)

        forced = uninstall(scene, "keep", "--force")
        assert forced.code == 0
        assert "a running operator writes everything again" in forced.err
        assert f"Service {scene.key}: condition {CONDITION} removed" in forced.out
        assert lease(scene)["spec"]["holderIdentity"] == holder
    assert uninstall(scene, "keep").code == 0
    assert lease(scene) == {}


def test_an_operator_that_died_is_waited_for(scene: Scene) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases"
    spec = {"holderIdentity": "killed", "leaseDurationSeconds": 2}
    scene.cluster.call("POST", path, {"metadata": {"name": "etpguard"}, "spec": spec})
    began = time.monotonic()
    run = uninstall(scene, "keep")
    assert time.monotonic() - began > 2
    assert (run.code, run.out) == (0, f"Lease {scene.namespace}/etpguard: deleted\n")
    assert run.err.endswith("etpguard of killed\n")


def test_an_operator_that_ends_during_the_wait_is_no_failure(scene: Scene) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases"
    spec = {"holderIdentity": "ending", "leaseDurationSeconds": 60}
    scene.cluster.call("POST", path, {"metadata": {"name": "etpguard"}, "spec": spec})
    wait_reported(scene, "web")
    command = ("uninstall", "--remediations", "keep", "--kubeconfig", str(scene.cluster.kubeconfig))
    with subprocess.Popen(
        [sys.executable, "-m", "etpguard", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline().endswith(f"{scene.namespace}/etpguard of ending\n")
        process.stdout.close()  # nobody reads what is done, and it is done nevertheless
        scene.cluster.call("PATCH", f"{path}/etpguard", {"spec": {"holderIdentity": ""}})
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    assert CONDITION not in conditions(scene)
    assert (scene.report(), lease(scene)) == ({}, {})


def test_a_forbidden_write_is_reported_and_the_rest_goes_on(scene: Scene, arena: Cluster) -> None:
    account = f"helper-{scene.namespace}"
    grant(
        arena,
        account,
        ("", "services", "get,list"),
        ("etpguard.dev", "servicecoverages", "list,delete"),
        ("coordination.k8s.io", "leases", "list,delete"),
    )
    names = ("closed", "open")
    for name in names:
        wait_reported(scene, name)
    allow_one(scene, account, "open")
    run = etpguard(
        *("uninstall", "--remediations", "keep", "--kubeconfig"),
        arena.kubeconfig_for(namespace="default", service_account=account),
    )
    assert run.code == 2
    assert run.out == (
        f"Service {scene.namespace}/open: condition {CONDITION} removed\n"
        f"ServiceCoverage {scene.namespace}/open: deleted\n"
    )
    no_lease, line = run.err.splitlines()
    assert no_lease.startswith("etpguard: no Lease is named etpguard: ")
    assert line.startswith(f"etpguard: Service {scene.namespace}/closed: ")
    assert 'cannot patch resource "services/status"' in line
    assert scene.report("closed")
    assert uninstall(scene, "keep").out.splitlines()[-1] == f"ServiceCoverage {scene.namespace}/closed: deleted"


def wait_reported(scene: Scene, name: str) -> None:
    """A Service with our condition, and its report, as an operator leaves them."""
    scene.create(scene.service_manifest(name))
    condition = {**OTHER, "type": CONDITION}
    path = f"{scene.service_path(name)}/status?fieldManager=kubectl"
    scene.cluster.call("PATCH", path, {"status": {"conditions": [condition]}})
    report = {"apiVersion": "etpguard.dev/v1alpha1", "kind": "ServiceCoverage", "metadata": {"name": name}}
    scene.cluster.call("POST", scene.report_path("").rstrip("/"), report)


def allow_one(scene: Scene, account: str, name: str) -> None:
    """Let the service account patch the status of that one Service."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{scene.namespace}"
    rule = {"apiGroups": [""], "resources": ["services/status"], "resourceNames": [name], "verbs": ["patch"]}
    scene.cluster.call("POST", f"{rbac}/roles", {"metadata": {"name": "one"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "one"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": account}],
    }
    scene.cluster.call("POST", f"{rbac}/rolebindings", binding)


def test_without_the_right_to_see_leases_it_does_nothing(scene: Scene, arena: Cluster) -> None:
    account = f"blind-{scene.namespace}"
    grant(arena, account, ("", "services", "get,list"))
    line = failed(
        etpguard(
            *("uninstall", "--remediations", "keep", "--kubeconfig"),
            arena.kubeconfig_for(namespace="default", service_account=account),
        )
    )
    assert "cannot find out whether an operator runs" in line
    assert 'cannot list resource "leases"' in line


def test_what_to_do_with_remediations_has_to_be_said() -> None:
    run = etpguard("uninstall")
    assert run.code == 2
    assert "--remediations" in run.err
