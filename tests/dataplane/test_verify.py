"""`etpguard verify` against a real kube-proxy, from outside, from a node and from a pod."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devcluster.dataplane import addresses, netns
from devcluster.dataplane.lab import Lab
from devcluster.dataplane.matrix import PortKey, State
from tests.dataplane.scene import PORTS, Predicted, Scene

TCP = PORTS[:2]


class Verified:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err
        self.report: dict[str, Any] = json.loads(out)

    @property
    def verdicts(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for row in self.report["connections"]:
            found.setdefault(row["node"], set()).add(row["verdict"])
        return found

    def reasons(self, node: str) -> str:
        return " ".join(row["reason"] for row in self.report["connections"] if row["node"] == node)


def verify(scene: Scene, *more: str, namespace: str | None = None, name: str = "web") -> Verified:
    lab = scene.lab
    kubeconfig = lab.cluster.kubeconfig_for(server=f"https://{addresses.API.ipv4}:6443")
    command = [sys.executable, "-m", "etpguard", "verify", f"{scene.namespace}/{name}"]
    command += ["-o", "json", *more]
    if "-f" not in more:
        command += ["--kubeconfig", str(kubeconfig)]
    done = subprocess.run(
        netns.inside(namespace or lab.topology.name("client"), command),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    return Verified(done.returncode, done.stdout, done.stderr)


def agrees_with_the_packets(scene: Scene, predicted: Predicted, verified: Verified) -> None:
    """Each row is what the lab's own client saw, and no TCP port is left out."""
    rows = {
        (row["node"], row["port"], row["family"]): (row["predicted"], row["connection"])
        for row in verified.report["connections"]
    }
    meets: dict[State, str] = {
        "ready": "connects", "terminating": "connects", "dropped": "times out", "rejected": "refused",
    }  # fmt: skip
    expected = {
        (node, key.port, key.family): (state, meets[state])
        for key, states in predicted.items()
        if isinstance(key, PortKey) and key.protocol == "TCP"
        for node, state in states.items()
    }
    assert rows == expected


def test_ready_and_dropped(scene: Scene) -> None:
    scene.pod("web-1", "node1")
    scene.service()
    predicted, _ = scene.compared()
    verified = verify(scene)
    agrees_with_the_packets(scene, predicted, verified)
    assert verified.code == 0
    assert verified.report["verdict"] == "agrees"
    assert "Nodes node2, node3 cannot forward" in verified.report["conclusion"]
    assert "port udp/UDP is not tried" in verified.err


def test_terminating(scene: Scene) -> None:
    pod = scene.pod("web-1", "node1")
    scene.service(selector=None, ports=TCP)
    conditions = {"ready": False, "serving": True, "terminating": True}
    for family in addresses.FAMILIES:
        end = {"nodeName": "node1", "conditions": conditions}
        scene.slice("web", f"web-{family.lower()}", [(pod, end)], family=family)
    predicted, _ = scene.compared()
    verified = verify(scene)
    agrees_with_the_packets(scene, predicted, verified)
    assert verified.code == 0


def test_rejected(scene: Scene) -> None:
    scene.service(ports=TCP)
    predicted, _ = scene.compared()
    verified = verify(scene)
    agrees_with_the_packets(scene, predicted, verified)
    assert (verified.code, verified.report["verdict"]) == (0, "agrees")


def test_health_check_node_port_is_asked(scene: Scene) -> None:
    scene.pod("web-1", "node1")
    service = scene.service(type="LoadBalancer", ports=TCP)
    scene.patch_service("web", {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.200"}]}}}, status=True)
    scene.health(service)
    verified = verify(scene)
    assert verified.code == 0
    seen = {(row["node"], row["healthCheck"]["status"]) for row in verified.report["connections"]}
    assert seen == {("node1", 200), ("node2", 503), ("node3", 503)}


@pytest.mark.parametrize("where", ["node1", "node2", "web-1"])
def test_from_inside_it_is_inconclusive(scene: Scene, where: str, tmp_path: Path) -> None:
    """From a node all connections succeed, which proves nothing. From a pod neither; it has no route to this API
    server, so it reads a dump."""
    scene.pod("web-1", "node1")
    scene.service(ports=TCP)
    scene.lab.settle()
    if where == "web-1":
        dumped = str(tmp_path / "dump.json")
        dump = ["dump", "--kubeconfig", str(scene.lab.cluster.kubeconfig), "-o", dumped]
        subprocess.run([sys.executable, "-m", "etpguard", *dump], check=True, timeout=60)
        inside = scene.lab.topology.name(f"pod-{scene.namespace}-web-1")
        verified, words = verify(scene, "-f", dumped, namespace=inside), "a pod"
    else:
        verified = verify(scene, namespace=scene.lab.topology.name(where))
        words = f"this machine is node {where}"
    assert verified.code == 3, verified.report
    assert {verdict for found in verified.verdicts.values() for verdict in found} == {"inconclusive"}
    assert all(words in verified.reasons(node) for node in ("node1", "node2", "node3"))


@contextmanager
def dropping(lab: Lab, node: str, port: int) -> Iterator[None]:
    """A firewall in front of one node drops what is sent to this port."""
    inside = lab.nodes.running[node].namespace
    table = (
        "table inet firewall {\nchain input {\ntype filter hook prerouting priority -400\n"
        f"tcp dport {port} drop\n}}\n}}\n"
    )
    subprocess.run(netns.inside(inside, ["nft", "-f", "-"]), input=table, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(netns.inside(inside, ["nft", "delete", "table", "inet", "firewall"]), check=True)


def test_a_firewall_in_front_of_a_ready_node(scene: Scene) -> None:
    scene.pod("web-1", "node1")
    scene.pod("web-2", "node2")
    scene.service(ports=[{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30861}])
    scene.lab.settle()
    with dropping(scene.lab, "node1", 30861):
        verified = verify(scene)
    assert verified.code == 3
    assert verified.verdicts == {"node1": {"inconclusive"}, "node2": {"agrees"}, "node3": {"agrees"}}
    assert "a firewall, a security group or a NetworkPolicy" in verified.reasons("node1")


def test_kube_proxy_under_another_name(scene: Scene) -> None:
    """No API object shows it: kube-proxy finds no local endpoint, drops all, and its health check says so. In one
    mode, since it waits 30 s for its Node in each."""
    if scene.lab.mode != "nftables":
        pytest.skip("nftables shows it")
    scene.pod("web-1", "node1")
    service = scene.service(type="LoadBalancer", ports=TCP)
    scene.patch_service("web", {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.200"}]}}}, status=True)
    scene.health(service)
    nodes = scene.lab.nodes
    nodes.restart_proxy("node1", hostname_override="ip-192-0-2-11.internal")
    try:
        scene.lab.settle()
        verified = verify(scene)
        assert verified.code == 1
        assert verified.verdicts["node1"] == {"differs"}
        assert verified.verdicts["node2"] == verified.verdicts["node3"] == {"agrees"}
        assert "--hostname-override" in verified.report["conclusion"]
    finally:
        nodes.restart_proxy("node1")
        scene.lab.settle()


def test_one_node_by_name_and_addresses_from_a_file(scene: Scene, tmp_path: Path) -> None:
    scene.pod("web-1", "node1")
    scene.service(ports=TCP)
    scene.lab.settle()
    assert set(verify(scene, "--node", "node2").verdicts) == {"node2"}
    listed = tmp_path / "addresses"
    own = scene.lab.nodes.running["node3"].addresses
    listed.write_text(f"# by hand\nnode3 {own.ipv4}  # its first address\n\nnode3 {own.ipv6}\n")
    verified = verify(scene, "--from-file", str(listed))
    assert verified.verdicts == {"node3": {"agrees"}}
