"""What one Node shows about its data plane: labels, annotations, operating system, conditions. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from etpguard.assess.data_planes.detection_cilium import Override
from etpguard.objects import Node
from etpguard.objects.arguments import last_value, values_of
from etpguard.objects.named import NamedObject
from etpguard.objects.nodes import NO_ANNOTATIONS

AKS_CILIUM = "kubernetes.azure.com/ebpf-dataplane"
"""AKS: this node runs Cilium, and AKS's kube-proxy DaemonSet excludes it. Others of its node pools may not."""
AKS_CLUSTER = "kubernetes.azure.com/cluster"
CILIUM_MIGRATION = "io.cilium.migration/kube-proxy-replacement"
"""Cilium 1.20.2 Documentation/configuration/per-node-config.rst: Cilium replaces kube-proxy on this node, and
later on the others."""
EKS_COMPUTE = "eks.amazonaws.com/compute-type"
GKE_NODE_POOL = "cloud.google.com/gke-nodepool"
MICROK8S = "microk8s.io/cluster"
OPENSHIFT_OS = "node.openshift.io/os_id"


KUBE_PROXY_MODES = ("iptables", "nftables", "ipvs")
GATEWAY_MODES = ("shared", "local")
"""The gateway modes of OVN-Kubernetes."""


class Embedded(NamedTuple):
    """k3s or RKE2, which runs kube-proxy itself. `role` is "server" or "agent"; only servers decide whether
    kube-proxy is disabled. `mode` is kube-proxy's. So is `healthz`, its `healthz-bind-address`: None if a
    configuration file decides, which no object shows."""

    program: str
    role: str
    disabled: bool
    mode: str
    healthz: str | None = "127.0.0.1"
    """k3s pkg/daemons/agent/agent_linux.go and agent_windows.go kubeProxyArgs; RKE2 takes them from there."""
    node_ports: str = ""
    """kube-proxy's `nodeport-addresses`."""
    strict_arp: str = ""
    """kube-proxy's `ipvs-strict-arp`."""


class NodeSigns(NamedTuple):
    """Hashable, and equal for nodes that show the same. `chosen` is the number of the entry of --data-plane that
    selects the node, -1 for none. `runs` are the named DaemonSets whose pods may run on the node.
    `cilium_overrides` are the keys of Cilium's configuration that other sources than the ConfigMap set on it.
    `felix_bpf` is `bpfEnabled` of its own FelixConfiguration."""

    chosen: int = -1
    windows: bool = False
    aks: bool = False
    cilium: bool = False
    migrated: bool = False
    eks_auto: str = ""
    gke: bool = False
    openshift: bool = False
    microk8s: bool = False
    ovn: bool = False
    ovn_mode: str = ""
    ovn_node_ports: str = ""
    embedded: Embedded | None = None
    network: str = ""
    runs: tuple[NamedObject, ...] = ()
    cilium_overrides: tuple[Override, ...] = ()
    felix_bpf: bool | None = None


@dataclass(frozen=True)
class Cluster:
    """What all Nodes together show."""

    aks_cilium: bool = False
    """Some node has the AKS label: the nodes of AKS without it have kube-proxy."""
    ovn: bool = False
    openshift: bool = False
    servers: frozenset[bool] = frozenset()
    """For k3s and RKE2 servers: whether kube-proxy is disabled. It has two values if the servers differ."""

    @classmethod
    def of(cls, nodes: Iterable[NodeSigns]) -> Cluster:
        seen = list(nodes)
        servers = [signs.embedded for signs in seen if signs.embedded and signs.embedded.role == "server"]
        return cls(
            aks_cilium=any(signs.cilium for signs in seen),
            ovn=any(signs.ovn for signs in seen),
            openshift=any(signs.openshift for signs in seen),
            servers=frozenset(server.disabled for server in servers),
        )


def signs_of(
    node: Node,
    chosen: int,
    runs: tuple[NamedObject, ...],
    cilium_overrides: tuple[Override, ...],
    felix_bpf: bool | None,
) -> NodeSigns:
    """The parameters are the fields of `NodeSigns` that do not depend on the Node alone."""
    labels, annotations = node.labels, node.metadata.annotations or NO_ANNOTATIONS
    mode, node_ports = _gateway(annotations.l3_gateway_config)
    compute = labels.get(EKS_COMPUTE, "")
    network = node.network
    return NodeSigns(
        chosen=chosen,
        windows=node.windows,
        aks=AKS_CLUSTER in labels,
        cilium=labels.get(AKS_CILIUM) == "cilium",
        migrated=labels.get(CILIUM_MIGRATION) == "true",
        eks_auto=compute if compute in ("auto", "fargate") else "",
        gke=GKE_NODE_POOL in labels,
        openshift=OPENSHIFT_OS in labels,
        microk8s=MICROK8S in labels,
        ovn=annotations.chassis_id is not None,
        ovn_mode=mode,
        ovn_node_ports=node_ports,
        embedded=_embedded("k3s", annotations.k3s_args) or _embedded("rke2", annotations.rke2_args),
        network=network if network == "CiliumIsUp" else "",
        runs=runs,
        cilium_overrides=cilium_overrides,
        felix_bpf=felix_bpf,
    )


def _embedded(program: str, text: str | None) -> Embedded | None:
    """What the annotation `PROGRAM.io/node-args` shows, in the form to which `objects.nodes` reduces it."""
    arguments: list[str] = msgspec.json.decode(text, type=list[str]) if text else []
    if not arguments:
        return None
    role, *rest = arguments
    disabled = last_value(rest, "disable-kube-proxy")
    # A bare switch is true, as strconv.ParseBool reads the others.
    found = Embedded(program, role, disabled is not None and disabled.lower() in ("", "1", "t", "true"), "")
    given = {}
    for argument in values_of(rest, "kube-proxy-arg"):
        name, equals, value = argument.partition("=")
        given[name.lstrip("-")] = value if equals else "true"
    mode = given.get("proxy-mode", "")
    healthz = None if "config" in given else given.get("healthz-bind-address", found.healthz)
    node_ports = given.get("nodeport-addresses", "")
    return found._replace(
        mode=mode if mode in KUBE_PROXY_MODES else "",
        healthz=healthz,
        node_ports=node_ports,
        strict_arp=given.get("ipvs-strict-arp", ""),
    )


class _Gateway(msgspec.Struct, gc=False, rename="kebab"):
    mode: str = ""
    node_port_enable: str = ""


def _gateway(text: str | None) -> tuple[str, str]:
    """Mode and node-port-enable of the annotation l3-gateway-config, in the form to which `objects.nodes` reduces
    it."""
    found = msgspec.json.decode(text, type=dict[str, _Gateway]).get("default") if text else None
    if found is None:
        return "", ""
    return found.mode if found.mode in GATEWAY_MODES else "", found.node_port_enable
