"""The records of Cilium's own API that a rule reads, group cilium.io."""

from __future__ import annotations

import msgspec

from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.records import LabelledRecord, Selector, Shape


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
    """Of type Service it needs a selector: without one it advertises no Service."""

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


class BGPClusterConfigSpec(Shape, frozen=True):
    """Without a selector it is for every node."""

    node_selector: Selector | None = None


class CiliumBGPClusterConfig(LabelledRecord, frozen=True):
    spec: BGPClusterConfigSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


CILIUM_BGP_ADVERTISEMENT = Kind(
    "CiliumBGPAdvertisement",
    "ciliumbgpadvertisements",
    "cilium.io",
    "v2",
    CiliumBGPAdvertisement,
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
