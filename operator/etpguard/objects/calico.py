"""The record of Calico's own API that a rule reads, group crd.projectcalico.org."""

from __future__ import annotations

import msgspec

from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.records import LabelledRecord, Shape


class ServiceBlock(Shape, frozen=True):
    cidr: str = ""


class BGPConfigurationSpec(Shape, frozen=True):
    service_load_balancer_ips: list[ServiceBlock] | None = msgspec.field(
        name="serviceLoadBalancerIPs", default=None
    )


class BGPConfiguration(LabelledRecord, frozen=True):
    """The one named "default" is for the cluster, the others are each for one node."""

    spec: BGPConfigurationSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


BGP_CONFIGURATION = Kind(
    "BGPConfiguration",
    "bgpconfigurations",
    "crd.projectcalico.org",
    "v1",
    BGPConfiguration,
    namespaced=False,
    reach=Reach.EVERYTHING,
    refines=True,
)
