"""The named cases: etpguard's node states against a real kube-proxy's rules, in both modes."""

from __future__ import annotations

from devcluster.dataplane.addresses import FAMILIES
from tests.dataplane.scene import Scene


def test_a_pod_on_one_of_three_nodes(scene: Scene) -> None:
    """The case that etpguard is for: the node with the pod answers, the other two time out."""
    scene.pod("web-1", "node1")
    scene.service(ports=[{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30851}])
    states = scene.states()
    for family in FAMILIES:
        assert states["web", "http", family] == {"node1": "ready", "node2": "dropped", "node3": "dropped"}
