"""What kube-proxy and etpguard say about the same objects."""

from __future__ import annotations

from typing import Any

import msgspec

from etpguard.assess import picture_for
from etpguard.assess.node_states import ServiceStates, proxied
from etpguard.cluster import NodeTable, Picture
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, AnyKind, Service, decode_page
from tests.assess.data_planes.faults import RIGHT, Copy
from tests.assess.data_planes.states import KUBE_PROXY, no_labels
from tests.assess.kube_proxy_rule import (
    DROPPED,
    READY,
    REJECTED,
    TERMINATING,
    NamespacedName,
    Proxier,
    ServicePortName,
)
from tests.assess.random_clusters import Cluster

# (namespace, Service, port, protocol, family, node) -> state, and (namespace, Service, family, node) -> healthy
States = dict[tuple[str, str, str, str, str, str], str]
Healthy = dict[tuple[str, str, str, str], bool]
Observed = tuple[States, Healthy]


def by_kube_proxy(cluster: Cluster) -> Observed:
    """One kube-proxy a node and family."""
    states: States = {}
    healthy: Healthy = {}
    for node in cluster.nodes:
        name, zone = node["metadata"]["name"], node["metadata"]["labels"]["topology.kubernetes.io/zone"]
        for family in ("IPv4", "IPv6"):
            proxier = Proxier(name, family, zone)
            proxier.sync(cluster.services, cluster.slices)
            at: ServicePortName
            for at, state in proxier.external_states().items():
                states[*at.service, at.port, at.protocol, family, name] = state
            service: NamespacedName
            for service, count in proxier.health_check_counts().items():
                healthy[*service, family, name] = count > 0
    return states, healthy


def picture_of(cluster: Cluster) -> Picture:
    """Through JSON and the decoders, as a list from the API would come."""
    picture = picture_for(())
    kinds: list[tuple[AnyKind, list[dict[str, Any]]]] = [
        (NODE, cluster.nodes),
        (SERVICE, cluster.services),
        (ENDPOINT_SLICE, cluster.slices),
    ]
    for kind, items in kinds:
        page = decode_page(kind, msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": items}))
        assert page.rejects == []
        picture.absorb(picture.store(kind).replace(page.items))
    return picture


def by_etpguard(cluster: Cluster, copy: Copy = RIGHT) -> Observed:
    """`copy` holds the rules, or rules with a fault."""
    picture = picture_of(cluster)
    states: States = {}
    healthy: Healthy = {}
    for service in picture.store(SERVICE):
        if service.policy != "Local":
            continue
        slices = picture.slices(service.key)
        found: ServiceStates = copy.states(KUBE_PROXY, service, slices, picture.nodes.bit, no_labels)
        _record(service, found, picture.nodes, states, healthy)
    return states, healthy


def _record(service: Service, found: ServiceStates, nodes: NodeTable, states: States, healthy: Healthy) -> None:
    for port in found.ports:
        sets = {
            READY: port.ready & nodes.present,
            TERMINATING: port.terminating & nodes.present,
            DROPPED: port.dropped(nodes.present),
            REJECTED: port.rejected(nodes.present),
        }
        for node in nodes.names(nodes.present):
            inside = [state for state, members in sets.items() if members & nodes.bit(node)]
            states[*service.key, port.port, port.protocol, port.family, node] = " and ".join(inside)
    checked = service.type == "LoadBalancer" and service.spec.health_check_node_port
    if checked and proxied(service):
        for family, members in found.healthy.items():
            for node in nodes.names(nodes.present):
                healthy[*service.key, family, node] = bool(members & nodes.bit(node))
