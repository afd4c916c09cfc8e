"""The addresses of Services that nodes announce: which Services share one, and the consumers of external IPs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.shared.node_addresses import addresses_of, holders
from etpguard.assess.consumers.targets import PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.cluster.picture import Referrer
from etpguard.objects import NODE, SERVICE, IPFamily, Key, Kind, Service
from etpguard.objects.addresses import family_of
from etpguard.objects.records import index_key


def announced(address: str) -> Key:
    """The index key of an address, by which the picture finds the Services that have it."""
    return index_key("AnnouncedAddress", address)


def addresses_of_service(service: Service) -> Iterable[Key]:
    """The index keys of its external IPs and of its load balancer's addresses."""
    external = service.spec.external_ips or ()
    return {announced(ip) for ip in (*external, *(entry.ip for entry in service.load_balancer_ingress)) if ip}


ADDRESSES: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType(
    {NODE: (addresses_of,), SERVICE: (addresses_of_service,)}
)
"""The `refers` of a family that has `external_consumers`."""


def shared_address(service: Service, view: View, addresses: Iterable[Key], they: str) -> PossibleNodes | None:
    """The targets where other Services refer to one of these index keys; None if none does. `they`: what nodes
    with an endpoint of any of the Services do."""
    sharing = {other.key for address in addresses for other in view.referring(SERVICE, address)}
    others = sharing - {service.key}
    if not others:
        return None
    detail = (
        f"the Service shares its address with Service {min(others)}. Nodes with an endpoint of any of these "
        f"Services {they}. Nodes without an endpoint of this Service drop its traffic"
    )
    return PossibleNodes(EVERY_NODE, Reason("SharedAddress", detail))


class AnnouncedBy(Struct, frozen=True):
    """Who announces an external IP, and from where. `source` says how that is known, as a clause."""

    controller: str
    targets: Targets
    source: str


def external_consumers(
    service: Service, view: View, announcer: Callable[[str, IPFamily], AnnouncedBy | None]
) -> Iterator[Consumer]:
    """A consumer for each port of each external IP that `announcer` knows, unless it is the address of a node: its
    packets arrive there."""
    external = dict.fromkeys(service.spec.external_ips or ())
    families = ip_families(service)
    found: dict[str, tuple[IPFamily, AnnouncedBy]] = {}
    for address in external:
        family = family_of(address)
        if family in families and not holders(address, view) and (by := announcer(address, family)):
            found[address] = (family, by)
    # Clients may also use the node ports, or addresses that nobody announces.
    served = service.type == "LoadBalancer" and bool(service.load_balancer_ingress)
    incidental = not served and (service.type != "ClusterIP" or len(found) < len(external))
    for address, (family, by) in found.items():
        for port in service.ports:
            yield Consumer(
                kind="ExternalIP",
                namespace=service.key.namespace,
                name=address,
                controller=by.controller,
                target_type="node",
                port=port.label,
                targets=by.targets,
                ip_families=(family,),
                incidental=incidental,
                source=by.source,
                reads=frozenset((announced(address),)),
            )
