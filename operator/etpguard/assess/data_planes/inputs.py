"""What the rules of all data planes read: one Service, its EndpointSlices and the nodes. What several rules derive
alike from them is computed once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from etpguard.assess.data_planes import trackers
from etpguard.assess.node_states import ip_families
from etpguard.objects import EndpointSlice, Requirement, Service
from etpguard.objects.endpoints import EndpointPort

K = TypeVar("K")
T = TypeVar("T")

DUMMY_ADDRESS, DUMMY_PORT = "192.192.192.192", 9999
"""The placeholder endpoint of the Services of Cilium's Ingress and Gateway API controllers: Cilium v1.20.2
operator/pkg/model/translation; pkg/loadbalancer/reflectors/conversions.go isIngressDummyEndpoint."""


def _no_addresses(name: str) -> Collection[str]:
    return ()


class Nodes(NamedTuple):
    """The nodes of the cluster as sets."""

    bit: Callable[[str], int]
    """The set of one node by name."""
    having: Callable[[tuple[Requirement, ...]], int]
    """The set of the Nodes whose labels meet all requirements."""
    addresses: Callable[[str], Collection[str]] = _no_addresses
    """The addresses of the Node of that name. A change is noticed of Windows nodes alone."""


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


class ByPort(Generic[K, T]):
    """What `fold` makes of the slices that have a port, by what `key` takes of the port. A port without a number
    counts for nothing. Ports that the same slices have share the result: the work is linear in the endpoints."""

    def __init__(
        self,
        slices: Iterable[EndpointSlice],
        key: Callable[[EndpointPort], K],
        fold: Callable[[Sequence[EndpointSlice]], T],
    ) -> None:
        self._fold = fold
        self._slices: dict[K, list[EndpointSlice]] = {}
        for slice_ in slices:
            for each in {key(port) for port in slice_.ports or () if port.port}:
                self._slices.setdefault(each, []).append(slice_)
        self._folded: dict[tuple[int, ...], T] = {}

    def of(self, key: K) -> T:
        slices = self._slices.get(key, [])
        same = tuple(map(id, slices))
        if same not in self._folded:
            self._folded[same] = self._fold(slices)
        return self._folded[same]


def _name(slice_: EndpointSlice) -> str:
    return slice_.metadata.name
