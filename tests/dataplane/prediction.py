"""What etpguard says, in the words of the comparison."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

from devcluster import Cluster
from devcluster.dataplane.addresses import Family
from devcluster.dataplane.matrix import PortKey, State
from etpguard.assess import Engine
from etpguard.assess.consumers.registry import families
from etpguard.assess.node_states import ServiceStates, service_states
from etpguard.cluster import NodeTable, Picture
from etpguard.objects import ENDPOINT_SLICE, INGRESS, INGRESS_CLASS, NODE, SERVICE, Kind, Service
from etpguard.objects.decode import decode_page
from etpguard.report import Contents, coverage_report


class Predictor(Protocol):
    """Says what the packets should do, from what stands in the API."""

    def states(self, cluster: Cluster, namespaces: Collection[str]) -> Mapping[PortKey, Mapping[str, State]]:
        """The state of every Node for each externally served port of the namespaces' Services with Local."""

    def healthy(self, cluster: Cluster, namespace: str, name: str, family: Family) -> set[str]:
        """The nodes on which the Service's healthCheckNodePort answers 200."""


def report(cluster: Cluster) -> dict[str, Any]:
    """The CoverageReport of the whole cluster: what `etpguard check -A -o json` prints."""
    known = families()
    kinds: dict[Kind[Any], None] = dict.fromkeys((NODE, SERVICE, ENDPOINT_SLICE, INGRESS, INGRESS_CLASS))
    kinds.update(dict.fromkeys(kind for family in known for kind in family.kinds))
    picture = Picture(kinds)
    for kind in kinds:
        response = cluster.request("GET", kind.path)
        if response.status != 404:  # no such CRD, so no such objects
            picture.absorb(picture.store(kind).replace(decode_page(kind, response.body).items))
    engine = Engine(picture, known)
    engine.refresh_all()
    contents = Contents(
        "kube-proxy", "known", engine.assessments.values(), picture.nodes, lambda _: (), max_nodes=0
    )
    return coverage_report(contents)


class Core:
    """etpguard's own rule, called directly."""

    def states(self, cluster: Cluster, namespaces: Collection[str]) -> dict[PortKey, dict[str, State]]:
        table = NodeTable()
        for node in decode_page(NODE, cluster.request("GET", NODE.path).body).items:
            table.add(node.key.name)
        told: dict[PortKey, dict[str, State]] = {}
        for service, states in _states(cluster, table):
            if service.key.namespace not in namespaces or service.spec.external_traffic_policy != "Local":
                continue
            for port in states.ports:
                key = PortKey(service.key.namespace, service.key.name, port.port, port.protocol, port.family)
                by_state: dict[State, int] = {
                    "ready": port.ready & table.present,
                    "terminating": port.terminating & table.present,
                    "dropped": port.dropped(table.present),
                    "rejected": port.rejected(table.present),
                }
                told[key] = {node: state for state, bits in by_state.items() for node in table.names(bits)}
        return told

    def healthy(self, cluster: Cluster, namespace: str, name: str, family: Family) -> set[str]:
        table = NodeTable()
        for service, states in _states(cluster, table):
            if (service.key.namespace, service.key.name) == (namespace, name):
                return set(table.names(states.healthy[family]))
        raise LookupError(f"no Service {namespace}/{name}")


def _states(cluster: Cluster, table: NodeTable) -> Iterator[tuple[Service, ServiceStates]]:
    slices = decode_page(ENDPOINT_SLICE, cluster.request("GET", ENDPOINT_SLICE.path).body).items
    for service in decode_page(SERVICE, cluster.request("GET", SERVICE.path).body).items:
        own = [
            slice_
            for slice_ in slices
            if slice_.key.namespace == service.key.namespace
            and slice_.labels.get("kubernetes.io/service-name") == service.key.name
        ]
        yield service, service_states(service, own, table.bit)
