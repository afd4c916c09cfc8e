"""Services as the API server stores them: with the node ports that it allocates, and with the cluster IP that they
had. Pure.

k8s.io/kubernetes v1.37.2 pkg/registry/core/service/storage: alloc.go shouldAllocateNodePorts, and storage.go
needsHCNodePort, patchAllocatedValues and dropTypeDependentFields. Which numbers it takes is not known; no rule
depends on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from etpguard.cluster import Picture
from etpguard.objects import SERVICE, Service

_LAST = 32767
"""The last node port, unless --service-node-port-range says otherwise."""


def as_stored(services: Iterable[Service], picture: Picture) -> list[Service]:
    """These Services, each port with a node port where its type has one, and with a healthCheckNodePort where the
    type and the policy need one."""
    given = list(services)
    taken: set[int | None] = set()
    for each in (*picture.store(SERVICE), *given):
        taken.add(each.spec.health_check_node_port)
        taken.update(port.node_port for port in each.ports)
    free = (number for number in range(_LAST, 0, -1) if number not in taken)
    return [_stored(each, picture.get(SERVICE, each.key), free) for each in given]


def _stored(service: Service, before: Service | None, free: Iterator[int]) -> Service:
    spec = service.spec
    if before and not spec.cluster_ip:
        spec = replace(spec, cluster_ip=before.spec.cluster_ip)
    if before and len(spec.ip_families or ()) > len(spec.cluster_ips or ()):
        spec = replace(spec, cluster_ips=None)  # alloc.go allocates one for the new family
    balanced = service.type == "LoadBalancer"
    if service.type == "NodePort" or (balanced and spec.allocate_load_balancer_node_ports is not False):
        ports = [port if port.node_port else replace(port, node_port=next(free)) for port in service.ports]
        spec = replace(spec, ports=ports)
    number = spec.health_check_node_port or next(free) if balanced and service.policy == "Local" else None
    return replace(service, spec=replace(spec, health_check_node_port=number))
