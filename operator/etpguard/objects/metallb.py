"""The records of MetalLB's own API that a rule reads, group metallb.io: api/v1beta1."""

from __future__ import annotations

from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.records import LabelledRecord, Selector, Shape


class AdvertisementSpec(Shape, frozen=True):
    """Without `ip_address_pools` and their selectors it is for all pools, without `node_selectors` for all
    nodes; one selector that matches is enough."""

    ip_address_pools: list[str] | None = None
    ip_address_pool_selectors: list[Selector] | None = None
    node_selectors: list[Selector] | None = None


class Advertisement(LabelledRecord, frozen=True):
    spec: AdvertisementSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


class IPAddressPool(LabelledRecord, frozen=True):
    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.labels, self.deleting)


L2_ADVERTISEMENT = Kind(
    "L2Advertisement",
    "l2advertisements",
    "metallb.io",
    "v1beta1",
    Advertisement,
    reach=Reach.EVERYTHING,
    refines=True,
)
BGP_ADVERTISEMENT = Kind(
    "BGPAdvertisement",
    "bgpadvertisements",
    "metallb.io",
    "v1beta1",
    Advertisement,
    reach=Reach.EVERYTHING,
    refines=True,
)
IP_ADDRESS_POOL = Kind(
    "IPAddressPool", "ipaddresspools", "metallb.io", "v1beta1", IPAddressPool, reach=Reach.EVERYTHING, refines=True
)
