"""The records of Cilium's own API that a rule reads, group cilium.io."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from etpguard.objects.kinds import Kind, Reach, Subset
from etpguard.objects.records import BareMeta, Key, LabelledRecord, Record, Selector, Shape, index_key
from etpguard.objects.workloads import CONFIG_KEYS


class L2AnnouncementSpec(Shape, frozen=True):
    """An absent selector selects everything (Cilium Documentation/network/l2-announcements.rst)."""

    service_selector: Selector | None = None
    node_selector: Selector | None = None
    external_ips: bool | None = msgspec.field(name="externalIPs", default=None)
    load_balancer_ips: bool | None = msgspec.field(name="loadBalancerIPs", default=None)


class CiliumL2AnnouncementPolicy(LabelledRecord, frozen=True):
    spec: L2AnnouncementSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


class AdvertisedService(Shape, frozen=True):
    addresses: list[str] | None = None
    """Of "ClusterIP", "ExternalIP" and "LoadBalancerIP"."""


class BGPAdvertisement(Shape, frozen=True):
    """An advertisement of type Service needs a selector: without one it advertises no Service."""

    advertisement_type: str = ""
    service: AdvertisedService | None = None
    selector: Selector | None = None


class BGPAdvertisementSpec(Shape, frozen=True):
    advertisements: list[BGPAdvertisement] | None = None


class CiliumBGPAdvertisement(LabelledRecord, frozen=True):
    spec: BGPAdvertisementSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.labels, self.deleting, self.spec)


class PeerConfigRef(Shape, frozen=True):
    name: str = ""


class BGPPeer(Shape, frozen=True):
    """Cilium advertises nothing to a peer without the name of a CiliumBGPPeerConfig."""

    peer_config_ref: PeerConfigRef | None = None


class BGPInstance(Shape, frozen=True):
    peers: list[BGPPeer] | None = None


class BGPClusterConfigSpec(Shape, frozen=True):
    """Without a selector, every node has the sessions."""

    node_selector: Selector | None = None
    bgp_instances: list[BGPInstance] | None = None

    @property
    def peer_configs(self) -> frozenset[str]:
        """The names of the CiliumBGPPeerConfigs of its peers."""
        peers = [peer for instance in self.bgp_instances or () for peer in instance.peers or ()]
        return frozenset(peer.peer_config_ref.name for peer in peers if peer.peer_config_ref) - {""}


class CiliumBGPClusterConfig(LabelledRecord, frozen=True):
    spec: BGPClusterConfigSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


class BGPFamily(Shape, frozen=True):
    """What a peer gets of one address family. An absent selector selects no CiliumBGPAdvertisement."""

    afi: str = ""
    """"ipv4", "ipv6" and others."""
    safi: str = ""
    advertisements: Selector | None = None


class BGPPeerConfigSpec(Shape, frozen=True):
    """Without families, a peer gets no advertisement."""

    families: list[BGPFamily] | None = None


class CiliumBGPPeerConfig(Record, frozen=True):
    spec: BGPPeerConfigSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.spec)


_BEFORE_1_18 = ("cilium.io/v2alpha1",)
"""The only version of the kinds of BGP in Cilium 1.16 and 1.17."""
CILIUM_BGP_ADVERTISEMENT = Kind(
    "CiliumBGPAdvertisement",
    "ciliumbgpadvertisements",
    "cilium.io",
    "v2",
    CiliumBGPAdvertisement,
    equal_versions=_BEFORE_1_18,
    namespaced=False,
    reach=Reach.EVERYTHING,
    refines=True,
)
CILIUM_BGP_CLUSTER_CONFIG = Kind(
    "CiliumBGPClusterConfig",
    "ciliumbgpclusterconfigs",
    "cilium.io",
    "v2",
    CiliumBGPClusterConfig,
    equal_versions=_BEFORE_1_18,
    namespaced=False,
    reach=Reach.EVERYTHING,
    refines=True,
)
CILIUM_BGP_PEER_CONFIG = Kind(
    "CiliumBGPPeerConfig",
    "ciliumbgppeerconfigs",
    "cilium.io",
    "v2",
    CiliumBGPPeerConfig,
    equal_versions=_BEFORE_1_18,
    namespaced=False,
    reach=Reach.EVERYTHING,
    refines=True,
)
CILIUM_L2_ANNOUNCEMENT_POLICY = Kind(
    "CiliumL2AnnouncementPolicy",
    "ciliuml2announcementpolicies",
    "cilium.io",
    "v2alpha1",
    CiliumL2AnnouncementPolicy,
    namespaced=False,
    reach=Reach.EVERYTHING,
    refines=True,
)


class L2LeaseSpec(Shape, frozen=True):
    holder_identity: str | None = None


class L2Lease(Record, frozen=True):
    """The Lease of one Service. The Cilium agent on the node of its holder announces the addresses."""

    spec: L2LeaseSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.holder)

    @property
    def holder(self) -> str:
        """The name of the node; "" once its agent has released the Lease."""
        return (self.spec and self.spec.holder_identity) or ""


L2_LEASE_PREFIX = "cilium-l2announce-"


def l2_lease(service: Key) -> str:
    """The name of the Lease of a Service: cilium v1.20.2 pkg/l2announcer/l2announcer.go newLeaseLock. Two Services
    share one if their names make the same text, such as a/b-c and a-b/c."""
    return f"{L2_LEASE_PREFIX}{service.namespace}-{service.name}"


def l2_lease_key(name: str) -> Key:
    """The key under which the picture has the Lease of this name, in whatever namespace Cilium runs."""
    return index_key("CiliumL2Lease", name)


def _named(lease: L2Lease) -> Iterable[Key]:
    return (l2_lease_key(lease.metadata.name),)


CILIUM_L2_LEASE = Kind(
    "Lease",
    "leases",
    "coordination.k8s.io",
    "v1",
    L2Lease,
    refers=_named,
    refines=True,
    subset=Subset(
        namespace="kube-system",
        interval=15.0,
        needed_by=CILIUM_L2_ANNOUNCEMENT_POLICY,
        prefix=L2_LEASE_PREFIX,
        switched_with="cilium.io",
    ),
)
"""In the namespace of Cilium. An agent renews each of them every 5 s and takes over after 15 s, so a watch would
deliver little but renewals."""


class CiliumNodeConfigSpec(Shape, frozen=True):
    """`defaults` has only the keys that a rule reads."""

    node_selector: Selector | None = None
    defaults: dict[str, str] | None = None

    def __post_init__(self) -> None:
        kept = {key: value for key, value in (self.defaults or {}).items() if key in CONFIG_KEYS}
        msgspec.structs.force_setattr(self, "defaults", kept)


class CiliumNodeConfig(Record, frozen=True):
    """Overrides keys of cilium-config on the nodes that it selects: on no node without a selector, on all nodes
    with an empty one. Cilium 1.20.2 pkg/option/resolver/resolver.go."""

    metadata: BareMeta
    spec: CiliumNodeConfigSpec | None = None

    @property
    def values(self) -> dict[str, str]:
        return (self.spec and self.spec.defaults) or {}

    def selects(self, labels: dict[str, str]) -> bool:
        selector = self.spec.node_selector if self.spec else None
        return selector is not None and selector.admits(labels)

    @property
    def of_single_nodes(self) -> bool:
        return bool(self.values)

    @property
    def substance(self) -> object:
        return self.spec


CILIUM_NODE_CONFIG = Kind(
    "CiliumNodeConfig", "ciliumnodeconfigs", "cilium.io", "v2", CiliumNodeConfig, reach=Reach.NOTHING
)

CILIUM_NODE_CONFIG_ALPHA = Kind(
    "CiliumNodeConfig", "ciliumnodeconfigs", "cilium.io", "v2alpha1", CiliumNodeConfig, reach=Reach.NOTHING
)
