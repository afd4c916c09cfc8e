"""examples/policies/blackholes-only.yaml does what its comment says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import objects
from devcluster.objects import endpoint_slices, wait_for
from tests.arena import clear_namespace
from tests.remediate.stage import Json, Scene, operator

pytestmark = pytest.mark.controlplane

FILE = Path(__file__).parents[2] / "examples" / "policies" / "blackholes-only.yaml"
PATH = "/apis/etpguard.dev/v1alpha1/clustercoveragepolicies/blackholes-only"
LABEL = {"etpguard.example/remediate": "yes"}
HELM = {"app.kubernetes.io/managed-by": "Helm"}


@pytest.fixture
def policy(scene: Scene) -> Iterator[None]:
    """In force as the file has it."""
    scene.cluster.kubectl("apply", "-f", str(FILE))
    yield
    scene.cluster.kubectl("delete", "-f", str(FILE))


@pytest.fixture
def elsewhere(scene: Scene) -> Iterator[str]:
    """Another namespace."""
    name = f"{scene.namespace}-elsewhere"
    scene.cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    clear_namespace(scene.cluster, name)


def create(scene: Scene, name: str, nodes: int, labels: Json, health_check_port: str = "10256") -> None:
    """A Service with pods on so many of the three nodes, its Ingress, and their endpoints."""
    service = scene.service_manifest(name)
    service["metadata"]["labels"] |= labels
    if labels.keys() & HELM.keys():
        service["metadata"]["annotations"] = {"meta.helm.sh/release-name": name}
    scene.create(service)
    scene.create(scene.ingress_manifest(name, health_check_port))
    for number in range(1, nodes + 1):
        scene.place(number, name)
    wait_for(lambda: endpoints(scene, name) == nodes, 60, f"{nodes} endpoints of {name}")


def endpoints(scene: Scene, name: str) -> int:
    return sum(len(s.get("endpoints") or ()) for s in endpoint_slices(scene.cluster, scene.namespace, name))


def left_alone(scene: Scene) -> dict[str, str]:
    """Why each uncovered Service that the policy is about is not touched, by name."""
    listed = scene.cluster.call("GET", PATH).get("status", {}).get("excluded", [])
    return {each["name"]: each["reason"] for each in listed}


def wait_for_left(scene: Scene, expected: dict[str, str]) -> None:
    wait_for(lambda: left_alone(scene) == expected, 60, f"{expected} in the policy's status")


def blackhole_elsewhere(scene: Scene, namespace: str) -> None:
    service, ingress = scene.service_manifest("late"), scene.ingress_manifest("late")
    service["metadata"]["labels"] |= LABEL
    for each in (service, ingress):
        each["metadata"]["namespace"] = namespace
    objects.apply(scene.cluster, [service, ingress])
    objects.pod(scene.cluster, namespace, "late-1", scene.nodes[0], {"app": "late"}, ip="203.0.113.254")


def test_it_does_what_its_comment_says(scene: Scene, policy: None, elsewhere: str) -> None:
    """The dwells are shortened, after it was seen that the file's own holds."""
    create(scene, "web", 1, LABEL)
    create(scene, "unasked", 1, {})
    create(scene, "helm", 1, {**LABEL, **HELM})
    create(scene, "detour", 1, LABEL, "traffic-port")
    create(scene, "fine", 3, LABEL)
    create(scene, "sound", 3, LABEL)
    began = scene.cluster.audit_position()
    # By a Lease of its own it is the only installation, which writes the status of a ClusterCoveragePolicy.
    alone: Json = {"second_installation": "refuse", "lease_name": scene.namespace}
    about: Json = {"namespaces": frozenset({scene.namespace, elsewhere})}
    with operator(scene, **about, **alone):
        never = {"helm": "GitOpsOwned", "detour": "OutcomeNotSelected"}
        wait_for_left(scene, {"web": "DwellTime", **never})
        quick = {"unhealthyWhen": {"forSeconds": 1}, "rollback": {"coveredForSeconds": 1}}
        scene.cluster.call("PATCH", PATH, {"spec": quick})
        scene.wait_phase("Applied")
        assert scene.traffic_policy() == "Cluster"
        blackhole_elsewhere(scene, elsewhere)
        wait_for_left(scene, {"late": "BudgetExhausted", **never})
        for number in (2, 3):
            scene.place(number)
        scene.wait_phase("RolledBack")
    assert scene.traffic_policy() == "Local"
    changed = [event["objectRef"]["name"] for event in scene.policy_patches(began)]
    assert changed == ["web", "web"]
