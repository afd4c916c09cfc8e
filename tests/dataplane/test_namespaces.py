"""What a run leaves behind: nothing, and after SIGKILL nothing for longer than until the next start."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster.dataplane import addresses, netns
from devcluster.dataplane.probe import Probe, Prober
from devcluster.dataplane.servers import Listen, Servers
from devcluster.dataplane.topology import Topology

ROOT = Path(__file__).parents[2]

# Prints the name of its run, then sleeps in a namespace of it, as a kube-proxy would.
KILLED_RUN = """
import subprocess, time
from devcluster.dataplane import netns
from devcluster.dataplane.topology import Topology
topology = Topology()
namespace = topology.add_node("node1", 1)
sleeper = subprocess.Popen(netns.inside(namespace, ["sleep", "600"]))
while sleeper.pid not in netns.processes(namespace):
    time.sleep(0.01)
print(namespace, sleeper.pid, flush=True)
time.sleep(600)
"""


def present() -> set[str]:
    return {path.name for path in netns.DIRECTORY.iterdir()} if netns.DIRECTORY.exists() else set()


@pytest.mark.usefixtures("able")
def test_everything_is_gone_at_the_end() -> None:
    with Topology() as topology:
        topology.add_node("node1", 1)
        topology.add_pod("pod-a", "node1", 1, 0)
        made = {topology.name(what) for what in ("fabric", "client", "alb", "node1", "pod-a")}
        assert made <= present()
    assert not made & present()


@pytest.mark.usefixtures("able")
def test_a_failing_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = present()

    def refuse(self: Topology, what: str) -> None:
        raise netns.NetworkError("no more routes")

    monkeypatch.setattr(Topology, "_route_vips_by_mark", refuse)
    with pytest.raises(netns.NetworkError, match="no more routes"):
        Topology()
    assert present() <= before


@pytest.mark.usefixtures("able")
def test_the_next_start_cleans_up_after_a_killed_run() -> None:
    run = subprocess.Popen([sys.executable, "-c", KILLED_RUN], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert run.stdout
        namespace, sleeper = run.stdout.readline().split()
        with Topology() as living:
            assert namespace in present()  # the run is alive: nobody else's to remove
            run.send_signal(signal.SIGKILL)
            run.wait()
            assert namespace in present()
            prefix = namespace.removesuffix("node1")
            assert {name for name in netns.clean_leftovers() if name.startswith(prefix)}
            assert not [name for name in present() if name.startswith(prefix)]
            assert living.fabric in present()
        state = Path(f"/proc/{sleeper}/stat")  # gone, or a zombie that only its new parent can reap
        assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
    finally:
        run.kill()
        run.wait()
        assert run.stdout
        run.stdout.close()


@pytest.mark.usefixtures("able")
def test_packets_take_every_way_that_the_comparison_needs() -> None:
    """Pod to pod over two nodes, rejects without a limit to their rate, and silence where nothing is."""
    ports = [Listen("http", 8080), Listen("tcp", 9000), Listen("udp", 5353)]
    with Topology() as topology:
        for index in (1, 2):
            topology.add_node(f"node{index}", index)
        servers = Servers()
        here = topology.add_pod("pod-here", "node1", 1, 0)
        servers.serve("there", topology.add_pod("pod-there", "node2", 2, 3), "there", ports)
        within, outside = Prober(here), Prober(topology.name("client"))
        try:
            far, client = addresses.pod(2, 3), addresses.pod(1, 0)
            for family in addresses.FAMILIES:
                seen = within.probe([Probe(port.kind, far.of(family), port.port) for port in ports])
                assert {(one.result, one.pod, one.client) for one in seen} == {
                    ("answered", "there", client.of(family))
                }
                many = [Probe("udp", addresses.node(1).of(family), 7)] * 300
                assert {one.result for one in outside.probe(many, timeout=5)} == {"refused"}
                nowhere = [
                    Probe("tcp", addresses.NOBODY.of(family), 7),
                    Probe("udp", addresses.vip(1).of(family), 7, mark=1),
                ]
                assert [one.result for one in outside.probe(nowhere)] == ["timed out"] * 2
            (status,) = within.probe([Probe("http", far.ipv4, 8080, path="/status/503")])
            assert (status.status, status.pod) == (503, "there")
        finally:
            for child in (within, outside, servers):
                child.close()


def test_the_address_plan_has_its_bounds() -> None:
    with pytest.raises(ValueError, match="room for 1 to 12"):
        addresses.node(13)
    with pytest.raises(ValueError, match="room for 12 pods"):
        addresses.pod(1, 12)
    assert len({addresses.pod(n, s).ipv4 for n in range(1, 13) for s in range(12)}) == 144
