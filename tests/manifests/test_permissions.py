"""Least privilege, measured: what is granted is what is used, and nothing that is used is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devcluster import Cluster
from devcluster.objects import apply, wait_for
from tests.manifests import grants
from tests.manifests.installed import cluster_policy, operator
from tests.manifests.rendered import NAMESPACE, ROOT, Json, helm_template
from tests.remediate.stage import Scene

pytestmark = pytest.mark.controlplane

CONTROLLER = ("kube-system", "aws-load-balancer-controller")
BACK = {"mode": "WhenCovered", "coveredForSeconds": 1, "onDelete": "Revert"}
ELSEWHERE = {grants.Grant("projectcalico.org", "bgpconfigurations", verb) for verb in ("list", "watch")}
"""What is read only in a cluster without crd.projectcalico.org."""
PAGE = ROOT / "docs" / "permissions.md"


def test_all_that_is_granted_is_used_and_nothing_more(site: Cluster, scene: Scene, tmp_path: Path) -> None:
    values = f"remediation.enabled=true,awsLoadBalancerController.deployment={'/'.join(CONTROLLER)}"
    manifests = helm_template("--set", values)
    # The rest exists already: kustomize made it.
    arguments = [m for m in manifests if m["metadata"]["name"] == "etpguard-controller-arguments"]
    assert {m["kind"] for m in arguments} == {"Role", "RoleBinding"}
    apply(site, [*arguments, _controller(), _l2_policy()])
    # Other tests may have left one; the first leader of a cluster creates it.
    site.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/etpguard")
    since = site.audit_position()
    with operator(site, manifests, tmp_path, ETPGUARD_NAMESPACES=scene.namespace):
        _live_through_it(site, scene)
    events = [e for e in site.audit(since) if e["stage"] in ("ResponseStarted", "ResponseComplete")]
    given, seen = grants.granted(manifests), grants.used(events)
    assert grants.refused(events) == []
    checks = [e["responseStatus"]["code"] for e in grants.confinement_checks(events)]
    assert set(checks) == {403}, "the admission policies are in force"
    assert seen - set(given) == set(), "used, though not granted by these manifests"
    assert set(given) - seen == ELSEWHERE, "granted, and never used"
    leases = {True: set[str](), False: set[str]()}
    for e in grants.requests(events):
        if e["objectRef"]["resource"] == "leases":
            leases[e["verb"] == "list"].add(e["objectRef"].get("namespace", ""))
    assert leases == {True: {"", "kube-system"}, False: {NAMESPACE}}
    # It reports one namespace and reads all, as docs/reference.md says.
    watched = [e["objectRef"] for e in grants.requests(events) if e["verb"] == "watch"]
    assert {"services", "endpointslices", "ingresses"} <= {ref["resource"] for ref in watched}
    assert [ref for ref in watched if "namespace" in ref] == []
    page = grants.page(given, seen)
    if os.environ.get("ETPGUARD_WRITE_DOCS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "run this test with ETPGUARD_WRITE_DOCS=1"


def _controller() -> Json:
    """Its Deployment, of no replica: its arguments are all that is looked at."""
    namespace, name = CONTROLLER
    labels = {"app.kubernetes.io/name": name}
    container = {"name": "controller", "image": "controller", "args": ["--ingress-class=alb"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _l2_policy() -> Json:
    """With it, the operator reads the Leases of Cilium's L2 announcements."""
    spec = {"loadBalancerIPs": True, "serviceSelector": {"matchLabels": {"none": "such"}}}
    return {
        "apiVersion": "cilium.io/v2alpha1",
        "kind": "CiliumL2AnnouncementPolicy",
        "metadata": {"name": "no-service"},
        "spec": spec,
    }


def _live_through_it(site: Cluster, scene: Scene) -> None:
    """A loss of traffic is found, remediated, rolled back, remediated again; a person takes it off Local."""
    policy = scene.policy(rollback=BACK)
    spec = {key: value for key, value in policy["spec"].items() if key != "rollback"}
    wide = cluster_policy(scene.namespace, **spec, rollback=BACK)
    path = "/apis/etpguard.dev/v1alpha1/clustercoveragepolicies"
    site.call("POST", path, wide)
    other = scene.service_manifest("by-hand")
    other["metadata"]["labels"] = {}
    scene.create(other)
    scene.place(1, "by-hand")
    try:
        scene.blackhole()
        scene.wait_phase("Applied")
        assert scene.traffic_policy() == "Cluster"
        for number in (2, 3):
            scene.place(number)
        scene.wait_phase("RolledBack")
        for number in (2, 3):
            scene.remove(number)
        scene.wait_phase("Applied")
        wait_for(lambda: _events_sent(scene, "RemediationApplied") == 2, 60, "the second Event")
        wait_for(lambda: scene.report("by-hand").get("status"), what="a report on the other Service")
        site.call("PATCH", scene.service_path("by-hand"), {"spec": {"externalTrafficPolicy": "Cluster"}})
        wait_for(lambda: not scene.report("by-hand"), 60, "its end")
        wait_for(lambda: "status" in site.call("GET", f"{path}/{scene.namespace}"), 60, "the policy's status")
        for _ in range(2):
            _delete_the_deciding_policy(site, scene, path)
    finally:
        site.request("DELETE", f"{path}/{scene.namespace}")


def _delete_the_deciding_policy(site: Cluster, scene: Scene, path: str) -> None:
    """Its remediations are rolled back, once a read from the API server confirms that it is gone."""
    decided = scene.wait_phase("Applied")["policy"]
    if decided["kind"] == "CoveragePolicy":
        scene.delete_policy(decided["name"])
    else:
        site.call("DELETE", f"{path}/{decided['name']}")

    def put_back() -> bool:
        now = scene.remediation()
        return bool(now["phase"] == "RolledBack" or now["policy"] != decided)

    wait_for(put_back, 60, f"the rollback of what {decided} remediated")


def _events_sent(scene: Scene, reason: str) -> int:
    return sum((event.get("series") or {}).get("count", 1) for event in scene.events(reason))
