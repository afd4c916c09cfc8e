"""A Blackhole under Enforce on the real control plane: remediated, still reported, and rolled back in each way."""

from __future__ import annotations

import pytest

from devcluster.objects import wait_for
from tests.remediate.stage import MANAGER, Scene, operator

pytestmark = pytest.mark.controlplane


def test_a_blackhole_is_remediated_and_still_reported(scene: Scene) -> None:
    scene.blackhole()
    scene.policy()
    with operator(scene) as running:
        applied = scene.wait_phase("Applied")
        assert scene.traffic_policy() == "Cluster"
        assert applied["originalPolicy"] == "Local"
        assert applied["policy"]["name"] == "opt-in"
        assert applied["serviceUID"] == scene.service()["metadata"]["uid"]
        wait_for(lambda: "ifLocal" in scene.report().get("status", {}), 60, "ifLocal")
        status = scene.report()["status"]
        assert status["outcome"] == "NotAffected"
        assert status["ifLocal"]["outcome"] == "Blackhole"
        shown = scene.cluster.kubectl("get", "cov", "-n", scene.namespace)
        assert "Applied" in shown.splitlines()[1]
        [event] = scene.wait_events("RemediationApplied")
        assert event["regarding"]["name"] == "web"
        assert event["type"] == "Normal"
        assert f"etpguard rollback {scene.namespace}/web" in event["note"]
        assert running.metric("etpguard_remediations_total", action="apply", result="succeeded") == 1.0
        wait_for(lambda: scene.read_policy().get("status", {}).get("remediatedServices") == 1, 60, "the count")
        listed = scene.read_policy()["status"]["remediations"]
        assert [(r["name"], r["state"]) for r in listed] == [("web", "Applied")]
        scene.cluster.kubectl(
            "wait", "--for=condition=Ready", "covpol/opt-in", "-n", scene.namespace, "--timeout=5s"
        )


def test_it_is_put_back_once_it_would_be_covered(scene: Scene) -> None:
    scene.blackhole()
    scene.policy(rollback={"mode": "WhenCovered", "coveredForSeconds": 1})
    with operator(scene):
        scene.wait_phase("Applied")
        scene.place(2)
        scene.place(3)
        scene.wait_phase("RolledBack")
        assert scene.traffic_policy() == "Local"
        assert MANAGER not in scene.managers()
        assert len(scene.wait_events("RemediationRolledBack")) == 1
