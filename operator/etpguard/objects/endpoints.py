"""The record of an EndpointSlice."""

from __future__ import annotations

from typing import Literal

from etpguard.objects.records import Key, LabelledRecord, Shape

IPFamily = Literal["IPv4", "IPv6"]

SERVICE_LABEL = "kubernetes.io/service-name"
"""Names the Service of a slice."""


class EndpointConditions(Shape, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Shape, frozen=True):
    kind: str | None = None
    name: str | None = None


class Endpoint(Shape, frozen=True):
    addresses: list[str] | None = None
    conditions: EndpointConditions | None = None
    node_name: str | None = None
    target_ref: TargetRef | None = None


class EndpointPort(Shape, frozen=True):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None


class EndpointSlice(LabelledRecord, frozen=True):
    address_type: str = ""
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.labels, self.address_type, self.endpoints, self.ports)

    @property
    def service(self) -> Key | None:
        """Binding is the namespace and this label alone: kube-proxy 1.37.2 endpointslicecache.go:311-320."""
        name = self.labels.get(SERVICE_LABEL)
        return Key(self.metadata.namespace or "", name) if name else None
