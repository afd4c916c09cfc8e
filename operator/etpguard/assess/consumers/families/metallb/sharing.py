"""Services that share one address: MetalLB 7938d3f internal/allocator/allocator.go checkSharing.

All of them have the same key in `allow-shared-ip` and, under `Local`, the same selector; their ports differ. A
Service whose policy differs from that of the others loses the address.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from etpguard.objects import SERVICE, Key, Kind, Service
from etpguard.objects.records import index_key

ALLOW_SHARED = ("metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip")


class Referring(Protocol):
    """What finds the objects that refer to a key: a `Picture` or a `View`."""

    def referring(self, kind: Kind[Any], service: Key, /) -> list[Any]: ...


def may_share(service: Service) -> bool:
    return service.type == "LoadBalancer" and any(service.annotations.get(key) for key in ALLOW_SHARED)


def shared_addresses(service: Service) -> Iterable[Key]:
    """The keys under which the picture finds the Services that share an address with this one."""
    if not may_share(service):
        return ()
    return {index_key("MetalLBAddress", entry.ip) for entry in service.load_balancer_ingress if entry.ip}


def sharing(service: Service, picture: Referring) -> tuple[Key, ...]:
    """The other Services, in order, that have an address of this one. A picture of a family that is not asked for
    MetalLB has none."""
    return Sharers(picture).of(service)


class Sharers:
    """The same for many Services of one picture, while it does not change."""

    def __init__(self, picture: Referring) -> None:
        self._picture = picture
        self._found: dict[frozenset[Key], list[Key]] = {}

    def of(self, service: Service) -> tuple[Key, ...]:
        addresses = frozenset(shared_addresses(service))
        if addresses not in self._found:
            others = {other.key for at in addresses for other in self._picture.referring(SERVICE, at)}
            self._found[addresses] = sorted(others)
        return tuple(key for key in self._found[addresses] if key != service.key)
