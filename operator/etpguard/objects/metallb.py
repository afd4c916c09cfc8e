"""The records of MetalLB's own API that a rule reads, group metallb.io: api/v1beta1."""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.objects.kinds import AnyKind, Kind, Reach
from etpguard.objects.records import Key, LabelledRecord, Selector, Shape, presence_key


class AdvertisementSpec(Shape, frozen=True):
    """Without `ip_address_pools` and their selectors it is for all pools, without `node_selectors` for all
    nodes; one selector that matches is enough."""

    ip_address_pools: list[str] | None = None
    ip_address_pool_selectors: list[Selector] | None = None
    node_selectors: list[Selector] | None = None
    service_selectors: list[Selector] | None = None
    """Selectors of the labels of Services, since 0.16. Without any, it is for every Service."""
    peers: list[str] | None = None
    """The names of BGPPeers, in a BGPAdvertisement. Without any, it is for every peer."""
    interfaces: list[str] | None = None
    """The network interfaces from which an L2Advertisement announces. Without any, from all."""
    aggregation_length: int | None = None
    """The length of the prefix that a BGPAdvertisement announces for an IPv4 address; 32 if absent."""
    aggregation_length_v6: int | None = None
    """The same for IPv6; 128 if absent."""


class Advertisement(LabelledRecord, frozen=True):
    spec: AdvertisementSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


class IPAddressPool(LabelledRecord, frozen=True):
    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.labels, self.deleting)


class PeerSpec(Shape, frozen=True):
    """Without `node_selectors` every node has a session with the peer."""

    node_selectors: list[Selector] | None = None


class BGPPeer(LabelledRecord, frozen=True):
    spec: PeerSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


class AnnouncedBy(Shape, frozen=True):
    """The status of a ServiceL2Status or ServiceBGPStatus, which a speaker writes while its node announces."""

    node: str | None = None
    service_name: str | None = None
    service_namespace: str | None = None


class AnnouncementStatus(LabelledRecord, frozen=True):
    status: AnnouncedBy | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.status)

    @property
    def node(self) -> str:
        return (self.status and self.status.node) or ""

    @property
    def service(self) -> Key | None:
        status = self.status
        if status is None or not status.service_name:
            return None
        return Key(status.service_namespace or "", status.service_name)


def report_key(kind: AnyKind) -> Key:
    """The key to which all reports of this kind refer, besides that of their Service."""
    return presence_key("MetalLBReport", kind.plural)


def _announced_by_l2(status: AnnouncementStatus) -> Iterable[Key]:
    return () if status.service is None else (status.service, report_key(SERVICE_L2_STATUS))


def _announced_by_bgp(status: AnnouncementStatus) -> Iterable[Key]:
    return () if status.service is None else (status.service, report_key(SERVICE_BGP_STATUS))


L2_ADVERTISEMENT = Kind(
    "L2Advertisement",
    "l2advertisements",
    "metallb.io",
    "v1beta1",
    Advertisement,
    reach=Reach.EVERYTHING,
    refines=True,
    beyond_namespace=True,
)
BGP_ADVERTISEMENT = Kind(
    "BGPAdvertisement",
    "bgpadvertisements",
    "metallb.io",
    "v1beta1",
    Advertisement,
    reach=Reach.EVERYTHING,
    refines=True,
    beyond_namespace=True,
)
IP_ADDRESS_POOL = Kind(
    "IPAddressPool",
    "ipaddresspools",
    "metallb.io",
    "v1beta1",
    IPAddressPool,
    reach=Reach.EVERYTHING,
    refines=True,
    beyond_namespace=True,
)
BGP_PEER = Kind(
    "BGPPeer",
    "bgppeers",
    "metallb.io",
    "v1beta2",
    BGPPeer,
    reach=Reach.EVERYTHING,
    refines=True,
    beyond_namespace=True,
)
SERVICE_L2_STATUS = Kind(
    "ServiceL2Status",
    "servicel2statuses",
    "metallb.io",
    "v1beta1",
    AnnouncementStatus,
    refers=_announced_by_l2,
    refines=True,
    beyond_namespace=True,
)
SERVICE_BGP_STATUS = Kind(
    "ServiceBGPStatus",
    "servicebgpstatuses",
    "metallb.io",
    "v1beta1",
    AnnouncementStatus,
    refers=_announced_by_bgp,
    refines=True,
    beyond_namespace=True,
)
