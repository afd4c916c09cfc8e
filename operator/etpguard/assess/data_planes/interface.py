"""The data plane of each node: its records, and the interface of what finds it. Pure.

A data plane is a property of a node. A `Detector` finds it in two steps, so that a heartbeat of one node among
thousands costs nothing:

1. `Detector.signs(node)` returns what one Node shows about its data plane: labels, annotations, operating system,
   conditions. The value is hashable, and equal for nodes that show the same. The engine keeps it for each Node.
2. `Detector.planes(nodes)` gets each distinct value of `signs` with the set of its nodes, and returns the data
   planes of all nodes. The engine calls it when a Node appears, goes away, or shows other signs.

A detector also holds the flag and the named objects that were read. When one of these changes, its owner makes a
new detector and gives it to `Engine.use_data_planes`, which assesses every Service again. The first detector is
`Options.data_planes`. `AllNodes` is the detector that asks no object: every node has one data plane, as the flag
says, or kube-proxy by assumption; only a Windows node has winkernel.

The names of `KnownDataPlane.settings` are those of the data plane's own configuration. The rules read these:

| data plane | settings |
|---|---|
| cilium | keys of the ConfigMap cilium-config: `service-no-backend-response`, `enable-no-service-endpoints-routable`, `enable-health-check-nodeport`, `kube-proxy-replacement-healthz-bind-address`, `k8s-service-proxy-name`, `enable-ingress-controller`, `enable-gateway-api`, `enable-k8s-terminating-endpoint`, `enable-internal-traffic-policy`, `enable-bgp-control-plane` |
| ovn-kubernetes | `node-port-enable` (of the Node's annotation), `healthz-bind-address`, `ovn-empty-lb-events`; `openshift` is "true" for the OVN-Kubernetes of OpenShift |
| antrea | keys of antrea-agent.conf: `serviceProxyName`, `skipServices` (separated by commas), `proxyLoadBalancerIPs`, `disableServiceHealthCheckServer`, `serviceHealthCheckServerBindAddress`; `healthz-of-kube-proxy`: what kube-proxy answers on port 10256 if it runs beside Antrea, "true", "false" or why that is not known; not known if it is not set |
| kube-router | `service-external-ip-range` (separated by commas) |
| calico-ebpf | `bpfKubeProxyHealthzPort`, of the FelixConfiguration; `healthz-of-kube-proxy`, as for antrea |
| kube-proxy | `nodePortAddresses` (separated by commas); `strictARP`, in mode ipvs |
| kube-proxy, winkernel | `healthz-bind-address`; `healthz-decided-by`: what decides on that address where no object shows it |

A node whose Cilium does not replace kube-proxy, or whose Antrea has no `proxyAll`, has kube-proxy.
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from enum import Enum
from typing import Protocol

from msgspec import Struct

from etpguard.assess.evidence import Evidence
from etpguard.objects import Node


class DataPlane(Enum):
    """What implements Services on a node. The values are those of `--data-plane`."""

    KUBE_PROXY = "kube-proxy"
    CILIUM = "cilium"
    CALICO_EBPF = "calico-ebpf"
    OVN_KUBERNETES = "ovn-kubernetes"
    ANTREA = "antrea"
    KUBE_ROUTER = "kube-router"
    WINKERNEL = "winkernel"
    """kube-proxy on Windows."""
    OTHER = "other"
    """One that etpguard has no rule for. What it does is Unknown."""


HEALTHZ_ADDRESS, HEALTHZ_DECIDED_BY = "healthz-bind-address", "healthz-decided-by"
HEALTHZ_BESIDE = "healthz-of-kube-proxy"
NODE_PORTS = "nodePortAddresses"
STRICT_ARP = "strictARP"
CALICO_HEALTHZ = "bpfKubeProxyHealthzPort"
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?=$|[^\d.])")


def release_of(version: str) -> tuple[int, int, int] | None:
    """A version as numbers; None if it has another form."""
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


class KnownDataPlane(Struct, frozen=True):
    """The data plane of some nodes, and how it is known. Equal ones share their computed states."""

    name: DataPlane
    mode: str = ""
    """kube-proxy: "iptables", "nftables" or "ipvs". OVN-Kubernetes: "shared" or "local". "" if the mode is not
    known."""
    version: str = ""
    """The tag of its image, for example "v1.20.2"; "" if not known."""
    settings: tuple[tuple[str, str], ...] | None = None
    """Its configuration, sorted by name; see the docstring of the module. None if the configuration was not
    read."""
    evidence: Evidence = Evidence.ASSUMED
    how: str = "assumed"
    """How it is known, in a few words: the flag, the label or annotation, the object; "assumed" by default."""
    for_pods: KnownDataPlane | None = None
    """kube-proxy: the data plane that serves the cluster IPs for the pods of these nodes, if another one does."""

    def setting(self, name: str) -> str | None:
        """The value of a setting; None if it is not set, or if the configuration was not read."""
        return dict(self.settings).get(name) if self.settings else None

    def enabled(self, name: str, default: bool) -> bool:
        """A setting that is true or false; `default` if it is not known."""
        value = self.setting(name)
        return default if value is None else value.strip().lower() in ("true", "1", "t")

    @property
    def release(self) -> tuple[int, int, int] | None:
        """The version as numbers; None if it is not known."""
        return release_of(self.version)


class PlaneGroup(Struct, frozen=True):
    """Nodes that have the same data plane, known in the same way."""

    plane: KnownDataPlane
    nodes: int
    """A set of nodes, an integer of `NodeTable`."""


class KubeRouterAdvertises(Struct, frozen=True):
    """What kube-router advertises by BGP unless an annotation of the Service says otherwise, by the arguments in
    its DaemonSet. It does so beside another data plane, too."""

    load_balancer_ips: bool
    external_ips: bool
    routes: bool = True
    """Whether a pod with its routing controller runs. Without one, no annotation makes it advertise anything."""


class NodePlanes(Struct, frozen=True):
    """The data planes of all nodes. The groups are disjoint and hold every Node; there is at least one."""

    groups: tuple[PlaneGroup, ...]
    contradictions: tuple[str, ...] = ()
    """Signs or objects that contradict one another, a sentence each."""
    otherwise: tuple[NodePlanes, ...] = ()
    """The other data planes that the signs leave possible. An outcome that differs under one of them is
    Unknown."""
    kube_router: KubeRouterAdvertises | None = None
    """None if no DaemonSet of kube-router was read."""
    calico_answers_arp: bool = False
    """Whether Calico answers ARP requests for the addresses of load balancers, on whatever data plane."""

    @property
    def only(self) -> KnownDataPlane | None:
        """The data plane of a cluster that has only one; None for a mixed cluster."""
        return self.groups[0].plane if len(self.groups) == 1 else None

    @property
    def distinct(self) -> object:
        """The data planes without their nodes: equal for two values that differ only in which nodes have which."""
        others = tuple(each.distinct for each in self.otherwise)
        return frozenset(group.plane for group in self.groups), others, self.kube_router, self.calico_answers_arp

    def nodes_with(self, *names: DataPlane) -> int:
        """The set of nodes with one of these data planes; every bit in a cluster that has no other."""
        found = [group for group in self.groups if group.plane.name in names]
        if len(found) == len(self.groups):
            return -1
        nodes = 0
        for group in found:
            nodes |= group.nodes
        return nodes


class Detector(Protocol):
    """Finds the data plane of each node. Its answers depend on its arguments alone."""

    def signs(self, node: Node) -> Hashable:
        """What this Node shows about its data plane."""
        ...

    def planes(self, nodes: Mapping[Hashable, int]) -> NodePlanes:
        """The data planes of all nodes, from the set of nodes with each signs. The mapping may be empty."""
        ...


class AllNodes(Struct, frozen=True):
    """The detector for a cluster of one data plane. If that is kube-proxy, Windows nodes have winkernel."""

    plane: KnownDataPlane = KnownDataPlane(DataPlane.KUBE_PROXY)

    def signs(self, node: Node) -> Hashable:
        return node.windows

    def planes(self, nodes: Mapping[Hashable, int]) -> NodePlanes:
        windows = nodes.get(True, 0) if self.plane.name is DataPlane.KUBE_PROXY else 0
        groups = []
        others = 0
        for found in nodes.values():
            others |= found
        if others & ~windows or not windows:
            groups.append(PlaneGroup(self.plane, others & ~windows))
        if windows:
            how = "the label kubernetes.io/os=windows"
            groups.append(
                PlaneGroup(KnownDataPlane(DataPlane.WINKERNEL, evidence=Evidence.OBSERVED, how=how), windows)
            )
        return NodePlanes(tuple(groups))
