"""`networkPolicy: Refuse` where the API server serves a kind of network policy that etpguard does not read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from tests.remediate.stage import Scene, operator

pytestmark = pytest.mark.controlplane

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KINDS = [
    ("cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies"),
    ("policy.networking.k8s.io", "v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies"),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind[2])
def served(arena: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """KIND.GROUP of a network policy that the API server serves during the test, without any object."""
    group, version, kind, plural = request.param
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    body = {
        "metadata": {
            "name": f"{plural}.{group}",
            # A group that ends in k8s.io needs the approval of its API.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }
    path = f"/apis/{group}/{version}"

    def listed() -> bool:
        answer = arena.request("GET", path)
        return answer.ok and any(each["kind"] == kind for each in answer.json()["resources"])

    def group_listed() -> bool:
        return any(each["name"] == group for each in arena.call("GET", "/apis")["groups"])

    arena.call("POST", CRDS, body)
    wait_for(lambda: listed() and group_listed(), 30, path)
    yield f"{kind}.{group}"
    arena.call("DELETE", f"{CRDS}/{plural}.{group}")
    wait_for(lambda: not group_listed(), 60, f"the end of {path}")


def test_refused_and_named_until_the_policy_says_ignore(scene: Scene, served: str) -> None:
    scene.blackhole()
    scene.policy()
    with operator(scene):
        scene.wait_excluded("NetworkPolicy")
        (why,) = [
            entry["message"] for entry in scene.read_policy()["status"]["excluded"] if entry["name"] == "web"
        ]
        assert served in why
        assert scene.traffic_policy() == "Local"
        scene.patch_policy({"remediation": {"networkPolicy": "Ignore"}})
        scene.wait_phase("Applied")
    assert scene.traffic_policy() == "Cluster"
