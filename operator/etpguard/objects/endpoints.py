"""The record of an EndpointSlice."""

from __future__ import annotations

from typing import Literal

from etpguard.objects.records import Key, LabelledMeta, LabelledRecord, Shape

IPFamily = Literal["IPv4", "IPv6"]
IP_FAMILIES: tuple[IPFamily, ...] = ("IPv4", "IPv6")
WEIGHT = "service.cilium.io/weight"
"""The only annotation of a slice that a data plane reads: Cilium pkg/annotation/k8s.go."""

SERVICE_LABEL = "kubernetes.io/service-name"
"""Names the Service of a slice."""


class EndpointConditions(Shape, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Hint(Shape, frozen=True):
    name: str = ""


class EndpointHints(Shape, frozen=True):
    """The zones and the nodes whose clients the endpoint is for."""

    for_zones: list[Hint] | None = None
    for_nodes: list[Hint] | None = None


class TargetRef(Shape, frozen=True):
    kind: str | None = None
    name: str | None = None


class Endpoint(Shape, frozen=True):
    addresses: list[str] | None = None
    conditions: EndpointConditions | None = None
    node_name: str | None = None
    target_ref: TargetRef | None = None
    hints: EndpointHints | None = None
    deprecated_topology: dict[str, str] | None = None
    """Labels of the node, in slices that were converted from v1beta1."""


class EndpointPort(Shape, frozen=True):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None


class SliceMeta(LabelledMeta, frozen=True):
    annotations: dict[str, str] | None = None

    def __post_init__(self) -> None:
        # The endpoint controllers write the time of each change; keep only what a rule reads.
        if self.annotations is not None:
            for name in self.annotations.keys() - {WEIGHT}:
                del self.annotations[name]


class EndpointSlice(LabelledRecord, frozen=True):
    metadata: SliceMeta
    address_type: str = ""
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.labels, self.weight, self.address_type, self.endpoints, self.ports)

    @property
    def weight(self) -> str | None:
        """The value of the annotation `service.cilium.io/weight`."""
        return self.metadata.annotations.get(WEIGHT) if self.metadata.annotations else None

    @property
    def service(self) -> Key | None:
        """Only the namespace and this label bind a slice to its Service: kube-proxy 1.37.2
        endpointslicecache.go:311-320."""
        name = self.labels.get(SERVICE_LABEL)
        return Key(self.metadata.namespace or "", name) if name else None
