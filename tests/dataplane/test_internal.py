"""Clients in the cluster of a Service with `internalTrafficPolicy: Local`: who times out is exactly the predicted
set."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from click.testing import CliRunner

from devcluster import objects
from devcluster.dataplane.addresses import FAMILIES
from devcluster.dataplane.pods import Pod
from etpguard.cli.main import cli
from tests.dataplane.internal_clients import Cell, InsideClients, inside_clients
from tests.dataplane.scene import PORTS, Scene

INTERNAL: dict[str, Any] = {"type": "ClusterIP", "externalTrafficPolicy": None, "internalTrafficPolicy": "Local"}
ADVISED = {"spec": {"internalTrafficPolicy": "Cluster", "trafficDistribution": "PreferSameNode"}}


def test_who_times_out_and_the_advised_patch(scene: Scene) -> None:
    scene.service("agent", **INTERNAL)
    with inside_clients(scene) as clients:
        assert clients.compared() == {"rejected": {"node1", "node2", "node3"}}

        scene.pod("agent-1", "node1", app="agent")
        ending = scene.pod("agent-2", "node2", app="agent")
        assert clients.compared() == {"ready": {"node1", "node2"}, "dropped": {"node3"}}

        scene.lab.pods.terminate(ending)
        found = clients.compared(nodes_too=True)
        assert found == {"ready": {"node1"}, "terminating": {"node2"}, "dropped": {"node3"}}

        scene.lab.pods.set_ready(ending, False)
        assert clients.compared() == {"ready": {"node1"}, "dropped": {"node2", "node3"}}

        scene.lab.pods.end(ending)
        scene.pod("agent-3", "node2", app="agent")
        scene.patch_service("agent", ADVISED)
        _all_answered_nearest_first(scene, clients)


def _all_answered_nearest_first(scene: Scene, clients: InsideClients) -> None:
    """After the patch: no node is without an answer, and a local endpoint answers where there is one."""
    objects.wait_for(lambda: _hinted(scene), 60, "hints of nodes")
    scene.lab.settle()
    assert clients.predicted() == {}
    cells: dict[Cell, str] = {
        (port["name"], family, node): "answered"
        for port in PORTS
        for family in FAMILIES
        for node in scene.lab.nodes.running
    }
    seen = clients.observed(cells)
    assert {found.result for found in seen.values()} == {"answered"}
    by = {node: {found.pod for cell, found in seen.items() if cell[2] == node} for node in scene.lab.nodes.running}
    assert (by["node1"], by["node2"]) == ({"agent-1"}, {"agent-3"})
    assert by["node3"] <= {"agent-1", "agent-3"}


def _hinted(scene: Scene) -> bool:
    slices = objects.endpoint_slices(scene.lab.cluster, scene.namespace, "agent")
    ends = [end for slice_ in slices for end in slice_.get("endpoints") or ()]
    return bool(ends) and all((end.get("hints") or {}).get("forNodes") for end in ends)


def test_a_rollout_of_the_daemon_set(scene: Scene) -> None:
    """Node by node, as the controller replaces pods: the old pod ends and is gone, then the new one starts. The
    nodes that go dark are those that `what-if` names."""
    scene.service("agent", **INTERNAL, ports=PORTS[:1])
    pods: dict[str, Pod] = {name: scene.pod(f"old-{name}", name, app="agent") for name in scene.lab.nodes.running}
    _owned_by_a_daemon_set(scene, pods.values())
    scene.lab.settle()
    forecast = _forecast(scene)
    dark: set[str] = set()
    with inside_clients(scene) as clients:
        for number, (name, old) in enumerate(pods.items()):
            others = set(pods) - {name}
            scene.lab.pods.terminate(old)
            if not number:
                assert clients.compared() == {"ready": others, "terminating": {name}}

            scene.lab.pods.end(old)
            new = scene.pod(f"new-{name}", name, app="agent", ready=False)
            found = clients.compared()
            assert found == {"ready": others, "dropped": {name}}
            dark |= found["dropped"]
            scene.lab.pods.set_ready(new, True)
        assert clients.compared() == {"ready": set(pods)}
    assert (dark, 1) == (set(forecast["nodes"]), forecast["atOnce"])


def _owned_by_a_daemon_set(scene: Scene, pods: Iterable[Pod]) -> None:
    labels = {"app": "agent"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    body = {"metadata": {"name": "agent"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    cluster = scene.lab.cluster
    made = cluster.call("POST", f"/apis/apps/v1/namespaces/{scene.namespace}/daemonsets", body)
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": made["metadata"]["uid"]}
    for pod in pods:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        cluster.call("PATCH", path, {"metadata": {"ownerReferences": [{**owner, "controller": True}]}})


def _forecast(scene: Scene) -> dict[str, Any]:
    """`goDark` of the Service for a rollout of the DaemonSet."""
    change = ["rollout", f"{scene.namespace}/DaemonSet/agent"]
    options = ["-o", "json", "--kubeconfig", str(scene.lab.cluster.kubeconfig)]
    done = CliRunner().invoke(cli, ["what-if", *options, *change], catch_exceptions=False)
    (entry,) = json.loads(done.stdout)["internal"]
    assert (entry["namespace"], entry["name"]) == (scene.namespace, "agent")
    found: dict[str, Any] = entry["goDark"]
    return found
