"""The commands of docs/uninstall.md, run as they stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

import devcluster
from devcluster.objects import apply, wait_for
from tests.manifests.installed import foreign_kinds, operator
from tests.manifests.rendered import CHART, IMAGE, NAMESPACE, ROOT, helm_template
from tests.manifests.shell import Shell, block
from tests.remediate.stage import Scene

pytestmark = pytest.mark.controlplane

PAGE = ROOT / "docs" / "uninstall.md"


def test_nothing_stays_behind(tmp_path: Path) -> None:
    commands = block(PAGE, "uninstall")
    with devcluster.start() as cluster:
        sh = Shell(cluster, tmp_path)
        apply(cluster, foreign_kinds())
        values = ("--set", "remediation.enabled=true")
        sh(f"helm install etpguard {CHART} -n {NAMESPACE} --create-namespace --set {IMAGE} {' '.join(values)}")
        cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
        scene = Scene(cluster, "shop")
        scene.blackhole()
        other = {"type": "example.com/Other", "status": "True", "reason": "Other", "message": ""}
        other["lastTransitionTime"] = "2026-01-01T00:00:00Z"
        cluster.call("PATCH", f"{scene.service_path()}/status", {"status": {"conditions": [other]}})

        def conditions() -> set[str]:
            return {c["type"] for c in scene.service().get("status", {}).get("conditions", [])}

        with operator(cluster, helm_template(*values), tmp_path):
            wait_for(lambda: "etpguard.dev/Covered" in conditions(), 60, "the condition")
            wait_for(scene.report, 60, "the report")
        said = sh(commands)
        assert f"Service {scene.key}: condition etpguard.dev/Covered removed (dry run)\n" in said
        assert f"ServiceCoverage {scene.key}: deleted\nLease {NAMESPACE}/etpguard: deleted\n" in said
        assert not {manager for manager in scene.managers() if "etpguard" in manager}
        assert conditions() == {"example.com/Other"}
        assert "etpguard" not in cluster.kubectl("get", "crds", "-o", "name")
        kinds = sh("kubectl api-resources --verbs=list -o name | grep -v '^events' | paste -sd,").strip()
        assert sh(f"kubectl get {kinds} -A -l app.kubernetes.io/name=etpguard -o name") == ""
        assert sh(f"kubectl get namespace {NAMESPACE} --ignore-not-found -o name") == ""
        assert sh(f"kubectl get leases -n {NAMESPACE} -o name") == ""
