"""What the rules of all data planes read: one Service, its EndpointSlices and the nodes. What several rules derive
alike from them is computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from etpguard.assess.data_planes import trackers
from etpguard.assess.node_states import ip_families
from etpguard.objects import EndpointSlice, Requirement, Service

DUMMY_ADDRESS, DUMMY_PORT = "192.192.192.192", 9999
"""The placeholder endpoint of the Services of Cilium's Ingress and Gateway API controllers: Cilium v1.20.2
operator/pkg/model/translation; pkg/loadbalancer/reflectors/conversions.go isIngressDummyEndpoint."""


class Nodes(NamedTuple):
    """The nodes of the cluster as sets."""

    bit: Callable[[str], int]
    """The set of one node by name."""
    having: Callable[[tuple[Requirement, ...]], int]
    """The set of the Nodes whose labels meet all requirements."""


class Inputs:
    """One Service with the EndpointSlices that belong to it by namespace and label."""

    def __init__(self, service: Service, slices: Iterable[EndpointSlice], nodes: Nodes) -> None:
        self.service = service
        self.slices: Sequence[EndpointSlice] = sorted(slices, key=_name)
        self.nodes = nodes

    @cached_property
    def tracked(self) -> trackers.Tracked:
        """The endpoints as kube-proxy's trackers hold them."""
        return trackers.track(self.slices, ip_families(self.service), self.nodes.bit)

    @cached_property
    def of_envoy(self) -> bool:
        """Whether the Service belongs to an Ingress or a Gateway of Cilium, whose endpoint is a placeholder: the
        Envoy of each node serves it."""
        if self.service.spec.selector:
            return False
        return any(
            DUMMY_ADDRESS in (endpoint.addresses or ())
            for slice_ in self.slices
            if any(port.port == DUMMY_PORT for port in slice_.ports or ())
            for endpoint in slice_.endpoints or ()
        )


def _name(slice_: EndpointSlice) -> str:
    return slice_.metadata.name
