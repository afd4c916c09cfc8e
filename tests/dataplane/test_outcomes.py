"""Outcome and loss: what etpguard calls a state of affairs, and what an ALB-like load balancer then loses."""

from __future__ import annotations

from typing import Any

import pytest

from devcluster.dataplane.load_balancer import Settings
from devcluster.dataplane.traffic import load_balancer
from tests.dataplane.alb import FAST, WEB, ingress, wait_for_states
from tests.dataplane.prediction import report
from tests.dataplane.scene import Scene

REQUESTS = 60


def reported(scene: Scene) -> tuple[dict[str, Any], str]:
    """The report, once the data plane has settled, and the outcome of Service web in it."""
    scene.lab.settle()
    whole = report(scene.lab.cluster)
    (outcome,) = [s["outcome"] for s in whole["services"] if s["namespace"] == scene.namespace]
    return whole, outcome


def test_covered_loses_nothing(behind_alb: Scene) -> None:
    for number in (1, 2, 3):
        behind_alb.pod(f"web-{number}", f"node{number}")
    behind_alb.service(**WEB)
    ingress(behind_alb)
    whole, outcome = reported(behind_alb)
    assert outcome == "Covered"
    with load_balancer(behind_alb.lab, whole, behind_alb.namespace, "web", settings=FAST) as balancer:
        wait_for_states(balancer, dict.fromkeys(("node1", "node2", "node3"), "healthy"))
        loss = balancer.send(REQUESTS)
    assert loss.share == 0
    assert loss.answered == {"web-1": 20, "web-2": 20, "web-3": 20}


def test_targets_unhealthy_loses_nothing_once_thresholds_have_passed(behind_alb: Scene) -> None:
    behind_alb.pod("web-1", "node1")
    behind_alb.service(**WEB)
    ingress(behind_alb, healthcheck_path="/nginx-health")
    whole, outcome = reported(behind_alb)
    assert outcome == "TargetsUnhealthy"
    with load_balancer(behind_alb.lab, whole, behind_alb.namespace, "web", settings=FAST) as balancer:
        wait_for_states(balancer, {"node1": "healthy", "node2": "unhealthy", "node3": "unhealthy"})
        assert balancer.targets()["node2"] == ("unhealthy", "Target.Timeout: Request timed out")
        assert balancer.send(REQUESTS).answered == {"web-1": REQUESTS}


def test_a_pod_that_moves_costs_requests_until_the_thresholds_have_passed(behind_alb: Scene) -> None:
    """TargetsUnhealthy is not free: between kube-proxy's drop and the second failed check, requests are lost."""
    leaving = behind_alb.pod("web-1", "node1")
    behind_alb.pod("web-2", "node2")
    behind_alb.service(**WEB)
    ingress(behind_alb)
    whole, _ = reported(behind_alb)
    slow = Settings(interval=2, timeout=0.2, connect_timeout=0.6)
    with load_balancer(behind_alb.lab, whole, behind_alb.namespace, "web", settings=slow) as balancer:
        wait_for_states(balancer, {"node1": "healthy", "node2": "healthy", "node3": "unhealthy"})
        behind_alb.lab.pods.set_ready(leaving, False)
        behind_alb.lab.settle()
        assert balancer.send(REQUESTS).share == pytest.approx(1 / 2, abs=0.05)
        wait_for_states(balancer, {"node1": "unhealthy", "node2": "healthy", "node3": "unhealthy"})
        assert balancer.send(REQUESTS).share == 0


def test_blackhole_goes_on_losing_its_share_until_the_policy_is_cluster(behind_alb: Scene) -> None:
    """The probe is pinned to a port that answers on every node; the change to Cluster ends the loss."""
    behind_alb.pod("web-1", "node1")
    behind_alb.service(**WEB)
    ingress(behind_alb, healthcheck_port="10256", healthcheck_path="/healthz")
    whole, outcome = reported(behind_alb)
    assert outcome == "Blackhole"
    (consumer,) = whole["services"][-1]["consumers"]
    uncovered, eligible = len(consumer["uncoveredNodes"]), len(consumer["eligibleNodes"])
    assert (uncovered, eligible) == (2, 3)
    with load_balancer(behind_alb.lab, whole, behind_alb.namespace, "web", settings=FAST) as balancer:
        for _ in range(3):
            wait_for_states(balancer, dict.fromkeys(("node1", "node2", "node3"), "healthy"))
            assert balancer.send(REQUESTS).share == pytest.approx(uncovered / eligible, abs=0.05)
        behind_alb.patch_service("web", {"spec": {"externalTrafficPolicy": "Cluster"}})
        behind_alb.lab.settle()
        assert balancer.send(REQUESTS).share == 0


def test_no_healthy_target_loses_the_share_of_the_uncovered_nodes(behind_alb: Scene) -> None:
    """The probe is pinned to a Service without endpoints: it fails on the covered node too, so that nothing
    is routed around. Once that Service has an endpoint where the traffic goes, nothing is lost."""
    behind_alb.pod("web-1", "node1")
    behind_alb.service(**WEB)
    checked = behind_alb.service("checked", **WEB)["spec"]["ports"][0]["nodePort"]
    ingress(behind_alb, healthcheck_port=str(checked))
    behind_alb.lab.settle()
    whole = report(behind_alb.lab.cluster)
    (web,) = [s for s in whole["services"] if (s["namespace"], s["name"]) == (behind_alb.namespace, "web")]
    assert web["outcome"] == "Blackhole"
    assert (
        "no target is healthy, so the load balancer sends traffic to all of them" in web["consumers"][0]["reason"]
    )
    with load_balancer(behind_alb.lab, whole, behind_alb.namespace, "web", settings=FAST) as balancer:
        wait_for_states(balancer, dict.fromkeys(("node1", "node2", "node3"), "unhealthy"))
        assert balancer.send(REQUESTS).share == pytest.approx(2 / 3, abs=0.05)
        behind_alb.pod("checked-1", "node1", app="checked")
        behind_alb.lab.settle()
        wait_for_states(balancer, {"node1": "healthy", "node2": "unhealthy", "node3": "unhealthy"})
        assert balancer.send(REQUESTS).share == 0


def test_outage_loses_all_until_the_policy_is_cluster(behind_alb: Scene) -> None:
    """The one node with a pod is none that the load balancer uses; no target is healthy, so it sends to all."""
    lab = behind_alb.lab
    excluded = {"node.kubernetes.io/exclude-from-external-load-balancers": "true"}
    lab.cluster.call("PATCH", "/api/v1/nodes/node3", {"metadata": {"labels": excluded}})
    try:
        behind_alb.pod("web-3", "node3")
        behind_alb.service(**WEB)
        ingress(behind_alb)
        whole, outcome = reported(behind_alb)
        assert outcome == "Outage"
        with load_balancer(lab, whole, behind_alb.namespace, "web", settings=FAST) as balancer:
            wait_for_states(balancer, {"node1": "unhealthy", "node2": "unhealthy"})
            assert balancer.send(REQUESTS).share == 1
            behind_alb.patch_service("web", {"spec": {"externalTrafficPolicy": "Cluster"}})
            lab.settle()
            wait_for_states(balancer, {"node1": "healthy", "node2": "healthy"})
            assert balancer.send(REQUESTS).answered == {"web-3": REQUESTS}
    finally:
        lab.cluster.call("PATCH", "/api/v1/nodes/node3", {"metadata": {"labels": dict.fromkeys(excluded)}})
