"""Nodes: a Node object and a real kube-proxy in a namespace each."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from devcluster import Cluster, binaries, objects
from devcluster.dataplane import addresses, netns
from devcluster.dataplane.addresses import Addresses
from devcluster.dataplane.topology import Topology
from devcluster.processes import Process

Mode = Literal["iptables", "nftables"]
MODES: tuple[Mode, Mode] = ("iptables", "nftables")

HEALTHZ_PORT = 10256


@dataclass(frozen=True, slots=True)
class Node:
    """A running node. `index` is its number in the address plan and the mark of packets routed through it."""

    name: str
    index: int
    namespace: str
    addresses: Addresses
    proxy: Process


class Nodes:
    """The nodes of one lab, by name. `kubeconfig` is what the kube-proxies use, from inside their namespaces.

    `min_sync_period` is kube-proxy's own setting; 0 would mean its default of 1s.
    """

    def __init__(
        self, cluster: Cluster, topology: Topology, kubeconfig: Path, mode: Mode, min_sync_period: str
    ) -> None:
        self._cluster = cluster
        self._topology = topology
        self._kubeconfig = kubeconfig
        self._mode = mode
        self._min_sync_period = min_sync_period
        self._nodes: dict[str, Node] = {}

    @property
    def running(self) -> Mapping[str, Node]:
        return self._nodes

    def add(self, name: str, *, labels: Mapping[str, str] | None = None) -> Node:
        """Registers a Ready Node and starts its kube-proxy; does not wait for its first rules."""
        taken = {node.index for node in self._nodes.values()}
        index = min(set(range(1, addresses.MAX_NODES + 1)) - taken)
        own = addresses.node(index)
        namespace = self._topology.add_node(name, index)
        self._nodes[name] = Node(name, index, namespace, own, self._start_proxy(name, namespace))
        objects.node(
            self._cluster,
            name,
            labels=labels,
            provider_id=f"aws:///eu-central-1a/i-{index:017x}",
            internal_ip=own.both,
        )
        return self._nodes[name]

    def restart_proxy(self, name: str, *, hostname_override: str = "") -> None:
        """Ends the kube-proxy of a node and starts another, with the Node's name or another as its hostname. Does
        not wait for its rules; those of the former stay until then."""
        node = self._nodes[name]
        node.proxy.stop(grace=0)
        proxy = self._start_proxy(hostname_override or name, node.namespace)
        self._nodes[name] = dataclasses.replace(node, proxy=proxy)

    def remove(self, name: str) -> None:
        """The machine is gone, and then its Node object."""
        node = self._nodes.pop(name)
        node.proxy.stop(grace=0)
        self._topology.remove(name)
        objects.delete(self._cluster, {"kind": "Node", "metadata": {"name": name}})

    def cordon(self, name: str, unschedulable: bool = True) -> None:
        self._cluster.call("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": unschedulable}})

    def close(self) -> None:
        for name in list(self._nodes):
            with contextlib.suppress(OSError):  # a control plane that is gone has no Node objects either
                self.remove(name)

    def rules(self, name: str) -> str:
        """All rules on the node, IPv4 and IPv6, as nft or iptables-save print them."""
        if self._mode == "nftables":
            commands = [["nft", "list", "ruleset"]]
        else:
            commands = [["iptables-save"], ["ip6tables-save"]]
        with netns.entered(self._nodes[name].namespace):  # a process starts in the namespace of the thread
            runs = [subprocess.run(command, capture_output=True, text=True, check=False) for command in commands]
        return "".join(run.stdout for run in runs)

    def marks(self, endpoint: Addresses, number: int) -> list[str]:
        """What `rules` contains once a Service port and an endpoint's port in both families have this number."""
        if self._mode == "nftables":
            service, to = f". tcp . {number} :", "dnat to"
        else:
            service, to = f"--dport {number} ", "--to-destination"
        return [service, f"{to} {endpoint.ipv4}:{number}", f"{to} [{endpoint.ipv6}]:{number}"]

    def _start_proxy(self, name: str, namespace: str) -> Process:
        directory = self._kubeconfig.parent
        config = directory / f"kube-proxy-{namespace}.json"
        config.write_text(json.dumps(self._configuration(name)))
        command = netns.inside(namespace, [str(binaries.path("kube-proxy")), f"--config={config}"])
        command[0] = shutil.which("ip") or command[0]
        environment = {**os.environ, "GOGC": str(self._cluster.garbage_collection_percent)}
        return Process(f"kube-proxy of {name}", command, directory / f"kube-proxy-{namespace}.log", environment)

    def _configuration(self, name: str) -> dict[str, Any]:
        """kubeproxy.config.k8s.io/v1alpha1; conntrack limits belong to the machine and are left alone."""
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self._kubeconfig)},
            "mode": self._mode,
            "hostnameOverride": name,
            "bindAddress": "0.0.0.0",
            "healthzBindAddress": f"0.0.0.0:{HEALTHZ_PORT}",
            "metricsBindAddress": "127.0.0.1:10249",
            "detectLocalMode": "ClusterCIDR",
            "clusterCIDR": ",".join(addresses.POD_CIDRS),
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "iptables": {"minSyncPeriod": self._min_sync_period, "syncPeriod": "30s"},
            "nftables": {"minSyncPeriod": self._min_sync_period, "syncPeriod": "30s"},
        }
