"""The record of Cilium's own API that a rule reads, group cilium.io."""

from __future__ import annotations

import msgspec

from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.records import LabelledRecord, Selector, Shape


class L2AnnouncementSpec(Shape, frozen=True):
    """An absent selector selects everything (Cilium Documentation/network/l2-announcements.rst)."""

    service_selector: Selector | None = None
    node_selector: Selector | None = None
    load_balancer_ips: bool | None = msgspec.field(name="loadBalancerIPs", default=None)


class CiliumL2AnnouncementPolicy(LabelledRecord, frozen=True):
    spec: L2AnnouncementSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


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
