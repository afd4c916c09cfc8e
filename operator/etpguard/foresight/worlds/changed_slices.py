"""The EndpointSlices of a Service in one of the possible worlds, and what its present ones show. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from etpguard.assess.node_states import ip_families
from etpguard.cluster import Picture
from etpguard.foresight.hosts import pod_of
from etpguard.foresight.placement.scheduling import NewPod
from etpguard.foresight.pods import Pods
from etpguard.foresight.worlds.alternatives import Alternative
from etpguard.objects import Endpoint, EndpointSlice, IPFamily, Key, Service
from etpguard.objects.endpoints import SERVICE_LABEL, EndpointConditions, EndpointPort, SliceMeta

_NEW_SLICE = "what-if-new-pods"

Reach = tuple[set[Key], dict[Key, list[NewPod]]]


def reach(alternatives: Iterable[Alternative], pods: Pods) -> list[Reach]:
    """For each alternative the Services that lose endpoints, and those that get new pods, with these pods."""
    found = []
    serve: dict[tuple[Key | None, bytes], set[Key]] = {}
    for each in alternatives:
        losing = {service for pod in each.pods() for service in pods.services_of(pod)}
        new_for: dict[Key, list[NewPod]] = defaultdict(list)
        for new in each.new:
            kind = (new.known_by_endpoint, new.like)
            if kind not in serve:
                serve[kind] = pods.services_for(new)
            for service in serve[kind]:
                new_for[service].append(new)
        found.append((losing, new_for))
    return found


def changed_slices(
    picture: Picture, service: Service, removed: frozenset[Key], added: Sequence[str]
) -> list[EndpointSlice]:
    """The slices of the Service without the endpoints of the `removed` pods, and with one on each node `added`."""
    made = []
    for slice_ in picture.slices(service.key):
        kept = [each for each in slice_.endpoints or () if pod_of(slice_, each) not in removed]
        made.append(msgspec.structs.replace(slice_, endpoints=kept))
    return [*made, *_new_slices(service, made, added)] if added else made


def _new_slices(service: Service, existing: Sequence[EndpointSlice], nodes: Sequence[str]) -> list[EndpointSlice]:
    """The endpoints of new pods: ready, with the ports of the Service's other endpoints. Where it has none, each
    port of the Service leads to the port of that number."""
    ports = next((slice_.ports for slice_ in existing if slice_.ports), None)
    if ports is None:
        ports = [EndpointPort(port.label, port.transport, port.port) for port in service.ports]
    made = [Endpoint([], EndpointConditions(True, True, False), node) for node in nodes]
    return slices_with(service, _NEW_SLICE, 0, made, ports)


def slices_with(
    service: Service, name: str, subnet: int, endpoints: Sequence[Endpoint], ports: Sequence[EndpointPort]
) -> list[EndpointSlice]:
    """One EndpointSlice for each family of the Service. Its addresses stand for those of the pods; two slices with
    other `subnet`s have no address in common."""
    template: dict[IPFamily, Callable[[int], str]] = {
        "IPv4": lambda number: f"198.{18 + subnet}.{number // 250}.{number % 250 + 1}",
        "IPv6": lambda number: f"2001:2:0:{subnet}::{number + 1:x}",
    }
    return [
        EndpointSlice(
            SliceMeta(
                name=f"{name}-{family.lower()}",
                namespace=service.key.namespace,
                labels={SERVICE_LABEL: service.key.name},
            ),
            family,
            [
                msgspec.structs.replace(each, addresses=[template[family](number)])
                for number, each in enumerate(endpoints)
            ],
            list(ports),
        )
        for family in ip_families(service)
    ]
