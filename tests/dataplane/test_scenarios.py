"""The named cases: etpguard's node states against a real kube-proxy's rules, in both modes.

`Scene.states` fails unless every connection from outside got what these states mean; the assertions then say
which states the case is about.
"""

from __future__ import annotations

from typing import Any

import pytest

from devcluster.dataplane import addresses
from devcluster.dataplane.addresses import FAMILIES
from devcluster.dataplane.matrix import State
from devcluster.dataplane.pods import DEFAULT_PORTS
from devcluster.dataplane.probe import Probe, Prober
from devcluster.dataplane.servers import Listen
from tests.dataplane.scene import PORTS, Scene

THREE = ("node1", "node2", "node3")
HTTP_ONLY: dict[str, Any] = {"ports": PORTS[:1]}


def nodes(node1: State, node2: State, node3: State) -> dict[str, State]:
    return dict(zip(THREE, (node1, node2, node3), strict=True))


def everywhere(scene: Scene, expected: dict[str, State]) -> None:
    """Every port of every Service, in both families, is in this state."""
    states = scene.states()
    assert states
    assert states == dict.fromkeys(states, expected)


def test_a_pod_on_one_of_three_nodes(scene: Scene) -> None:
    scene.pod("web-1", "node1")
    scene.service(ports=[{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30851}])
    everywhere(scene, nodes("ready", "dropped", "dropped"))

    scene.patch_service("web", {"spec": {"externalTrafficPolicy": "Cluster"}})
    scene.compared()
    assert scene.answers() == {node: ["web-1"] * 2 for node in THREE}


def test_from_the_node_itself_an_uncovered_node_seems_fine(scene: Scene) -> None:
    """Traffic from the node is short-circuited to all endpoints: a probe from there proves nothing."""
    scene.pod("web-1", "node1")
    scene.service(ports=[{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30851}])
    everywhere(scene, nodes("ready", "dropped", "dropped"))
    node2 = scene.lab.nodes.running["node2"]
    on_the_node = Prober(node2.namespace)
    try:
        own, own6, localhost = on_the_node.probe(
            [Probe("http", address, 30851) for address in (*node2.addresses.both, "127.0.0.1")]
        )
    finally:
        on_the_node.close()
    assert (own.pod, own6.pod) == ("web-1", "web-1")
    assert localhost.result == {"iptables": "answered", "nftables": "refused"}[scene.lab.mode]


def test_all_nodes_covered(scene: Scene) -> None:
    for number in (1, 2, 3):
        scene.pod(f"web-{number}", f"node{number}")
    scene.service()
    everywhere(scene, nodes("ready", "ready", "ready"))


def test_only_terminating_pods_on_every_node_that_has_one(scene: Scene) -> None:
    pods = [scene.pod("web-1", "node1"), scene.pod("web-2", "node2")]
    scene.service()
    scene.lab.settle()
    for pod in pods:
        scene.lab.pods.terminate(pod)
    everywhere(scene, nodes("terminating", "terminating", "dropped"))


def test_terminating_here_and_ready_elsewhere(scene: Scene) -> None:
    here = scene.pod("web-1", "node1")
    scene.pod("web-2", "node2")
    scene.service()
    scene.lab.pods.terminate(here)
    everywhere(scene, nodes("terminating", "ready", "dropped"))


def test_ready_and_terminating_on_one_node(scene: Scene) -> None:
    old = scene.pod("web-1", "node1")
    scene.pod("web-2", "node1")
    scene.service()
    scene.lab.pods.terminate(old)
    everywhere(scene, nodes("ready", "dropped", "dropped"))
    assert scene.answers()["node1"] == ["web-2"] * 6  # the fallback applies only without a ready one


def test_terminating_and_no_longer_serving(scene: Scene) -> None:
    pod = scene.lab.pods.terminate(scene.pod("web-1", "node1"))
    scene.lab.pods.set_ready(pod, False)
    scene.pod("web-2", "node2")
    scene.service()
    everywhere(scene, nodes("dropped", "ready", "dropped"))


def test_unready(scene: Scene) -> None:
    scene.pod("web-1", "node1", ready=False)
    scene.pod("web-2", "node2")
    scene.service()
    everywhere(scene, nodes("dropped", "ready", "dropped"))


def test_only_an_unready_pod(scene: Scene) -> None:
    scene.pod("web-1", "node1", ready=False)
    scene.service()
    everywhere(scene, nodes("rejected", "rejected", "rejected"))


def test_not_one_endpoint(scene: Scene) -> None:
    scene.service()
    everywhere(scene, nodes("rejected", "rejected", "rejected"))


def test_a_pod_that_lacks_one_named_target_port(scene: Scene) -> None:
    """One port drops, the other answers, and the health check of the whole Service says 200."""
    scene.pod("old", "node1", ports={"http": DEFAULT_PORTS["http"]})
    scene.pod("new", "node2")
    service = scene.service(type="LoadBalancer")
    states = scene.states()
    for family in FAMILIES:
        assert states["web", "http", family] == nodes("ready", "ready", "dropped")
        assert states["web", "tcp", family] == nodes("dropped", "ready", "dropped")
        assert states["web", "udp", family] == nodes("dropped", "ready", "dropped")
        assert scene.health(service, family) == {"node1": 200, "node2": 200, "node3": 503}


def test_two_target_ports_under_one_name(scene: Scene) -> None:
    scene.pod("old", "node1", ports={"http": Listen("http", 8080)})
    scene.pod("new", "node2", ports={"http": Listen("http", 8081)})
    scene.service(**HTTP_ONLY)
    everywhere(scene, nodes("ready", "ready", "dropped"))
    assert scene.answers() == {"node1": ["old"] * 2, "node2": ["new"] * 2, "node3": ["timed out"] * 2}


def test_one_family_uncovered(scene: Scene) -> None:
    scene.pod("old", "node1", families=["IPv4"])
    scene.pod("new", "node2")
    scene.service()
    states = scene.states()
    for port in ("http", "tcp", "udp"):
        assert states["web", port, "IPv4"] == nodes("ready", "ready", "dropped")
        assert states["web", port, "IPv6"] == nodes("dropped", "ready", "dropped")


def test_one_family_without_any_endpoint(scene: Scene) -> None:
    scene.pod("web-1", "node1", families=["IPv6"])
    scene.service()
    states = scene.states()
    for port in ("http", "tcp", "udp"):
        assert states["web", port, "IPv4"] == nodes("rejected", "rejected", "rejected")
        assert states["web", port, "IPv6"] == nodes("ready", "dropped", "dropped")


def test_a_service_of_ipv6_alone(scene: Scene) -> None:
    scene.pod("web-1", "node3")
    scene.service(ipFamilyPolicy="SingleStack", ipFamilies=["IPv6"])
    states = scene.states()
    assert {family for _, _, family in states} == {"IPv6"}
    assert states["web", "http", "IPv6"] == nodes("dropped", "dropped", "ready")


def test_selectorless_with_and_without_node_name(scene: Scene) -> None:
    """An endpoint without nodeName is local nowhere: usable, and so a reason to drop everywhere."""
    named, nameless = scene.pod("named", "node1", app="other"), scene.pod("nameless", "node2", app="other")
    scene.service("named", selector=None)
    scene.service("nameless", selector=None)
    scene.slice("named", "named-1", [(named, {"nodeName": "node1"}), (nameless, {})])
    scene.slice("nameless", "nameless-1", [(nameless, {})])
    states = scene.states()
    assert states["named", "http", "IPv4"] == nodes("ready", "dropped", "dropped")
    assert states["nameless", "http", "IPv4"] == nodes("dropped", "dropped", "dropped")
    assert states["named", "http", "IPv6"] == nodes("rejected", "rejected", "rejected")


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        pytest.param({}, "ready", id="no condition set"),
        pytest.param({"ready": False}, "dropped", id="not ready, serving not set"),
        pytest.param({"ready": False, "terminating": True}, "terminating", id="serving not set counts as true"),
        pytest.param({"ready": True, "terminating": True}, "ready", id="ready and terminating"),
        pytest.param({"ready": False, "serving": False, "terminating": True}, "dropped", id="not serving"),
    ],
)
def test_conditions_of_a_slice_written_by_hand(scene: Scene, conditions: dict[str, bool], state: State) -> None:
    here, elsewhere = scene.pod("here", "node1", app="other"), scene.pod("elsewhere", "node2", app="other")
    scene.service(selector=None, **HTTP_ONLY)
    endpoint = {"nodeName": "node1", "conditions": conditions}
    scene.slice("web", "web-1", [(here, endpoint), (elsewhere, {"nodeName": "node2"})])
    assert scene.states()["web", "http", "IPv4"] == nodes(state, "ready", "dropped")


def test_a_terminating_copy_does_not_replace_a_ready_one(scene: Scene) -> None:
    pod = scene.pod("web-1", "node1", app="other")
    scene.service(selector=None, **HTTP_ONLY)
    leaving = {"nodeName": "node1", "conditions": {"ready": False, "serving": False, "terminating": True}}
    scene.slice("web", "web-a", [(pod, {"nodeName": "node1"})])
    scene.slice("web", "web-b", [(pod, leaving)])
    assert scene.states()["web", "http", "IPv4"] == nodes("ready", "dropped", "dropped")


def test_slices_with_foreign_labels(scene: Scene) -> None:
    """Bound by namespace and service-name label alone; only the headless label makes kube-proxy look away."""
    scene.pod("web-1", "node1")
    others = [scene.pod(f"other-{number}", f"node{number}", app="other") for number in (1, 2, 3)]
    scene.service(**HTTP_ONLY)
    managed = {"endpointslice.kubernetes.io/managed-by": "someone.example"}
    proxied = {"service.kubernetes.io/service-proxy-name": "another"}
    headless = {"service.kubernetes.io/headless": ""}
    scene.slice("web", "foreign", [(others[1], {"nodeName": "node2"})], labels={**managed, **proxied})
    scene.slice("web", "headless", [(others[2], {"nodeName": "node3"})], labels=headless)
    scene.slice("elsewhere", "strange", [(others[2], {"nodeName": "node3"})])
    states = scene.states()
    assert states["web", "http", "IPv4"] == nodes("ready", "ready", "dropped")
    assert states["web", "http", "IPv6"] == nodes("ready", "dropped", "dropped")


def test_another_proxys_service_is_not_served(scene: Scene) -> None:
    scene.pod("web-1", "node1")
    scene.service()
    path = f"/api/v1/namespaces/{scene.namespace}/services/web"
    scene.lab.cluster.call(
        "PATCH", path, {"metadata": {"labels": {"service.kubernetes.io/service-proxy-name": "x"}}}
    )
    assert scene.answers() == {node: ["refused"] * 6 for node in THREE}
    assert scene.predicted() == {}


def test_load_balancer_with_its_health_check_port(scene: Scene) -> None:
    """Terminating pods still get the traffic while the health check already says 503: so a node drains."""
    leaving = scene.pod("web-1", "node1")
    scene.pod("web-2", "node2")
    service = scene.service(type="LoadBalancer")
    everywhere(scene, nodes("ready", "ready", "dropped"))
    assert scene.health(service) == {"node1": 200, "node2": 200, "node3": 503}

    scene.lab.pods.terminate(leaving)
    everywhere(scene, nodes("terminating", "ready", "dropped"))
    for family in FAMILIES:
        assert scene.health(service, family) == {"node1": 503, "node2": 200, "node3": 503}


def test_addresses_of_a_load_balancer(scene: Scene) -> None:
    """A VIP has the verdict of the node port, also where no node port is allocated; one of mode Proxy is none."""
    scene.pod("web-1", "node1")
    scene.service("vip", type="LoadBalancer", selector={"app": "web"}, allocateLoadBalancerNodePorts=False)
    scene.service("proxy", type="LoadBalancer", selector={"app": "web"}, allocateLoadBalancerNodePorts=False)
    both = addresses.vip(1)
    vips = [{"ip": ip, "ipMode": "VIP"} for ip in both.both]
    scene.patch_service("vip", {"status": {"loadBalancer": {"ingress": vips}}}, status=True)
    proxied = [{"ip": addresses.vip(2).ipv4, "ipMode": "Proxy"}]
    scene.patch_service("proxy", {"status": {"loadBalancer": {"ingress": proxied}}}, status=True)
    everywhere(scene, nodes("ready", "dropped", "dropped"))
    assert {service for service, _, _ in scene.states()} == {"vip"}


def test_external_ip(scene: Scene) -> None:
    """Local applies to a ClusterIP Service too, once it has external IPs; here of one family only."""
    scene.pod("web-1", "node2")
    scene.service(type="ClusterIP", externalIPs=[addresses.vip(7).ipv4])
    states = scene.states()
    assert {family for _, _, family in states} == {"IPv4"}
    assert states["web", "http", "IPv4"] == nodes("dropped", "ready", "dropped")


def test_external_ip_beside_a_node_port(scene: Scene) -> None:
    scene.pod("web-1", "node2")
    scene.service(externalIPs=[*addresses.vip(8).both])
    everywhere(scene, nodes("dropped", "ready", "dropped"))


def test_cluster_for_contrast(scene: Scene) -> None:
    scene.pod("web-1", "node1")
    scene.service(externalTrafficPolicy="Cluster")
    predicted, _ = scene.compared()
    assert predicted == {}
    assert scene.answers() == {node: ["web-1"] * 6 for node in THREE}


def test_internal_traffic_policy_has_no_say(scene: Scene) -> None:
    scene.pod("web-1", "node1")
    scene.service(internalTrafficPolicy="Local")
    everywhere(scene, nodes("ready", "dropped", "dropped"))


def test_publish_not_ready_addresses(scene: Scene) -> None:
    scene.pod("web-1", "node1", ready=False)
    scene.lab.pods.terminate(scene.pod("web-2", "node2", ready=False))
    scene.service(publishNotReadyAddresses=True)
    everywhere(scene, nodes("ready", "ready", "dropped"))


def test_host_network_pods(scene: Scene) -> None:
    scene.pod("agent-1", "node1", host_network=True)
    scene.pod("agent-2", "node2", host_network=True, ready=False)
    scene.service()
    scene.service("web2", selector={"app": "web"}, publishNotReadyAddresses=True)
    states = scene.states()
    for family in FAMILIES:
        assert states["web", "http", family] == nodes("ready", "dropped", "dropped")
        assert states["web2", "http", family] == nodes("ready", "ready", "dropped")


def test_a_node_that_joins_and_leaves(scene: Scene) -> None:
    """A new node starts uncovered; one without a Node object is not reported, though its endpoints may linger."""
    lab = scene.lab
    scene.service()
    scene.pod("web-1", "node1")
    lab.nodes.add("node4")
    try:
        everywhere(scene, {**nodes("ready", "dropped", "dropped"), "node4": "dropped"})
        scene.pod("web-4", "node4")
        everywhere(scene, {**nodes("ready", "dropped", "dropped"), "node4": "ready"})
    finally:
        lab.nodes.remove("node4")
    lab.settle()
    assert set(map(str, scene.predicted().values())) == {str(nodes("ready", "dropped", "dropped"))}
    for pod in lab.pods.on("node4"):
        lab.pods.end(pod)
    everywhere(scene, nodes("ready", "dropped", "dropped"))
