"""The nodes of a Service's endpoints. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from etpguard.assess.data_planes.trackers import is_ready, is_serving, is_terminating
from etpguard.cluster import Picture
from etpguard.objects import Endpoint, EndpointSlice, Key


class Hosts(NamedTuple):
    of_pods: Mapping[Key, str]
    """The node of each pod with an endpoint that gets traffic."""
    fixed: frozenset[str]
    """The nodes of endpoints that are no pods: they stay."""


def hosts_of(service: Key, picture: Picture) -> Hosts:
    of_pods: dict[Key, str] = {}
    fixed: set[str] = set()
    for slice_ in picture.slices(service):
        for endpoint in slice_.endpoints or ():
            if not _gets_traffic(endpoint) or endpoint.node_name is None:
                continue
            pod = pod_of(slice_, endpoint)
            if pod is None:
                fixed.add(endpoint.node_name)
            else:
                of_pods[pod] = endpoint.node_name
    return Hosts(of_pods, frozenset(fixed))


def target_ports(service: Key, picture: Picture) -> frozenset[int]:
    """The ports of the pods to which the Service leads."""
    ports = (port for slice_ in picture.slices(service) for port in slice_.ports or ())
    return frozenset(port.port for port in ports if port.port is not None)


def pod_of(slice_: EndpointSlice, endpoint: Endpoint) -> Key | None:
    target = endpoint.target_ref
    if target is None or target.kind != "Pod" or not target.name:
        return None
    return Key(slice_.metadata.namespace or "", target.name)


def _gets_traffic(endpoint: Endpoint) -> bool:
    return is_ready(endpoint) or (is_terminating(endpoint) and is_serving(endpoint))
