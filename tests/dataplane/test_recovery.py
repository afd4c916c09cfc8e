"""A Blackhole that ends by itself: real packets, the real operator under a policy, and nobody's hand.

From the write that takes one node's only pod out of service to the first request after which none is lost; and
back to Local, without a loss, once every node has its pod again.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from statistics import mean
from typing import Any

import pytest

from devcluster.dataplane.traffic import load_balancer
from devcluster.objects import wait_for
from tests.app.harness import Served
from tests.dataplane.alb import FAST, WEB, ingress, wait_for_states
from tests.dataplane.prediction import report
from tests.dataplane.scene import Scene
from tests.remediate.stage import MANAGER, install_crds

PATIENT = replace(FAST, connect_timeout=0.9)
"""Still less than a second, when TCP would send its SYN once more, and rules changed meanwhile might answer it."""

SPACING = 0.05
DWELL = 2
COVERED_FOR = 3
QUIET = 3.0
"""Seconds without a loss after which it counts as ended."""
KNOWN_AFTER = PATIENT.connect_timeout + 0.5
"""Seconds after which it is known of a request whether it was lost."""

POLICY: dict[str, Any] = {
    "apiVersion": "etpguard.dev/v1alpha1",
    "kind": "CoveragePolicy",
    "metadata": {"name": "opt-in"},
    "spec": {
        "mode": "Enforce",
        "serviceSelector": {"matchLabels": {"remediate": "yes"}},
        "unhealthyWhen": {"forSeconds": DWELL},
        "remediation": {"sourceIPLoss": "Accept"},
        "rollback": {"mode": "WhenCovered", "coveredForSeconds": COVERED_FOR},
    },
}


def test_a_blackhole_ends_by_itself_and_local_comes_back(
    behind_alb: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene, lab, namespace = behind_alb, behind_alb.lab, behind_alb.namespace
    install_crds(lab.cluster)
    pods = {node: scene.pod(f"web-of-{node}", node) for node in lab.nodes.running}
    scene.service(**WEB)
    scene.patch_service("web", {"metadata": {"labels": POLICY["spec"]["serviceSelector"]["matchLabels"]}})
    ingress(scene, healthcheck_port="10256", healthcheck_path="/healthz")
    lab.cluster.call("POST", f"/apis/etpguard.dev/v1alpha1/namespaces/{namespace}/coveragepolicies", POLICY)
    lab.settle()
    with (
        load_balancer(lab, report(lab.cluster), namespace, "web", settings=PATIENT) as balancer,
        operator(scene) as running,
        balancer.stream(SPACING) as stream,
    ):
        wait_for_states(balancer, dict.fromkeys(pods, "healthy"))
        time.sleep(1)
        assert stream.last_lost(0.0) == 0.0
        assert running.uncovered(namespace, "web") == 0.0

        position = lab.cluster.audit_position()
        fault = time.time()
        lab.pods.set_ready(pods["node3"], False)
        wait_for(lambda: running.uncovered(namespace, "web") == 1.0, what="node3 to be reported as uncovered")
        metric = time.time()
        wait_for(lambda: traffic_policy(scene) == "Cluster", timeout=60)
        lab.settle()
        in_the_rules = time.time()
        wait_for(
            lambda: time.time() - stream.last_lost(fault) > QUIET + KNOWN_AFTER, timeout=60, what="the loss to end"
        )
        condition = wait_for(lambda: accepted(scene, position, "status"), what="the patch of the condition")
        patch = accepted(scene, position)
        lost = [request.sent for request in stream.requests() if request.lost]
        after = [request.sent for request in stream.requests() if request.sent > max(lost)]
        ended = after[len(pods) - 1]  # by then each target has had its turn
        meanwhile = [request.lost for request in stream.requests() if metric + 0.5 < request.sent < patch]
        assert fault < min(lost)
        assert mean(meanwhile) == pytest.approx(1 / 3, abs=0.05 + 1 / len(meanwhile))
        assert fault < condition
        assert fault + DWELL < patch
        assert max(lost) < in_the_rules

        position = lab.cluster.audit_position()
        healed = time.time()
        lab.pods.set_ready(pods["node3"], True)
        wait_for(lambda: traffic_policy(scene) == "Local", timeout=60)
        time.sleep(QUIET + KNOWN_AFTER)
        assert stream.last_lost(fault) == max(lost)
        rollback = accepted(scene, position)
        assert rollback - healed > COVERED_FOR
        phase = "{.status.remediation.phase}"
        assert lab.cluster.kubectl("get", "cov", "web", "-n", namespace, f"-ojsonpath={phase}") == "RolledBack"
        sent = [request.sent for request in stream.requests()]
        assert max(later - earlier for earlier, later in pairwise(sent)) < QUIET, "the client paused"
    predicted, _ = scene.compared()
    assert [set(states.values()) for states in predicted.values()] == [{"ready"}]
    with capsys.disabled():
        print(
            f"\n{lab.mode}, seconds from fault: metric {metric - fault:.2f}, condition {condition - fault:.2f}, "
            f"patch {patch - fault:.2f} (dwell {DWELL}), end of the loss {ended - fault:.2f}; "
            f"{len(lost)} of {len(sent)} requests lost. From the recovery to Local: {rollback - healed:.2f} "
            f"(covered for {COVERED_FOR}), none lost"
        )


@contextlib.contextmanager
def operator(scene: Scene) -> Iterator[Served]:
    """`etpguard run` for the scene's namespace, once it leads and may write; its log goes to the test's output."""
    flags = {
        "kubeconfig": scene.lab.cluster.kubeconfig,
        "namespaces": scene.namespace,
        "lease-namespace": scene.namespace,
        "listen": "127.0.0.1:0",
        "second-installation": "allow",
        "hold-urgent": "0s",
    }
    command = [sys.executable, "-m", "etpguard", "run", *(f"--{name}={value}" for name, value in flags.items())]
    log = scene.lab.cluster.directory / f"etpguard-{scene.namespace}.log"
    with log.open("w") as output, subprocess.Popen(command, stderr=output) as process:
        try:
            serving = re.compile(r"serving on port (\d+)")
            (port,) = wait_for(lambda: serving.findall(log.read_text()), 60, "the operator's port")
            served = Served(int(port))
            wait_for(lambda: served.metric("etpguard_leader") == 1.0, 60, "the operator to lead")
            wait_for(lambda: served.metric("etpguard_picture_fresh") == 1.0, 90, "a fresh picture")
            yield served
        finally:
            process.terminate()
            process.wait(10)
            print(log.read_text())


def traffic_policy(scene: Scene) -> str:
    path = f"/api/v1/namespaces/{scene.namespace}/services/web"
    return str(scene.lab.cluster.call("GET", path)["spec"]["externalTrafficPolicy"])


def accepted(scene: Scene, position: int, subresource: str | None = None) -> float:
    """When the API server first answered the operator's patch of the Service, or of its status, by the audit log
    from there on: seconds since the epoch, 0 for none. Of the Service itself only remediation's patches count."""
    for event in scene.lab.cluster.audit(position):
        about, uri = event.get("objectRef", {}), event["requestURI"]
        of_web = (about.get("resource"), about.get("namespace")) == ("services", scene.namespace)
        ours = subresource is not None or f"fieldManager={MANAGER}" in uri
        if of_web and event["verb"] == "patch" and about.get("subresource") == subresource and ours:
            assert event["responseStatus"]["code"] == 200
            if "dryRun" not in uri:
                return datetime.fromisoformat(event["stageTimestamp"]).timestamp()
    return 0.0
