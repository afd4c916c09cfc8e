"""kube-proxy on Linux, in the modes iptables, nftables and ipvs: k8s.io/kubernetes v1.37.2 pkg/proxy.

A node without a local endpoint drops the packets (iptables/proxier.go:888-916, nftables/proxier.go:1399-1442), or
forwards them to another node so that the answer is lost (ipvs/proxier.go:1605-1627): clients time out. Where no
endpoint is usable anywhere, it rejects them; under ipvs the kernel does (Linux ip_vs_leave).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from msgspec.structs import replace

from etpguard.assess.data_planes.inputs import Inputs
from etpguard.assess.data_planes.interface import NODE_PORTS, STRICT_ARP, DataPlane, KnownDataPlane
from etpguard.assess.data_planes.rule import Healthz, Leaving, kube_proxy_healthz
from etpguard.assess.data_planes.trackers import NO_NODES, NodeSets, PortKey
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_states import PortState, ServiceStates, Uncertain, cluster_ip_ports, external_ports
from etpguard.assess.outcome import Reason
from etpguard.objects import IPFamily, ServicePort
from etpguard.objects.openshift import LOCAL_WITH_FALLBACK

_OF_ENVOY = Reason(
    "ServedByEnvoy",
    "the Service belongs to an Ingress or a Gateway of Cilium, and its endpoint is a placeholder. Where Cilium "
    "forwards node ports, the Envoy of a node serves it. Where kube-proxy forwards them, nothing serves it. Name "
    "the data plane by --data-plane",
)
_COPIES = Reason(
    "EndpointsContradict",
    "several EndpointSlices have the same endpoint, with another node or other conditions. Which of them "
    "kube-proxy takes is not defined, and may differ between nodes. Look for EndpointSlices that a controller or "
    "a person made beside those of Kubernetes",
)
_ON_OPENSHIFT = Reason(
    "LocalWithFallback",
    f"with the annotation {LOCAL_WITH_FALLBACK}, a node without an endpoint forwards to other nodes if its data "
    "plane is the OVN-Kubernetes of OpenShift, and nothing is lost. Every other data plane ignores the "
    "annotation. etpguard only assumes that the nodes have kube-proxy. Look at the network type of the cluster: "
    "kubectl get network.config.openshift.io cluster -o yaml",
)


class KubeProxy:
    """The rule of kube-proxy on Linux."""

    def __init__(self, plane: KnownDataPlane) -> None:
        self.healthz = kube_proxy_healthz(plane)
        self._assumed = plane.evidence is Evidence.ASSUMED
        self._ipvs = plane.mode == "ipvs"

    @property
    def misleading(self) -> str:
        nftables = "in nftables mode kube-proxy does not serve localhost"
        return (
            "curl localhost:{port} on a node proves nothing. Traffic that starts on a node is internal "
            f"traffic and may go to any endpoint of the cluster ({nftables}). Only a request from another "
            "machine to the node's own address shows what clients get."
        )

    def healthz_before(self, leaving: Leaving) -> Healthz:
        """proxy_health.go NodeEligible: 503."""
        return False

    def states(self, inputs: Inputs) -> ServiceStates:
        tracked = inputs.tracked
        uncertain = (Uncertain(-1, _OF_ENVOY),) if inputs.of_envoy else ()
        ports = port_states(external_ports(inputs.service), tracked.by_port, uncertain)
        if self._assumed and LOCAL_WITH_FALLBACK in inputs.service.annotations:
            ports = [
                replace(
                    port,
                    uncertain=(*port.uncertain, Uncertain(~port.forwarding, _ON_OPENSHIFT, only_local=True)),
                )
                if port.usable
                else port
                for port in ports
            ]
        return tracked.states(ports)

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        """The table is the external one: iptables/proxier.go:888-916, nftables/proxier.go:1399-1442."""
        service, by_port = inputs.service, inputs.tracked.by_port
        uncertain = (Uncertain(-1, _OF_ENVOY),) if inputs.of_envoy else ()
        ports = port_states(cluster_ip_ports(service), by_port, uncertain)
        if not self._ipvs:
            return tuple(ports)
        outside = {(port.label, port.transport, family) for port, family in external_ports(service)}
        return tuple(_under_ipvs(port, by_port, outside) for port in ports)


PRIMARY = "primary"
_WORDS = {"all": ("0.0.0.0/0", "::/0"), "localhost": ("127.0.0.0/8", "::1/128")}


def node_port_ranges(plane: KnownDataPlane, family: IPFamily) -> tuple[str, ...]:
    """The ranges of addresses at which it serves node ports, and PRIMARY for the primary address of a node, which
    is an InternalIP if there is one: server.go detectNodeIPs. () for all addresses. In nftables mode PRIMARY is
    the default (server_linux.go). Without a range of the family, all addresses of the family are served:
    pkg/proxy/util/nodeport_addresses.go NewNodePortAddresses. kubernetes/kubernetes#138427 adds the words `all`
    and `localhost`; all words and ranges add up."""
    if plane.name is not DataPlane.KUBE_PROXY:
        return ()
    found = plane.setting(NODE_PORTS)
    if found is None:
        return (PRIMARY,) if plane.mode == "nftables" else ()
    every = [each for text in found.split(",") for each in _WORDS.get(text.strip(), (text.strip(),))]
    ranges = tuple(each for each in every if each == PRIMARY or (":" in each) == (family == "IPv6"))
    return () if any(each.endswith("/0") for each in ranges) else ranges


def answers_arp_everywhere(plane: KnownDataPlane) -> bool:
    """Whether a node answers ARP requests for the addresses of Services that other nodes announce, as far as is
    known. In mode ipvs every node has the address of each load balancer and each external IP on kube-ipvs0, unless
    it is an address of the node (v1.37.2 ipvs/proxier.go:902-1020), and Linux answers for the addresses of all its
    interfaces. `strictARP` sets arp_ignore, which ends that (:295); it is off by default. Linux answers neighbour
    discovery for the addresses of the receiving interface alone, so IPv6 is not concerned."""
    ipvs = plane.name is DataPlane.KUBE_PROXY and plane.mode == "ipvs"
    return ipvs and not plane.enabled(STRICT_ARP, default=False)


def _under_ipvs(
    port: PortState, by_port: Mapping[PortKey, NodeSets], outside: Container[tuple[str, str, IPFamily]]
) -> PortState:
    """ipvs/proxier.go:1605-1627: where no endpoint is local, a virtual server gets clusterEndpoints. Only a port
    that is reachable from outside has some (topology.go:48-60); any other one is left without a real server, and
    the kernel refuses (Linux ip_vs_leave)."""
    if not port.usable or (port.port, port.protocol, port.family) not in outside:
        return replace(port, silent=0)
    elsewhere = ~port.forwarding
    if by_port[port.family, port.port, port.protocol].any_ready:
        return replace(port, ready=port.ready | elsewhere, silent=0)
    return replace(port, terminating=port.terminating | elsewhere, silent=0)


def port_states(
    ports: Iterable[tuple[ServicePort, IPFamily]],
    by_port: Mapping[PortKey, NodeSets],
    uncertain: tuple[Uncertain, ...],
) -> Iterable[PortState]:
    for port, family in ports:
        found = by_port.get((family, port.label, port.transport), NO_NODES)
        undefined = (Uncertain(found.undefined, _COPIES),) if found.undefined else ()
        yield PortState.of(
            port,
            family,
            found.ready,
            found.terminating,
            found.usable,
            found.crowded,
            silent=-1 if found.usable else 0,
            uncertain=(*uncertain, *undefined) if undefined else uncertain,
        )
